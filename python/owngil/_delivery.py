"""Hands the outcomes of calls to their futures: one thread for each pool."""

import contextlib
import threading
from concurrent.futures import Future as BaseFuture
from concurrent.futures import _base
from typing import TYPE_CHECKING, Any

from owngil._errors import to_exception
from owngil._future import Future

if TYPE_CHECKING:
    from owngil._native import Done, Pool

# How many outcomes are taken at once, at most: other threads of the program wait for the GIL meanwhile.
_BATCH = 256


class Delivery:
    """The futures of the calls that a pool has been given, and the thread that completes them."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        # The future of each ticket. A call may end before its future is entered: then its outcome is here instead.
        self._waiting: dict[int, Future[Any] | Done] = {}
        # A signal handler may submit while its thread is here.
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        # Why no worker can start.
        self.broken: BaseException | None = None

    def expect(self, ticket: int, future: Future[Any]) -> None:
        """Completes the future when its call has ended."""
        future._pool, future._ticket = self._pool, ticket
        found = self._waiting.setdefault(ticket, future)
        if found is not future:
            del self._waiting[ticket]
            assert isinstance(found, tuple)
            self._complete_always(future, found)

    def start(self) -> None:
        """Starts the thread, unless it runs."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    # A daemon: it is waited for by `join`, which the end of the program calls, too.
                    thread = threading.Thread(target=self._run, name="owngil-delivery", daemon=True)
                    thread.start()
                    self._thread = thread

    def join(self) -> None:
        """Waits for the last outcome. The pool must have been shut down."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def cancel(self) -> None:
        """Cancels the calls that have not begun."""
        for future in list(self._waiting.values()):
            if isinstance(future, Future):
                future.cancel()

    def _run(self) -> None:
        # Ends when all calls of a pool that was shut down have been returned.
        while self._deliver(self._pool.take_done(_BATCH)):
            pass

    def _deliver(self, done: "list[Done]") -> bool:
        # A function of its own: no reference to a result is held while the next is waited for.
        for outcome in done:
            found = self._waiting.setdefault(outcome[0], outcome)
            if found is not outcome:
                del self._waiting[outcome[0]]
                assert isinstance(found, Future)
                self._complete_always(found, outcome)
        return bool(done)

    def _complete_always(self, future: Future[Any], outcome: "Done") -> None:
        """Whatever one future or its callbacks do, the others get their outcomes."""
        try:
            self._complete(future, outcome)
        except BaseException as error:
            _base.LOGGER.exception("exception completing %r", future)
            if not future.done():
                with contextlib.suppress(BaseException):
                    future.set_exception(error)

    def _complete(self, future: Future[Any], outcome: "Done") -> None:
        _, is_value, value = outcome
        if future.cancelled():
            future.set_running_or_notify_cancel()
        elif is_value:
            future.set_result(value)
        elif value[0] == "shut_down" or (value[0] == "cancelled" and not value[2] and not future._is_interrupted):
            # It never began: a cancellation that crossed with its way to a worker, or the end of the pool.
            BaseFuture.cancel(future)
            future.set_running_or_notify_cancel()
        else:
            error = to_exception(value)
            if value[0] == "broken":
                self._note_broken(error)
            future.set_exception(error)

    def _note_broken(self, error: BaseException) -> None:
        if self.broken is None:
            self.broken = error
            _base.LOGGER.critical("Exception in initializer:", exc_info=error)
