"""The `Future` of a call: that of `concurrent.futures`, and a way to stop the call."""

import concurrent.futures
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from owngil._native import Pool

T = TypeVar("T")


class Future(concurrent.futures.Future[T], Generic[T]):
    """The future result of a call."""

    _pool: "Pool | None" = None
    _ticket = 0
    _is_interrupted = False

    def cancel(self) -> bool:
        """Cancels the call if it has not begun, and returns whether it is cancelled."""
        if self._pool is None or self.cancelled() or self._pool.cancel(self._ticket):
            return super().cancel()
        return False

    def running(self) -> bool:
        """Whether a worker runs the call now."""
        return self._pool is not None and not self.done() and self._pool.is_running(self._ticket)

    def __repr__(self) -> str:
        text = super().__repr__()
        # The state changes when the call ends.
        return text.replace("state=pending", "state=running", 1) if self.running() else text

    def interrupt(self) -> bool:
        """Stops the call, and returns whether it had not ended yet.

        A call that has not begun is cancelled. A running call gets a `KeyboardInterrupt`. Whatever its code does, the
        future raises `Interrupted` within a tenth of a second.

        >>> import owngil, time
        >>> with owngil.Executor(1) as executor:
        ...     future = executor.submit(time.sleep, 3600)
        ...     future.interrupt()
        True
        >>> future.exception() is None
        Traceback (most recent call last):
        concurrent.futures._base.CancelledError
        """
        if self._pool is None:
            return False
        if not self.done() and self.cancel():
            return True
        self._is_interrupted = True
        return self._pool.interrupt(self._ticket)
