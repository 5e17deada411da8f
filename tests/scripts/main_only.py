"""Loads in the main interpreter alone, as an extension module of the old kind does."""

try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters

# The number, and from 3.13 on who made it.
_current = _interpreters.get_current()
if int(_current[0] if isinstance(_current, tuple) else _current) != 0:
    raise ImportError("module main_only does not support loading in subinterpreters")


def same(x):
    return x
