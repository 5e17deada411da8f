"""`owngil.map` and `owngil.amap`: call a function for many inputs, and hold only a few of them at a time."""

import asyncio
import operator
import threading
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar, overload

from owngil._executor import Executor
from owngil._future import Future

T = TypeVar("T")
I = TypeVar("I")

_shared: Executor | None = None
_making = threading.RLock()


def shared_executor() -> Executor:
    """The executor of calls that name none. Its workers stay until the program ends, and then stop at once."""
    global _shared
    with _making:
        if _shared is None or _shared._is_over:
            _shared = Executor(daemon=True)
        return _shared


@overload
def map(
    function: Callable[[I], T],
    inputs: Iterable[I],
    *,
    executor: Executor | None = None,
    ordered: bool = True,
    timeout: float | None = None,
    chunksize: int | None = None,
    return_exceptions: Literal[False] = False,
    progress: bool = False,
) -> Iterator[T]: ...
@overload
def map(
    function: Callable[[I], T],
    inputs: Iterable[I],
    *,
    executor: Executor | None = None,
    ordered: bool = True,
    timeout: float | None = None,
    chunksize: int | None = None,
    return_exceptions: bool,
    progress: bool = False,
) -> Iterator[T | BaseException]: ...
def map(
    function: Callable[[I], T],
    inputs: Iterable[I],
    *,
    executor: Executor | None = None,
    ordered: bool = True,
    timeout: float | None = None,
    chunksize: int | None = None,
    return_exceptions: bool = False,
    progress: bool = False,
) -> Iterator[Any]:
    """Calls a function for each input in parallel, and yields the results in the order of the inputs.

    Like the built-in `map`, it is lazy. It takes inputs a bounded distance ahead of the results that you ask for, so
    inputs may be endless.

    >>> import itertools, owngil
    >>> squares = owngil.map(float, itertools.count())
    >>> next(squares), next(squares)
    (0.0, 1.0)
    >>> squares.close()

    - `executor`: where the calls run. By default, all maps share one set of workers.
    - `ordered`: whether to yield results in the order of the inputs, or as they arrive.
    - `timeout`: how many seconds the map may take, counted from the first result that you ask for.
    - `chunksize`: how many calls travel together. By default, this follows from how long they take.
    - `return_exceptions`: whether to yield an exception as a result instead of raising it.
    - `progress`: whether to show a progress bar, if tqdm is installed.
    """
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be an owngil.Executor, not {type(executor).__qualname__}")
    results = _results(function, inputs, executor, ordered, timeout, chunksize, return_exceptions)
    return _with_progress(results, inputs) if progress else results


def _results(
    function: Callable[..., Any],
    inputs: Iterable[Any],
    executor: Executor | None,
    ordered: bool,
    timeout: float | None,
    chunksize: int | None,
    return_exceptions: bool,
) -> Iterator[Any]:
    executor = executor or shared_executor()
    started = executor._start_map(function, inputs, False, ordered, timeout, chunksize, 0)
    yield from started.results(return_exceptions)


def _with_progress(results: Iterator[Any], inputs: Iterable[Any]) -> Iterator[Any]:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        warnings.warn("owngil.map shows its progress where tqdm is installed", stacklevel=3)
        return results
    return iter(tqdm(results, total=operator.length_hint(inputs) or None))


async def amap(
    function: Callable[[I], T],
    inputs: Iterable[I] | AsyncIterable[I],
    *,
    executor: Executor | None = None,
    ahead: int | None = None,
) -> AsyncIterator[T]:
    """Like `map`, for `async for`. Inputs may come from an asynchronous iterator.

    >>> import asyncio, owngil
    >>> async def main():
    ...     return [length async for length in owngil.amap(len, ["a", "bcd"])]
    >>> asyncio.run(main())
    [1, 3]

    `ahead` is how many calls may be in flight. The default is four per worker. To leave the iteration interrupts the
    calls that run.
    """
    executor = executor or shared_executor()
    queue: asyncio.Queue[Future[T] | None] = asyncio.Queue(ahead or 4 * executor._max_workers)
    started: set[Future[T]] = set()

    async def feed() -> None:
        failure: Exception | None = None
        try:
            async for one in _each(inputs):
                future = executor.submit(function, one)
                started.add(future)
                await queue.put(future)
        except Exception as error:
            # After the results of the inputs that came before it.
            failure = error
        await queue.put(None)
        if failure is not None:
            raise failure

    feeding = asyncio.create_task(feed())
    try:
        while (future := await queue.get()) is not None:
            result = await asyncio.wrap_future(future)
            started.discard(future)
            yield result
        await feeding
    finally:
        feeding.cancel()
        for future in started:
            future.interrupt()


async def _each(inputs: Iterable[I] | AsyncIterable[I]) -> AsyncIterator[I]:
    if isinstance(inputs, AsyncIterable):
        async for one in inputs:
            yield one
    else:
        for one in inputs:
            yield one
