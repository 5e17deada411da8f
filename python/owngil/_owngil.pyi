"""The native module: functions that `owngil._native` makes classes of. Nothing else should use it."""

from collections.abc import Callable, Iterator
from typing import Any, TypedDict, type_check_only

__version__: str
"""The version of owngil, as in `owngil --version`."""

@type_check_only
class BuildInfo(TypedDict):
    """What this module was built as."""

    version: str
    python: str
    free_threaded: bool

def build_info() -> BuildInfo:
    """What this module was built as."""

def main(words: list[bytes], program: str | None, /) -> None:
    """Runs the command with these words, its name first, and ends the process with its status. Where the project has
    another Python, the process becomes that, which runs the program with the words after the first."""

def function(module: str, qualname: str, label: str | None, /) -> int:
    """The number of a function."""

def open_pool(*settings: Any) -> tuple[Callable[..., Any], ...]:
    """The functions of a new pool, in the order in which `_native.Pool` unpacks them."""

def set_worker_argv(words: list[bytes], /) -> None:
    """Sets the command that starts a worker process, without the argument of its own."""

def worker_main() -> None:
    """Becomes a worker process, and does not return."""

def trial_main(words: list[bytes], /) -> None:
    """Does a trial of the doctor's, and does not return."""

def before_fork() -> None: ...
def after_fork_in_parent() -> None: ...
def after_fork_in_child() -> None: ...
def end_process(end: Callable[[], object], give_up: Callable[[], object], /) -> None:
    """Ends all pools, and prepares the end of the process over interpreters that are left. Calls `end`, or `give_up` if
    that cannot be done. No signal handler ends it half-way."""
