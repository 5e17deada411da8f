"""Runs in the namespace of bootstrap.py, before fresh.py: the raw descriptors that scripts open and leave open.

The end of a process closes them, and releases their locks. Here the next script runs in the same process, so what
`os.open` and its like give is noted, and closed at the end of the run unless a file or a socket that stays has it.
"""

import _io
import _thread
import gc
import os
import posix
import sys

_OPENING = (
    "open", "dup", "dup2", "pipe", "pipe2", "openpty", "posix_openpt", "memfd_create", "eventfd", "timerfd_create",
    "pidfd_open",
)  # fmt: skip

# Modules of the standard library that hand out raw descriptors. What others open, they keep for later scripts.
_HANDING_OUT = "tempfile", "pty"


class _Descriptors:
    """Those of the script that runs, by their numbers, each with what it is."""

    def __init__(self):
        self._opened = None
        self._script = None
        for name in _OPENING:
            if hasattr(posix, name):
                replace(name, self._noting(getattr(posix, name)), os, posix)

    def _noting(self, call):
        def noted(*arguments, **keywords):
            given = call(*arguments, **keywords)
            if self._opened is not None and self._is_of_script(sys._getframe(2).f_globals):
                for descriptor in given if type(given) is tuple else (given,):
                    if descriptor > 2:
                        self._opened[descriptor] = _identity(descriptor)
            return given

        return noted

    def _is_of_script(self, caller):
        if _is_of_another_worker(self._script):
            return False
        name = caller.get("__name__")
        if not isinstance(name, str) or name == "owngil":
            return False
        return name in _HANDING_OUT or not _is_shared(name, sys.modules.get(name))

    def begin(self):
        self._opened, self._script = {}, _thread.get_ident()

    def end(self):
        """Closes those that are still what the script opened."""
        opened, self._opened = self._opened, None
        left = [descriptor for descriptor, known in opened.items() if known == _identity(descriptor)]
        if left:
            held = _held()
            for descriptor in left:
                if descriptor not in held:
                    os.close(descriptor)


def _is_of_another_worker(script):
    """Whether this is the thread of another worker than the one whose thread runs the script, in the same interpreter."""
    worker = sys.modules["_owngil_worker"]
    is_shared = isinstance(worker._own, _thread._local)
    return is_shared and worker.worker_id() is not None and _thread.get_ident() != script


def _identity(descriptor):
    """What it is open for; None where it is closed."""
    try:
        found = os.fstat(descriptor)
        # Those of the kernel's own kinds, such as eventfd, share one file without a type.
        kind = found.st_mode & 0o170000 or os.readlink(f"/proc/self/fd/{descriptor}")
        return found.st_dev, found.st_ino, kind
    except OSError:
        return None


def _held():
    """The descriptors that files and sockets have, which close them."""
    gc.unfreeze()
    socket = sys.modules.get("_socket")
    kinds = (_io.FileIO, socket.socket) if socket else (_io.FileIO,)
    held = set()
    for found in gc.get_objects():
        if issubclass(type(found), kinds):
            try:
                held.add(found.fileno())
            except (OSError, ValueError):
                pass  # It is closed.
    return held


with _loading:
    # One for all workers that share the interpreter.
    if "_owngil_descriptors" not in vars(sys):
        sys._owngil_descriptors = _Descriptors()
_descriptors = sys._owngil_descriptors
