"""Pools of workers, in terms that need no Python of their own: classes around the functions of the native module.

What is here moves calls and values. What a function is, how an exception looks and what a `Future` does is decided by
the modules beside it. Values cross by owngil's own encoding, with `pickle` inside it for what that does not know; where
the module `owngil._pickling` is loaded in an interpreter, its `dump(obj, file, protocol, *, buffer_callback)` is used
there in place of `pickle.dump`.

In a worker, `sys.modules["_owngil_worker"]` has what belongs to that worker: the function `worker_id()` and the object
`state`. It is absent elsewhere.

Importing this module starts nothing. The first `Pool` prepares the interpreter that it is made in, which has to be the
main one. No function here holds the GIL while it waits, and a wait on the main thread ends with what a signal handler
raises, such as `KeyboardInterrupt`, within 20 ms.
"""

from __future__ import annotations

import os
import sys

from owngil import _owngil, _pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Literal, NoReturn, TypeAlias, TypedDict

    Kind: TypeAlias = Literal[
        "raised", "load", "value", "cancelled", "timed_out", "worker_lost", "broken", "shut_down"
    ]
    # Why a call gave no value:
    #
    # - `raised`: the function raised an exception.
    # - `load`: the function could not be found or imported.
    # - `value`: an argument or the result could not cross.
    # - `cancelled`: the call was cancelled, or interrupted by `Pool.interrupt` or the pool's end.
    # - `timed_out`: its time was up.
    # - `worker_lost`: its worker crashed or was killed.
    # - `broken`: no worker can start, for example because the initializer raised. All later calls fail so, too.
    # - `shut_down`: the pool takes no more calls.

    Failure: TypeAlias = tuple[Kind, str, str, bytes | None]
    # Why a call gave no value: the kind; the message, with a `hint: ` line where there is one; for exceptions the text
    # of the traceback as Python prints it, for calls that were stopped the stack where they stood, otherwise empty; and
    # the exception object in a pickle, if it can be pickled.

    Done: TypeAlias = tuple[int, bool, Any]
    # The end of a call: its ticket, whether it gave a value, and that value or a `Failure`.

    class WorkerStats(TypedDict):
        """What one worker has done so far. Times are in seconds."""

        backend: str
        n_tasks: int
        n_failed: int
        is_busy: bool
        busy: float
        waiting: float
        crossing: float
        cpu: float | None
        memory: int | None
        n_restarts: int

    class Stats(TypedDict):
        """What the workers of a pool have done so far."""

        workers: list[WorkerStats]
        queue_len: int
        n_lost: int
        moved: dict[str, str]
        text: str


__version__ = _owngil.__version__
build_info = _owngil.build_info


class Function:
    """What a pool calls: `qualname`, which may be dotted, of the module of that name, imported in the worker.

    Two of the same names are equal. What a pool learns of a function, such as that it needs a worker process, it learns
    of all equal ones. `label` tells functions apart that go through the same entry, such as those that travel in a
    pickle: choose one label per piece of code, not per call, since what is known of a function is kept for the life of
    the process.
    """

    __slots__ = ("_names", "_number")

    def __init__(self, module: str, qualname: str, label: str | None = None, /) -> None:
        self._names = module, qualname, label
        self._number = _owngil.function(module, qualname, label)

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, Function) and self._number == other._number

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        module, qualname, label = self._names
        return f"<Function {label or f'{module}:{qualname}'}>"


