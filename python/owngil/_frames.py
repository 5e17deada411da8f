"""Looking at the frames of the program's threads, beside workers.

`sys._current_frames` of older versions also makes frame objects for the threads of other interpreters, which crash when
they end (CPython's gh-158364). Profilers call it all the time: that of Dask does. So it finds no other interpreters.
"""

import sys

from owngil import _owngil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

# The micro versions from which on it is fixed.
_FIXED = {(3, 13): 16, (3, 14): 8}


def is_fixed(version: tuple[int, int, int]) -> bool:
    """Whether it leaves out other interpreters by itself.

    >>> is_fixed((3, 12, 20)), is_fixed((3, 14, 7)), is_fixed((3, 14, 8)), is_fixed((3, 15, 0))
    (False, False, True, True)
    """
    major, minor, micro = version
    first = _FIXED.get((major, minor))
    return version >= (3, 15) if first is None else micro >= first


def guard() -> None:
    """Has those functions find the threads of this interpreter alone, for the rest of the process."""
    if not is_fixed(sys.version_info[:3]):
        sys._current_frames = _without_workers(sys._current_frames)
        sys._current_exceptions = _without_workers(sys._current_exceptions)


def _without_workers(function: "Callable[[], T]") -> "Callable[[], T]":
    def guarded() -> "T":
        try:
            _owngil.before_fork()
            return function()
        finally:
            _owngil.after_fork_in_parent()

    guarded.__name__ = guarded.__qualname__ = function.__name__
    guarded.__doc__ = function.__doc__
    return guarded
