"""Runs before an interpreter's first stream: iterates over what a function has returned."""

import contextlib
import functools
from collections.abc import Generator


class _Driver:
    """Iterates over an asynchronous iterable, in one task of an event loop.

    The loop runs only while the next item is computed. It is one task for all items, since a timeout or a group of
    tasks must be left in the task that entered it.
    """

    def __init__(self, items):
        import asyncio

        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._items = []
        self._resumed = None
        self._is_closing = False
        self._task = self._loop.create_task(self._drive(items))
        self._task.add_done_callback(self._stop)

    async def _drive(self, items):
        iterator = aiter(items)
        try:
            async for item in iterator:
                if self._is_closing:
                    break
                self._items.append(item)
                self._resumed = self._loop.create_future()
                self._stop()
                await self._resumed
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    def _stop(self, _=None):
        # It may be called when the loop runs on until it is closed: a task that ends schedules it.
        if not self._is_closing:
            self._loop.stop()

    def step(self, end):
        """The next item, or `end`."""
        try:
            # The task may have cancelled itself.
            if self._resumed is not None and not self._resumed.done():
                self._resumed.set_result(None)
            while not self._items and not self._task.done():
                self._loop.run_forever()
            if self._items:
                return self._items.pop()
            self._task.result()
        except BaseException:
            with contextlib.suppress(BaseException):
                self.close()
            raise
        self.close()
        return end

    def close(self):
        """Ends the iteration where it stands."""
        self._is_closing = True
        # From here on the loop runs until it is closed.
        self._task.remove_done_callback(self._stop)
        # It cancels the task, and waits for its end.
        self._runner.close()


def opened(value):
    """Two functions: one gives the next item of `value`, or its argument after the last; one ends before the last, or is None."""
    if hasattr(type(value), "__aiter__"):
        driver = _Driver(value)
        return driver.step, driver.close
    if getattr(type(value), "__iter__", None) is None and not hasattr(type(value), "__getitem__"):
        text = f"a stream needs an iterable, and the function has returned {type(value).__qualname__}"
        if hasattr(value, "close") and hasattr(type(value), "__await__"):
            value.close()
            text += "\nhint: let the async function yield its items, or return them from a function without async"
        raise TypeError(text)
    iterator = iter(value)
    # Others, such as files, may outlive the stream.
    close = iterator.close if isinstance(iterator, Generator) else None
    return functools.partial(next, iterator), close