class Pool:
    """Workers, and the calls that they are given.

    Workers start as calls come. A pool that is dropped ends as by `terminate`, without waiting.
    """

    __slots__ = (
        "__weakref__", "_cancel", "_failure", "_interrupt", "_is_running", "_map", "_shutdown", "_stacks", "_stats",
        "_submit", "_take_done", "_terminate", "_wake", "backend", "n_workers",
    )  # fmt: skip

    n_workers: int
    """How many workers the pool may have."""

    backend: str
    """Where calls run, `auto` included."""

    _submit: Callable[[int, tuple[Any, ...], dict[str, Any] | None, float | None], int]
    _take_done: Callable[[int, float | None], list[Done]]
    _wake: Callable[[], None]
    _cancel: Callable[[int], bool]
    _is_running: Callable[[int], bool]
    _interrupt: Callable[[int], bool]
    _map: Callable[..., tuple[Callable[..., Any], ...]]
    _stacks: Callable[[], str]
    _stats: Callable[[], Stats]
    _shutdown: Callable[[bool], None]
    _terminate: Callable[[], None]

    def __init__(
        self,
        failure: Callable[[Failure], BaseException],
        /,
        *,
        workers: int | None = None,
        backend: Literal["auto", "interpreter", "process", "thread"] = "auto",
        extensions: Literal["strict", "tested", "private"] | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        grace: float = 2.0,
        max_tasks_per_worker: int | None = None,
        own_directories: bool = False,
        initializer: Function | None = None,
        initargs: tuple[Any, ...] = (),
        sys_path: Sequence[str] | None = None,
    ) -> None:
        """Makes a pool.

        `failure` makes the exception that `MapCalls` has for a call without a value. `timeout` is how long a call
        may run, in seconds. `memory_limit` is for each worker's interpreter, in bytes. `grace` is how long a call that
        must stop has, before its worker is replaced. `initializer` is called with `initargs` once in each worker, before
        its first call. `sys_path` becomes `sys.path` of each worker before anything is imported there.

        Raises `ValueError` for a setting that is none, and `RuntimeError` where this Python cannot be used.
        """
        if not _is_prepared:
            _set_worker_argv()
        module = name = pickled = None
        if initializer is not None:
            import pickle

            module, name, _ = initializer._names
            pickled = pickle.dumps(initargs, 5)
        self._failure = failure
        (
            self._submit,
            self._take_done,
            self._wake,
            self._cancel,
            self._is_running,
            self._interrupt,
            self._map,
            self._stacks,
            self._stats,
            self._shutdown,
            self._terminate,
            n_workers,
            backend_in_use,
        ) = _owngil.open_pool(
            workers,
            backend,
            extensions,
            timeout,
            memory_limit,
            grace,
            max_tasks_per_worker,
            own_directories,
            None if sys_path is None else list(sys_path),
            module,
            name,
            pickled,
        )
        _prepare_process()
        self.n_workers = n_workers()
        self.backend = backend_in_use()

    def submit(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        /,
    ) -> int:
        """Gives the pool a call, and returns its ticket. Does not wait: any number of calls may be queued.

        Tickets count from 1. `timeout` is how long this call may run, in place of the pool's. Raises what `pickle`
        raises where an argument cannot be pickled, and `RuntimeError` when the pool is shut down or broken.
        """
        try:
            return self._submit(function._number, args, kwargs, timeout)
        except Exception as error:
            # Not before: the command does without it.
            from _pickle import PicklingError

            if not isinstance(error, PicklingError):
                raise
            place = str(error)
        # It says where, and pickle itself what.
        try:
            _pickling.dumps((args, kwargs))
        except Exception as error:
            before, cannot, _ = place.partition(": cannot be pickled")
            error.add_note(before + cannot)
            raise
        raise PicklingError(place)

    def take_done(self, max: int, timeout: float | None = None, /) -> list[Done]:
        """Waits until at least one call has ended, and returns up to `max` that have, in the order in which they ended.

        Returns an empty list when the time is up, after `wake`, and at once when the pool is shut down and all calls
        were returned.
        """
        return self._take_done(max, timeout)

    def wake(self) -> None:
        """Has one `take_done`, which waits now or is called next, return what there is, if only an empty list."""
        self._wake()

    def cancel(self, ticket: int, /) -> bool:
        """Drops a call that has not begun. Returns whether it had not; then it ends as `cancelled`."""
        return self._cancel(ticket)

    def is_running(self, ticket: int, /) -> bool:
        """Whether a worker runs that call now."""
        return self._is_running(ticket)

    def interrupt(self, ticket: int, /) -> bool:
        """Raises `KeyboardInterrupt` in a call that runs, and drops one that is queued: it ends as `cancelled`, within
        a tenth of a second whatever its code does. Returns whether it had not ended yet."""
        return self._interrupt(ticket)

    def map(
        self,
        function: Function,
        inputs: Iterable[Any],
        /,
        *,
        star: bool = False,
        ordered: bool = True,
        chunksize: int | None = None,
        ahead: int | None = None,
        timeout: float | None = None,
    ) -> MapCalls:
        """Calls a function once for each input, many calls at a time.

        With `star` each input is a tuple of the positional arguments, otherwise it is the only argument. `ahead` is how
        many inputs may be taken, at most, before their results are asked for. With 0 the number is limited by what the
        workers can take, and nothing is taken before the first result is asked for. `None` takes all inputs at once,
        and the calls run whether or not results are asked for. `chunksize` is how many calls travel together; the
        default finds out. After `timeout` seconds, counted from here, a result that is not there raises `TimeoutError`.
        """
        functions = self._map(function._number, inputs, star, ordered, chunksize, ahead, timeout)
        return MapCalls(functions, self._failure)

    def stacks(self) -> str:
        """Where each worker stands, as text in the form of tracebacks. Disturbs no call."""
        return self._stacks()

    def stats(self) -> Stats:
        """What the workers have done so far."""
        return self._stats()

    def shutdown(self, wait: bool, /) -> None:
        """Takes no more calls; those that are queued still run. Returns when the last has ended, or at once."""
        self._shutdown(wait)

    def terminate(self) -> None:
        """Takes no more calls, drops those that are queued, interrupts those that run, and ends the workers: processes
        are killed, interpreters that do not stop within the grace are left behind. Returns then."""
        self._terminate()


class MapCalls:
    """The calls of `Pool.map`. One thread at a time may use them."""

    __slots__ = ("_close", "_failure", "_interrupt", "_take", "__weakref__")

    def __init__(
        self, functions: tuple[Callable[..., Any], ...], failure: Callable[[Failure], BaseException], /
    ) -> None:
        self._take, self._close, self._interrupt, _ = functions
        self._failure = failure

    def take(self) -> tuple[list[Any], BaseException | None] | None:
        """The next values, one at least unless there is an exception: that of the call after them. None at the end."""
        taken: tuple[list[Any], Failure | None] | None = self._take()
        if taken is None:
            return None
        values, failure = taken
        return values, None if failure is None else self._failure(failure)

    def close(self) -> None:
        """Drops the calls that have not begun, and forgets the others."""
        self._close()

    def interrupt(self) -> None:
        """Like `close`, and interrupts the calls that run."""
        self._interrupt()
        self._close()


