"""Pickles what the native encoding leaves to Python: by reference where that works, with cloudpickle where not.

The native module calls `dump` in the program and in each worker.
"""

import functools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Writer(Protocol):
        """A file, as far as `pickle` needs one."""

        def write(self, data: bytes, /) -> Any: ...


PROTOCOL = 5

# Set where workers cannot run the program's `__main__`: what it defines then crosses by value.
main_by_value = False


def dump(
    obj: object, file: "Writer", protocol: int = PROTOCOL, *, buffer_callback: "Callable[[Any], Any] | None" = None
) -> None:
    """Writes the pickle of an object, as `pickle.dump` does."""
    pieces, buffers = _pickled(obj, protocol, in_band=buffer_callback is None)
    if buffer_callback is not None:
        for buffer in buffers:
            buffer_callback(buffer)
    for piece in pieces:
        file.write(piece)


def dumps(obj: object) -> bytes:
    """The pickle of an object.

    >>> import pickle
    >>> pickle.loads(dumps(len))([1, 2])
    2
    """
    pieces, _ = _pickled(obj, PROTOCOL, in_band=True)
    return b"".join(pieces)


def _pickled(obj: object, protocol: int, in_band: bool) -> "tuple[list[bytes], list[Any]]":
    import _pickle

    pieces = _Pieces()
    buffers: list[Any] = []
    callback = None if in_band else buffers.append
    try:
        _pickle.dump(obj, pieces, protocol, buffer_callback=callback)
        if not main_by_value or not _names(pieces, b"__main__"):
            return _with_key(pieces), buffers
        failed: Exception = _pickle.PicklingError("workers cannot import what an interactive session defines")
    except (_pickle.PicklingError, AttributeError, TypeError) as error:
        failed = error
    pieces.clear()
    buffers.clear()
    try:
        by_value = _by_value()
    except ImportError:
        failed.add_note("hint: install cloudpickle to send lambdas, closures and what an interactive session defines")
        raise failed from None
    by_value(pieces, protocol, buffer_callback=callback).dump(obj)
    return _with_key(pieces), buffers


@functools.cache
def _by_value() -> "Callable[..., Any]":
    """The pickler for what workers cannot import."""
    import types

    from cloudpickle import Pickler, dumps

    class ByValue(Pickler):  # type: ignore[misc]
        """Has one class for each of the program's `__main__`: the one that plain pickles name, where there is one."""

        def reducer_override(self, obj: "Any") -> "Any":
            if isinstance(obj, (type, types.FunctionType)) and not main_by_value and _is_of_main(obj):
                from owngil import _worker

                return _worker.of_main, (obj.__qualname__, dumps(obj, PROTOCOL))
            return super().reducer_override(obj)

    return ByValue


def _is_of_main(obj: "Any") -> bool:
    """Whether the program's `__main__` has it under its name."""
    if obj.__module__ != "__main__":
        return False
    found: object = sys.modules["__main__"]
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def _names(pieces: "list[bytes]", name: bytes) -> bool:
    """Whether a pickle may refer to something of that name. Large data are pieces that refer to nothing."""
    return any(name in piece for piece in pieces if type(piece) is bytes)


def _with_key(pieces: "_Pieces") -> "_Pieces":
    """The pickle; before it, what gives its reader access to the objects of this program's managers, if it has any."""
    if "multiprocessing.managers" in sys.modules and _names(pieces, b"RebuildProxy"):
        from multiprocessing.process import current_process

        pieces.insert(0, _accepting(bytes(current_process().authkey)))
    return pieces


def _accepting(key: bytes) -> bytes:
    """The beginning of a pickle whose reader accepts the key, and nothing else."""
    import pickle
    import pickletools

    # Without what it memorizes: the rest counts that from its own beginning.
    whole = pickletools.optimize(pickle.dumps(_Key(key), PROTOCOL))
    return whole.removesuffix(pickle.STOP) + pickle.POP


class _Key:
    """What gives access to the objects of a program's `multiprocessing.Manager`s."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __reduce__(self) -> "tuple[Any, ...]":
        from owngil import _worker

        return _worker.accept_key, (self._key,)


class _Pieces(list[bytes]):
    """A file that keeps what is written in pieces: large `bytes` are pieces of their own, and not copied."""

    write = list.append
