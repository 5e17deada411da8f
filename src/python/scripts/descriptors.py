"""Runs in the namespace of bootstrap.py, before fresh.py: the raw descriptors that scripts open and leave open.

The end of a process closes them, and releases their locks. A worker process runs the next script, so what `os.open` and
its like give is noted there, and closed at the end of the run unless a file or a socket that stays has it.
"""

import _io
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

# How many may stay open in a worker process whose scripts are over.
_N_LEFT = 100


class _Descriptors:
    """Those of the script that runs, by their numbers, each with what it is."""

    def __init__(self):
        self._opened = {}
        self._runs = False
        self._first = 0
        worker = sys.modules["_owngil_worker"]
        # In an interpreter, a number that the script has closed may be that of another worker by now, even for the same
        # file. So there nothing is closed.
        self._is_alone = getattr(worker._own, "handles_signals", False)
        self._moves = getattr(worker, "_moves", False)
        if not self._is_alone and not self._moves:
            return
        for name in _OPENING:
            if hasattr(posix, name):
                replace(name, self._noting(getattr(posix, name)), os, posix)
        if self._moves:
            self._refuse_locks()

    def _noting(self, call):
        def noted(*arguments, **keywords):
            given = call(*arguments, **keywords)
            if self._runs and self._is_of_script(sys._getframe(2).f_globals):
                for descriptor in given if type(given) is tuple else (given,):
                    if descriptor > 2:
                        self._opened[descriptor] = _identity(descriptor)
            return given

        return noted

    @staticmethod
    def _is_of_script(caller):
        name = caller.get("__name__")
        if not isinstance(name, str) or name == "owngil":
            return False
        return name in _HANDING_OUT or not _is_shared(name, sys.modules.get(name))

    def _refuse_locks(self):
        """Moves a script that locks such a descriptor: only the end of a process releases the lock if it does not."""
        import fcntl

        def guarded(name, lock):
            def guard(fd, operation, *others):
                if type(fd) is int and fd in self._opened and operation & (fcntl.LOCK_EX | fcntl.LOCK_SH):
                    text = f"fcntl.{name} of a descriptor cannot be called in an interpreter"
                    sys.modules["_owngil_worker"]._refuse(f"{text}: it is for the whole process")
                return lock(fd, operation, *others)

            return guard

        for name in "flock", "lockf":
            replace(name, guarded(name, getattr(fcntl, name)), fcntl)

    def begin(self):
        """Where nothing closes what scripts leave open, a further script is refused before there is no room for any."""
        self._opened.clear()
        self._runs = True
        if self._is_alone:
            self._first = self._first or _lowest_free()
        elif _lowest_free() > (0.75 if self._moves else 0.95) * os.sysconf("SC_OPEN_MAX"):
            sys.modules["_owngil_worker"]._refuse(
                "too many descriptors are left open for a script in an interpreter: it is for the whole process"
            )

    def end(self):
        """Closes those that are still what the script opened."""
        self._runs = False
        if not self._is_alone:
            return
        left = [descriptor for descriptor, known in self._opened.items() if known == _identity(descriptor)]
        if left:
            held = _held()
            for descriptor in left:
                if descriptor not in held:
                    os.close(descriptor)
        if _lowest_free() > self._first + _N_LEFT:
            # Those that come from elsewhere, such as C code.
            retire()


# Not the one that refuses what stands for a standard stream: a script may have closed that, and left its number free.
_close = getattr(posix.close, "__wrapped__", posix.close)
_eventfd = os.eventfd


def _lowest_free():
    """The number that the next descriptor gets: as many are open, or more."""
    descriptor = _eventfd(0)
    _close(descriptor)
    return descriptor


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
    _unfreeze()
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


_descriptors = _Descriptors()
