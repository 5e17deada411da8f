"""What cli/tests/bundled_libraries.rs runs: each extension counts in a library."""

import importlib
import sys


def count(folder, name, n):
    sys.path[:0] = [] if folder in sys.path else [folder]
    module = importlib.import_module(name)
    for _ in range(n):
        found = module.count()
    return found


def count_beside(folder, library, name, n):
    """As above, where another part of the program has loaded a library for all to see."""
    import ctypes

    ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    return count(folder, name, n)


def count_in_turns(folder, first, second, n):
    """As `count`, by two extensions, and what the second one says last."""
    sys.path[:0] = [] if folder in sys.path else [folder]
    first, second = map(importlib.import_module, (first, second))
    for _ in range(n):
        first.count()
        found = second.count()
    return found
