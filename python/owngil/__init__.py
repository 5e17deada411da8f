"""Run Python on all cores, in interpreters that each have their own GIL, and in processes where that is not possible.

`Executor` is an executor for `concurrent.futures`. `map` is the shortest way to use one, and `amap` is the same for
asyncio. In a worker, `worker_id()` and `state` belong to that worker.

>>> import owngil
>>> list(owngil.map(len, ["a", "bcd", "ef"]))
[1, 3, 2]
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from owngil._errors import (
        BrokenPool as BrokenPool,
        Interrupted as Interrupted,
        LoadError as LoadError,
        RemoteError as RemoteError,
        RemoteTraceback as RemoteTraceback,
        TimedOut as TimedOut,
        WorkerLost as WorkerLost,
    )
    from owngil._executor import Executor as Executor
    from owngil._future import Future as Future
    from owngil._mapping import amap as amap, map as map

    __version__: str
    state: Any

__all__ = [
    "BrokenPool",
    "Executor",
    "Future",
    "Interrupted",
    "LoadError",
    "RemoteError",
    "RemoteTraceback",
    "TimedOut",
    "WorkerLost",
    "amap",
    "map",
    "worker_id",
]

# Where the names are. They are imported when they are used: `concurrent.futures` takes longer than a worker's start.
_PLACES = {
    "Executor": "owngil._executor",
    "Future": "owngil._future",
    "amap": "owngil._mapping",
    "map": "owngil._mapping",
    "__version__": "owngil._owngil",
}


def worker_id() -> int | None:
    """Returns the number of the worker that runs this code, from 0, or None outside of workers."""
    worker = sys.modules.get("_owngil_worker")
    number: int | None = None if worker is None else worker.worker_id()
    return number


def __getattr__(name: str) -> object:
    if name == "state":
        return _state()
    place = _PLACES.get(name) or ("owngil._errors" if name in __all__ else None)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    __import__(place)
    value: object = getattr(sys.modules[place], name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__", "state"})


def _state() -> object:
    """What a worker keeps from call to call: an object for attributes of your own."""
    if worker_id() is None:
        raise AttributeError("owngil.state exists only in workers")
    state: object = sys.modules["_owngil_worker"].state
    return state