def main(argv: Sequence[str], /, *, launched: bool = False) -> NoReturn:
    """Runs the command `owngil` with these arguments, `argv[0]` being its name, and ends the process with its status.

    It owns the process: standard input and output, and the handling of SIGINT. Call it on the main thread. Where the
    project has another Python, the process becomes the command under that one; `launched` says that it has.
    """
    # `signal` makes classes of its numbers, which takes as long as all the rest.
    import _signal  # pyright: ignore[reportMissingImports]

    # Its own handler calls the one before it, which must not be Python's.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _set_worker_argv()
    program = None if launched else _LAUNCHED.format(_root())
    _owngil.main([os.fsencode(word) for word in argv], program)
    raise SystemError("the command did not end the process")


def child_main() -> NoReturn:
    """What a process does that this package has started for itself: a worker of a pool, or a trial of the doctor's.

    It is started as `[sys.executable, *flags, "-c", program, argument, …]`, whose program calls this.
    """
    if sys.argv[1:2] == ["--owngil-worker"]:
        _owngil.worker_main()
    elif sys.argv[1:2] == ["--owngil-trial"]:
        _owngil.trial_main([os.fsencode(word) for word in sys.argv[2:]])
    raise SystemError("this is for processes that owngil starts by itself")


# What a process of this package runs. The package is found where it is, and other packages before it.
_CHILD = "import sys; sys.path.append({!r}); from owngil._native import child_main; child_main()"

# What another Python runs to become the command.
_LAUNCHED = """import sys
sys.path.append({!r})
try:
    from owngil._native import main
except ImportError as error:
    print("error: owngil has no module for Python", sys.version.split()[0], file=sys.stderr)
    print("caused by:", error, file=sys.stderr)
    print("hint: --python PATH names another Python", file=sys.stderr)
    sys.exit(4)
main(["owngil", *sys.argv[1:]], launched=True)
"""

_is_prepared = False


def _root() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _set_worker_argv() -> None:
    program = _CHILD.format(_root())
    words = [sys.executable, *_options_of_python(), "-c", program]
    _owngil.set_worker_argv([os.fsencode(word) for word in words])


def _options_of_python() -> list[str]:
    """`-O`, `-X` and the like, as they were given to this Python."""
    first = sys.orig_argv[1:2]
    if first and (first[0] in ("-c", "-m") or not first[0].startswith("-")):
        # It takes milliseconds to import what finds out.
        return []
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    options: list[str] = _args_from_interpreter_flags()
    return options


def _prepare_process() -> None:
    """What has to be done once, when the first pool of the process is made: never in an interpreter that gets none."""
    global _is_prepared
    if _is_prepared:
        return
    _is_prepared = True
    import atexit

    _guard_frames()
    os.register_at_fork(
        before=_owngil.before_fork,
        after_in_parent=_owngil.after_fork_in_parent,
        after_in_child=_owngil.after_fork_in_child,
    )
    # After those of `threading`, by which executors end in order.
    atexit.register(_owngil.end_process, _note_interrupt, _give_up)


# The micro versions from which on `sys._current_frames` makes no objects for other interpreters (CPython's gh-158364).
_FIXED = {(3, 13): 16, (3, 14): 8}


def _guard_frames() -> None:
    """Has functions that look at the frames of threads find those of this interpreter alone.

    Older versions make frame objects for the threads of other interpreters, which crash when they end. Profilers call
    it all the time: that of Dask does.
    """
    major, minor, micro = sys.version_info[:3]
    first = _FIXED.get((major, minor))
    if (major, minor) < (3, 15) and (first is None or micro < first):
        sys._current_frames = _without_workers(sys._current_frames)
        sys._current_exceptions = _without_workers(sys._current_exceptions)


def _without_workers(function: Callable[[], Any]) -> Callable[[], Any]:
    def guarded() -> Any:
        try:
            _owngil.before_fork()
            return function()
        finally:
            _owngil.after_fork_in_parent()

    guarded.__name__ = guarded.__qualname__ = function.__name__
    guarded.__doc__ = function.__doc__
    return guarded


def _give_up() -> NoReturn:
    """Ends the process in place of CPython, which would crash."""
    try:
        sys.stdout.flush()
        sys.stderr.write("owngil: a worker did not stop, and Python cannot end over it; its exit status is lost\n")
        sys.stderr.flush()
    finally:
        os._exit(1)


def _note_interrupt() -> None:
    """Has Python end by SIGINT where KeyboardInterrupt ended the program.

    That it did is noted in one variable for all interpreters, which each of them resets when it runs source text.
    """
    if isinstance(getattr(sys, "last_exc", None), KeyboardInterrupt):
        try:
            exec("raise KeyboardInterrupt")
        except KeyboardInterrupt:
            pass
