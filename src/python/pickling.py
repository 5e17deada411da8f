"""Runs in the namespace of bootstrap.py, before an interpreter's first pickle."""

import _io
import sys

_pickle_dump = None


def _dump():
    """The function that pickles: `pickle.dump`, unless the package that hosts this has one of its own."""
    global _pickle_dump
    own = sys.modules.get("owngil._pickling")
    if own is not None:
        return own.dump
    if _pickle_dump is None:
        from _pickle import dump as _pickle_dump
    return _pickle_dump


# What pickle takes for a file: its methods are Rust functions.
_File = type(sys.implementation)


def pickler(write):
    """A function that pickles to `write`, and gives the buffers that are not in the pickle."""
    file = _File(write=write)

    def pickle(leaves):
        buffers = []
        _dump()(leaves, file, 5, buffer_callback=buffers.append)
        return buffers

    return pickle


def unpickler(read, readinto):
    """A function that unpickles what `read` and `readinto` give."""

    def readline():
        raise ValueError("a pickle of protocol 5 has no lines")

    file = _File(read=read, readinto=readinto, readline=readline)

    def unpickle(buffers):
        from _pickle import load

        return load(file, buffers=buffers)

    return unpickle


def pickle_exception(exception):
    """The exception in a pickle, None where it cannot be pickled."""
    file = _io.BytesIO()
    try:
        _dump()(exception, file, 5)
    except Exception:
        return None
    return file.getvalue()


def loads(data):
    from _pickle import loads

    return loads(data)
