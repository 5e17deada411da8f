"""How calls fail, besides by exceptions of their own."""

import contextlib
import pickle
from concurrent.futures import BrokenExecutor, CancelledError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from owngil._native import Failure


class TimedOut(TimeoutError):
    """The call ran longer than its time limit, and was stopped."""

    stack: str = ""
    """Where the call was, as text in the form of a traceback. Empty if that is not known."""


class Interrupted(CancelledError):
    """The call was stopped by `Future.interrupt`, or by the end of its executor."""

    stack: str = ""
    """Where the call was, as text in the form of a traceback. Empty if that is not known."""


class WorkerLost(BrokenExecutor):
    """The worker process that ran the call crashed or was killed. Other calls continue in a new process."""


class BrokenPool(BrokenExecutor):
    """No worker can start, for example because the initializer raised. The executor is no longer usable."""


class LoadError(ImportError):
    """A worker could not find or import the function."""


class RemoteError(RuntimeError):
    """Stands for an exception that cannot be pickled, and has its text."""


class RemoteTraceback(Exception):
    """The traceback of an exception in the worker that raised it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tb = text

    def __str__(self) -> str:
        return f'\n"""\n{self.tb}"""'


def to_exception(failure: "Failure") -> BaseException:
    """The exception that a call without a value raises."""
    kind, message, text, pickled = failure
    match kind:
        case "timed_out":
            timed_out = TimedOut(message)
            timed_out.stack = text
            return timed_out
        case "cancelled":
            interrupted = Interrupted(message)
            interrupted.stack = text
            return interrupted
        case "worker_lost":
            return WorkerLost(message)
        case "shut_down":
            return CancelledError(message)
        case "broken":
            return _caused_by(BrokenPool(message), text)
        case "load":
            return _caused_by(LoadError(message), text)
        case "value":
            return _caused_by(_unpickled(pickled, pickle.PicklingError(message)), text)
        case _:
            return _caused_by(_unpickled(pickled, RemoteError(message)), text)


def _unpickled(pickled: bytes | None, otherwise: BaseException) -> BaseException:
    if pickled is not None:
        # One that cannot be read leaves its text.
        with contextlib.suppress(Exception, SystemExit):
            error = pickle.loads(pickled)
            if isinstance(error, BaseException):
                return error
    return otherwise


def _caused_by(error: BaseException, text: str) -> BaseException:
    if text:
        error.__cause__ = RemoteTraceback(text)
    return error
