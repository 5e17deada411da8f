"""Pickles what the native encoding leaves to Python: by reference where that works, with cloudpickle where not.

The native module calls `dump` in the program and in each worker.
"""

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
        if not main_by_value or not any(b"__main__" in piece for piece in pieces):
            return pieces, buffers
        failed: Exception = _pickle.PicklingError("workers cannot import what an interactive session defines")
    except (_pickle.PicklingError, AttributeError, TypeError) as error:
        failed = error
    pieces.clear()
    buffers.clear()
    try:
        from cloudpickle import Pickler
    except ImportError:
        failed.add_note("hint: install cloudpickle to send lambdas, closures and what an interactive session defines")
        raise failed from None
    by_value: Any = Pickler
    by_value(pieces, protocol, buffer_callback=callback).dump(obj)
    return pieces, buffers


class _Pieces(list[bytes]):
    """A file that keeps what is written in pieces: large `bytes` are pieces of their own, and not copied."""

    write = list.append
