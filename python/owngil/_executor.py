"""`Executor`: what `concurrent.futures` asks of one, and what owngil can do beyond that."""

import concurrent.futures
import itertools
import operator
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, SupportsIndex, TypeVar

from owngil import _functions, _main_module, _pickling, _worker
from owngil._delivery import Delivery
from owngil._errors import BrokenPool, Interrupted, to_exception
from owngil._future import Future
from owngil._native import Function, Pool

if TYPE_CHECKING:
    from owngil._native import MapCalls, Stats

P = ParamSpec("P")
T = TypeVar("T")

Backend = Literal["auto", "interpreter", "process", "thread"]
Extensions = Literal["strict", "tested", "private"]


class Executor(concurrent.futures.Executor):
    """Runs calls in parallel, in interpreters that each have their own GIL, and in processes where that is not possible.

    >>> import owngil
    >>> with owngil.Executor() as executor:
    ...     executor.submit(pow, 2, 10).result()
    ...     list(executor.map(abs, [-1, 2, -3]))
    1024
    [1, 2, 3]

    - `max_workers`: how many calls run at the same time. The default is one per core.
    - `initializer`, `initargs`: a function that each worker calls before its first call, and its arguments.
    - `backend`: `"auto"`, `"interpreter"`, `"process"` or `"thread"`.
    - `timeout`: how many seconds a call may run. After that, its future raises `TimedOut`.
    - `memory_limit`: how many bytes a worker may use. A call that needs more gets a `MemoryError`.
    - `extensions`: what to do with extension modules that refuse to load in interpreters. `"strict"` leaves them
      refused, `"tested"` loads those that were tested from private copies, and `"private"` loads all of them so.
    - `grace`: how many seconds an interrupted call has to stop before its worker is replaced.
    - `max_tasks_per_child`: the number of calls after which a worker is replaced.
    - `daemon`: whether the end of the program stops the calls, as with daemon threads, instead of waiting for them.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        backend: Backend = "auto",
        timeout: float | None = None,
        memory_limit: int | None = None,
        extensions: Extensions | None = None,
        grace: float = 2.0,
        max_tasks_per_child: int | None = None,
        daemon: bool = False,
    ) -> None:
        max_workers = _whole(max_workers)
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        _refuse_in_main_of_worker()
        self._pool = Pool(
            to_exception,
            workers=max_workers,
            backend=backend,
            extensions=extensions,
            timeout=timeout,
            memory_limit=memory_limit,
            grace=grace,
            max_tasks_per_worker=max_tasks_per_child,
            initializer=Function("owngil._worker", "prepare"),
            initargs=_preparation(initializer, initargs),
            sys_path=_search_path(),
        )
        self._max_workers = self._pool.n_workers
        self._delivery = Delivery(self._pool)
        self._maps: weakref.WeakSet[_Map] = weakref.WeakSet()
        self._refusal: str | None = None
        self._daemon = daemon
        # As with the executors of the standard library, what was submitted still runs.
        self._end = weakref.finalize(self, self._pool.shutdown, False)
        self._end.atexit = False
        _open.add(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submits the call `fn(*args, **kwargs)`, and returns its future."""
        return self._submit(None, fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Returns the results of `map(fn, *iterables)`, in order. The calls start at once, and run in parallel.

        - `timeout`: how many seconds the whole map may take from now on.
        - `chunksize`: how many calls travel together. By default, this follows from how long they take.
        - `buffersize`: how many inputs to take ahead of the results that you ask for. With it, inputs may be endless.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        inputs, star = _inputs(iterables)
        return self._start_map(fn, inputs, star, True, timeout, chunksize, buffersize).results()

    def map_unordered(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Like `map`, but yields each result as soon as it arrives.

        >>> import owngil
        >>> with owngil.Executor() as executor:
        ...     sorted(executor.map_unordered(len, ["a", "bcd", "ef"]))
        [1, 2, 3]
        """
        inputs, star = _inputs(iterables)
        return self._start_map(fn, inputs, star, False, timeout, chunksize, buffersize).results()

    def starmap(
        self,
        fn: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Like `map`, for calls whose arguments are in tuples, as with `itertools.starmap`.

        >>> import owngil
        >>> with owngil.Executor() as executor:
        ...     list(executor.starmap(pow, [(2, 3), (3, 2)]))
        [8, 9]
        """
        return self._start_map(fn, map(tuple, iterable), True, True, timeout, chunksize, buffersize).results()

    def with_options(self, *, timeout: float | None = None) -> "Options":
        """Returns an object whose `submit` gives calls other limits.

        >>> import owngil, time
        >>> with owngil.Executor() as executor:
        ...     hurried = executor.with_options(timeout=0.1)
        ...     hurried.submit(time.sleep, 60).exception()
        TimedOut(...)
        """
        return Options(self, timeout)

    def stacks(self) -> str:
        """Returns where each worker is, as text in the form of tracebacks. It disturbs no call."""
        return self._pool.stacks()

    def stats(self) -> "Stats":
        """Returns what the workers have done so far."""
        return self._pool.stats()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stops accepting calls, and waits for the last one to end, unless `wait` is false."""
        self._refusal = self._refusal or _SHUT_DOWN
        if cancel_futures:
            self._cancel()
        self._pool.shutdown(False)
        if wait:
            # First the outcomes: this wait ends with a signal.
            self._delivery.join()
            self._pool.shutdown(True)

    def kill_workers(self) -> None:
        """Stops accepting calls, and stops those that run at once. Their futures raise `Interrupted`."""
        self._refusal = self._refusal or _SHUT_DOWN
        self._cancel()
        self._pool.terminate()
        self._delivery.join()

    terminate_workers = kill_workers

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> Literal[False]:
        # Ctrl-C asks for the end, and not only of what waits.
        if isinstance(exc_type, type) and issubclass(exc_type, KeyboardInterrupt):
            self.kill_workers()
        else:
            self.shutdown(wait=True)
        return False

    @property
    def _is_over(self) -> bool:
        return self._refusal is not None or self._broken is not None

    @property
    def _broken(self) -> BaseException | None:
        return self._delivery.broken

    def _submit(
        self, timeout: float | None, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[T]:
        self._refuse_if_over()
        future: Future[T] = Future()
        try:
            function, before = _functions.resolve(fn, "call")
            ticket = self._pool.submit(function, before + args if before else args, kwargs or None, timeout)
        except Exception as error:
            # Another thread may have ended it meanwhile.
            self._refuse_if_over()
            future.set_exception(error)
            return future
        self._delivery.expect(ticket, future)
        self._delivery.start()
        return future

    def _start_map(
        self,
        fn: Callable[..., Any],
        inputs: Iterable[Any],
        star: bool,
        ordered: bool,
        timeout: float | None,
        chunksize: int | None,
        ahead: int | None,
    ) -> "_Map":
        self._refuse_if_over()
        chunksize = _whole(chunksize)
        if chunksize is not None and chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        function, before = _functions.resolve(fn, "call_kept")
        if before:
            inputs = (before + one for one in inputs) if star else zip(itertools.repeat(before[0]), inputs)
            star = True
        calls = self._pool.map(
            function, inputs, star=star, ordered=ordered, chunksize=chunksize, ahead=ahead, timeout=timeout
        )
        # An executor that is dropped takes no more calls. One that takes its inputs now has all it needs.
        started = _Map(calls, None if ahead is None else self)
        self._maps.add(started)
        return started

    def _refuse_if_over(self) -> None:
        if self._delivery.broken is not None:
            raise self._delivery.broken
        refusal = self._refusal or _refusal
        if refusal is not None:
            raise RuntimeError(f"cannot schedule new futures {refusal}")

    def _cancel(self) -> None:
        self._delivery.cancel()
        for started in list(self._maps):
            started.cancel()


class Options:
    """An executor with other limits; see `Executor.with_options`."""

    def __init__(self, executor: Executor, timeout: float | None) -> None:
        self._executor = executor
        self._timeout = timeout

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submits the call `fn(*args, **kwargs)`, and returns its future."""
        return self._executor._submit(self._timeout, fn, args, kwargs)


class _Map:
    """The calls of a map."""

    def __init__(self, calls: "MapCalls", executor: Executor | None) -> None:
        self._calls = calls
        self._executor = executor
        self._is_cancelled = False

    def results(self, return_exceptions: bool = False) -> Iterator[Any]:
        """The results. The first call that fails ends them, unless its exception is to be one of them."""
        error = None
        try:
            while (taken := self._calls.take()) is not None:
                values, error = taken
                # From the end, so that what has been yielded is held no longer.
                values.reverse()
                while values:
                    yield values.pop()
                if error is not None:
                    self._refuse_after_shutdown(error)
                    if not return_exceptions or isinstance(error, BrokenPool):
                        raise error
                    yield error
            if self._is_cancelled:
                raise concurrent.futures.CancelledError
        finally:
            # Else the exception and this frame hold each other.
            del error
            self._calls.close()

    def _refuse_after_shutdown(self, error: BaseException) -> None:
        """Raises where the call did not begin because the executor was shut down before its input was taken."""
        is_dropped = isinstance(error, Interrupted) and not error.stack and not self._is_cancelled
        if is_dropped and self._executor is not None and self._executor._refusal is not None:
            raise RuntimeError(f"cannot schedule new futures {self._executor._refusal}")

    def cancel(self) -> None:
        """Drops the calls that have not begun."""
        self._is_cancelled = True
        self._calls.close()


def _whole(number: SupportsIndex | None) -> int | None:
    """A whole number of any type that is one."""
    return None if number is None else operator.index(number)


def _inputs(iterables: Sequence[Iterable[Any]]) -> tuple[Iterable[Any], bool]:
    """The inputs, and whether each is a tuple of arguments."""
    return (iterables[0], False) if len(iterables) == 1 else (zip(*iterables), True)


def _preparation(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `owngil._worker.prepare` is called with."""
    _worker.in_program = True
    main = _main_module.describe()
    _main_module.name_in_host()
    _pickling.main_by_value = main is None
    pickled = None if initializer is None else _pickling.dumps((initializer, initargs))
    return main, list(sys.argv), _resource_tracker(), pickled


def _resource_tracker() -> tuple[int, int] | None:
    """The process and file descriptor of the program's resource tracker, if it may use one.

    With a tracker of its own, the end of a worker would take shared memory that it has attached to from all others.
    """
    if "multiprocessing.resource_tracker" not in sys.modules:
        return None
    from multiprocessing.resource_tracker import getfd

    descriptor = getfd()
    return None if descriptor is None else (os.getpid(), descriptor)


def _search_path() -> list[str]:
    # The program's own folder may be named by an empty text, which means another one after `os.chdir`.
    return [folder or os.getcwd() for folder in sys.path]


def _refuse_in_main_of_worker() -> None:
    if _main_module.is_running():
        raise RuntimeError(
            "a worker imports the program's main module, which starts workers itself\n"
            'hint: put what starts them under `if __name__ == "__main__":`'
        )


_SHUT_DOWN = "after shutdown"

# The executors that the end of the program shuts down.
_open: weakref.WeakSet[Executor] = weakref.WeakSet()

# Why no executor takes calls any more.
_refusal: str | None = None


def _end() -> None:
    """Shuts all executors down before the program waits for its threads, as those of `concurrent.futures` do."""
    global _refusal
    _refusal = "after interpreter shutdown"
    # A program that Ctrl-C ends does not wait for calls.
    is_interrupted = isinstance(getattr(sys, "last_exc", None), KeyboardInterrupt)
    for executor in list(_open):
        if executor._daemon or is_interrupted:
            executor.kill_workers()
        else:
            executor.shutdown(wait=False)
    for executor in list(_open):
        executor.shutdown(wait=True)


def _forget_in_child() -> None:
    """Workers stay with the process that started them: what was forked off has none."""
    for executor in list(_open):
        executor._refusal = "in a process that was forked off"
        executor._end.detach()
    _open.clear()


threading._register_atexit(_end)  # type: ignore[attr-defined]
os.register_at_fork(after_in_child=_forget_in_child)
