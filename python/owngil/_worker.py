"""What runs in a worker besides the functions of the program.

Each worker imports this once, so it imports nothing that costs time.
"""

import sys

from owngil import _main_module, _pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Set in the program itself, which is where the workers of the backend `thread` run.
in_program = False

# The functions of maps that crossed by value, by their pickles. The oldest goes when there are more than these.
_KEPT = 16
_kept: "dict[tuple[bytes, bool], Callable[..., Any]]" = {}


def prepare(
    main: "tuple[str, str] | None", argv: list[str], tracker: "tuple[int, int] | None", initializer: bytes | None
) -> None:
    """Makes a worker one of its program: its arguments, its `__main__`, and what its initializer does."""
    if not in_program:
        sys.argv = argv
        if tracker is not None:
            _share_resource_tracker(*tracker)
        _pickling.main_by_value = main is None
        if main is not None:
            _main_module.stand_in(main)
    if initializer is not None:
        function, arguments = _loads(initializer)
        function(*arguments)


def _share_resource_tracker(process: int, descriptor: int) -> None:
    """Has `multiprocessing` note shared memory and semaphores where the program notes its own."""
    import os
    from multiprocessing.resource_tracker import _resource_tracker

    if os.getpid() != process:
        try:
            descriptor = os.open(f"/proc/{process}/fd/{descriptor}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return
    _resource_tracker._fd = descriptor  # type: ignore[attr-defined]


def accept_key(key: bytes) -> None:
    """Lets a worker reach the objects of its program's `multiprocessing.Manager`s."""
    if not in_program:
        from multiprocessing.process import current_process

        current_process().authkey = key


def of_main(qualname: str, by_value: bytes) -> "Any":
    """A class or function of the program's `__main__`: that of this worker, once an argument has needed it."""
    if _main_module.has_run():
        found = sys.modules["__main__"]
        try:
            for part in qualname.split("."):
                found = getattr(found, part)
        except AttributeError:
            # Only the program itself has it, under `if __name__ == "__main__"`.
            return _loads(by_value)
        return found
    return _loads(by_value)


def call(pickled: bytes, /, *args: "Any", **kwargs: "Any") -> "Any":
    """Calls a function that crossed by value. Each call has a copy of its own, as with `multiprocessing`."""
    return _load(pickled)(*args, **kwargs)


def call_kept(pickled: bytes, /, *args: "Any") -> "Any":
    """Calls a function that crossed by value, and keeps it for the calls that follow in its map."""
    key = pickled, _main_module.has_run()
    function = _kept.get(key)
    if function is None:
        function = _load(pickled)
        if len(_kept) >= _KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = function
    return function(*args)


def _load(pickled: bytes) -> "Any":
    """A function that crossed by value, with what it imports."""
    return _main_module.load(lambda: _loads(pickled))


def _loads(pickled: bytes) -> "Any":
    from _pickle import loads

    return loads(pickled)
