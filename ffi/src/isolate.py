"""Runs first in each interpreter with its own GIL, on 3.12 alone.

There the initialisation of an extension module runs before the interpreter refuses it (gh-117953), or runs into the
refusal of another, and what it has done to static memory by then is found by the interpreters that can use the module:
the failed import of `_zoneinfo` takes away the pointer through which every other `_zoneinfo` calls `datetime`.

The extensions that the main interpreter has imported before are refused in time. These are not imported there, since
they need a terminal, a display or hardware, or can be imported there and not here. `zoneinfo` does without its
extension.
"""

import sys


class _Refuser:
    names = frozenset({
        "_curses", "_curses_panel", "_tkinter", "_tracemalloc", "_zoneinfo", "faulthandler", "nis", "ossaudiodev", "readline",
    })

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in cls.names:
            raise ImportError(f"module {name} does not support loading in subinterpreters")


sys.meta_path.insert(0, _Refuser)
