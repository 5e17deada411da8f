"""The native module: pools of workers, in terms that need no Python of their own.

What is here moves calls and values. What a function is, how an exception looks and what a `Future` does is decided by
the package around it. Values cross by owngil's own encoding, with `pickle` inside it for what that does not know; where
the module `owngil._pickling` is loaded in an interpreter, its `dump(obj, file, protocol, *, buffer_callback)` is used there
in place of `pickle.dump`.

In a worker, `sys.modules["_owngil_worker"]` has what belongs to that worker: the function `worker_id()` and the object
`state`. It is absent elsewhere.

Importing this module starts nothing. The first `Pool` prepares the interpreter that it is made in; call it from the
main interpreter. No function here holds the GIL while it waits, and a wait on the main thread ends with what a signal
handler raises, such as `KeyboardInterrupt`, within 50 ms.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, final

__version__: str
"""The version of owngil, as in `owngil --version`."""

Kind: TypeAlias = Literal[
    "raised", "load", "value", "cancelled", "timed_out", "worker_lost", "broken", "shut_down"
]
"""Why a call gave no value:

- `raised`: the function raised an exception.
- `load`: the function could not be found or imported.
- `value`: an argument or the result could not cross.
- `cancelled`: the call was cancelled, or interrupted by `Pool.interrupt` or the pool's end.
- `timed_out`: its time was up.
- `worker_lost`: its worker crashed or was killed.
- `broken`: no worker can start, for example because the initializer raised. All later calls fail so, too.
- `shut_down`: the pool takes no more calls.
"""

Failure: TypeAlias = tuple[Kind, str, str, bytes | None]
"""Why a call gave no value: the kind; the message, with a `hint: ` line where there is one; for exceptions the text of
the traceback as Python prints it, for calls that were stopped the stack where they stood, otherwise empty; and the
exception object in a pickle, if there is one and `pickle` (or `owngil._pickling.dump`) can write it."""

Done: TypeAlias = tuple[int, bool, Any]
"""The end of a call: its ticket, whether it gave a value, and that value or a `Failure`."""

class BuildInfo(TypedDict):
    """What this module was built as."""

    version: str
    """The version of owngil."""
    python: str
    """The minor version of Python that it is built for: `3.14`."""
    free_threaded: bool
    """Whether that is a free-threaded build."""

def build_info() -> BuildInfo:
    """What this module was built as."""

def main(argv: Sequence[str], /) -> int:
    """Runs the command `owngil` with these arguments, `argv[0]` being its name, and returns its exit status.

    It owns the process meanwhile: standard input and output, the handling of SIGINT. Call it on the main thread, and
    end the process when it returns. It may replace the process by the same command under the project's Python. Most
    ways of ending it, such as `--help`, return; others end the process.
    """

def worker_main() -> int:
    """Becomes a worker process of the pool that started this process, and returns the exit status when that pool ends.

    A pool starts its processes as `[sys.executable, *flags, "-c", program, argument]`, whose program calls this.
    """

@final
class Function:
    """What a pool calls: `qualname`, which may be dotted, of the module of that name, imported in the worker.

    Making one is a look-up, using one costs nothing. Two of the same names are equal. What a pool learns of a function,
    such as that it needs a worker process, it learns of all equal ones. `label` tells functions apart that go through
    the same entry, such as those that travel in a pickle: choose one label per piece of code, not per call, since what
    is known of a function is kept for the life of the process.
    """

    def __new__(cls, module: str, qualname: str, label: str | None = None, /) -> Function: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

class WorkerStats(TypedDict):
    """What one worker has done so far."""

    backend: str
    n_tasks: int
    n_failed: int
    is_busy: bool
    busy: float
    """Seconds in calls."""
    waiting: float
    """Seconds without."""
    crossing: float
    """Seconds in decoding arguments and encoding values; an estimate."""
    cpu: float | None
    memory: int | None
    """Bytes in use, where they are counted."""
    n_restarts: int

class Stats(TypedDict):
    """What the workers of a pool have done so far."""

    workers: list[WorkerStats]
    queue_len: int
    """Batches that no worker has taken yet."""
    n_lost: int
    moved: dict[str, str]
    """The functions that run in worker processes because interpreters refused them, and why."""
    text: str
    """A table for people to read."""

@final
class Pool:
    """Workers, and the calls that they are given.

    Workers start as calls come. A pool that is dropped ends as by `terminate`.
    """

    def __new__(
        cls,
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
        worker_argv: Sequence[str] | None = None,
    ) -> Pool:
        """Makes a pool.

        `failure` makes the exception that `MapIterator` raises for a call without a value. `timeout` is how long a call
        may run, in seconds. `memory_limit` is for each worker's interpreter, in bytes. `grace` is how long a call that
        must stop has, before its worker is replaced. `initializer` is called with `initargs` once in each worker, before
        its first call. `sys_path` becomes `sys.path` of each worker before anything is imported there. `worker_argv` is the command that starts a worker process, without owngil's own last argument;
        the default is `[sys.executable, *flags, "-c", …]` with the interpreter's own flags, which imports this module
        and calls `worker_main`.

        Raises `ValueError` for a setting that is none, and `RuntimeError` where this Python cannot be used.
        """

    @property
    def n_workers(self) -> int:
        """How many workers the pool may have."""

    @property
    def backend(self) -> str:
        """Where calls run, `auto` included."""

    def submit(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        /,
    ) -> int:
        """Gives the pool a call, and returns its ticket. Does not wait: any number of calls may be queued.

        Tickets count from 1. `timeout` is how long this call may run, in place of the pool's. Raises what `pickle` raised
        where an argument cannot be pickled, and `RuntimeError` when the pool is shut down or broken.
        """

    def take_done(self, max: int, timeout: float | None = None, /) -> list[Done]:
        """Waits until at least one call has ended, and returns up to `max` that have, in the order in which they ended.

        Returns an empty list when the time is up, after `wake`, and at once when the pool is shut down and all calls were
        returned.
        """

    def wake(self) -> None:
        """Has one `take_done`, which waits now or is called next, return what there is, if only an empty list."""

    def cancel(self, ticket: int, /) -> bool:
        """Drops a call that has not begun. Returns whether it had not; then it ends as `cancelled`."""

    def is_running(self, ticket: int, /) -> bool:
        """Whether a worker runs that call now."""

    def interrupt(self, ticket: int, /) -> bool:
        """Raises `KeyboardInterrupt` in a call that runs, and drops one that is queued: it ends as `cancelled`, within a
        tenth of a second whatever its code does. Returns whether it had not ended yet."""

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
    ) -> MapIterator:
        """Calls a function once for each input, many calls at a time.

        With `star` each input is a tuple of the positional arguments, otherwise it is the only argument. `ahead` is how
        many inputs may be taken, at most, before their results are asked for; `None` takes all inputs at once, and the
        calls run whether or not results are asked for. `chunksize` is how many calls travel together; the default finds
        out. After `timeout` seconds, counted from here, a result that is not there raises `TimeoutError`.
        """

    def stacks(self) -> str:
        """Where each worker stands, as text in the form of tracebacks. Disturbs no call."""

    def stats(self) -> Stats:
        """What the workers have done so far."""

    def shutdown(self, wait: bool, /) -> None:
        """Takes no more calls; those that are queued still run. Returns when the last has ended, or at once."""

    def terminate(self) -> None:
        """Takes no more calls, drops those that are queued, interrupts those that run, and ends the workers: processes
        are killed, interpreters that do not stop within the grace are left behind. Returns then."""

@final
class MapIterator:
    """The results of `Pool.map`. One thread at a time may use it."""

    def __iter__(self) -> MapIterator: ...
    def __next__(self) -> Any:
        """The next result; for a call without a value raises what the pool's `failure` makes, and can go on afterwards."""

    def __length_hint__(self) -> int:
        """How many results are known to come."""

    def close(self) -> None:
        """Drops the calls that have not begun, and forgets the others."""

    def interrupt(self) -> None:
        """Like `close`, and interrupts the calls that run."""

def stop_all(grace: float, /) -> int:
    """Terminates all pools of the process, and returns how many workers are left behind. For the end of the process."""
