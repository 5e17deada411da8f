"""Has record locks of POSIX (`fcntl.lockf`, `os.lockf`, F_SETLK) exclude the workers of one process from each other; see
deferred.py.

They belong to the process, which is one for all workers, so here they are locks of open file descriptions (F_OFD_SETLK,
fcntl_locking(2)), which Linux has for this. A task that opens one file twice does not exclude itself, as it would not in
a process: its locks on a file are all taken through the first file object, for as long as that is open.
"""

import _io
import _weakref
import errno
import fcntl
import gc
import os
import posix
import struct
import sys

# struct flock of 64-bit Linux: type, whence, start, length, process.
_LAYOUT = "hhqqi"


def _owner_of(fd):
    """The file object that has a descriptor, and closes it."""
    for found in gc.get_objects():
        if issubclass(type(found), _io.FileIO) and not found.closed and found.fileno() == fd:
            return found
    return None


def _lockf_of_os(operate, size):
    """`os.lockf`, by the function that takes locks."""
    # Each with the command and the kind of lock that it stands for (lockf(3)).
    of_os = {
        os.F_LOCK: (fcntl.F_SETLKW, fcntl.F_WRLCK),
        os.F_TLOCK: (fcntl.F_SETLK, fcntl.F_WRLCK),
        os.F_ULOCK: (fcntl.F_SETLK, fcntl.F_UNLCK),
        os.F_TEST: (fcntl.F_GETLK, fcntl.F_WRLCK),
    }
    plain_lockf = at_hand("lockf", posix)

    def lockf_of_os(fd, command, length, /):
        if command not in of_os:
            return plain_lockf(fd, command, length)
        asked, kind = of_os[command]
        found = operate(fd, asked, kind, os.SEEK_CUR, 0, length)
        if asked == fcntl.F_GETLK and struct.unpack(_LAYOUT, found[:size])[0] != fcntl.F_UNLCK:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    return lockf_of_os


def install():
    when_loaded("fcntl", _hold)


def _hold(fcntl):
    plain, plain_ioctl = fcntl.fcntl, fcntl.ioctl
    ours = {
        fcntl.F_GETLK: fcntl.F_OFD_GETLK,
        fcntl.F_SETLK: fcntl.F_OFD_SETLK,
        fcntl.F_SETLKW: fcntl.F_OFD_SETLKW,
    }
    size = struct.calcsize(_LAYOUT)
    # The file object by which a file is locked, by its device and number. No descriptor: once it is closed, its number
    # may be that of another worker, for the same file.
    holders = {}

    def number(file):
        fd = file if isinstance(file, int) else getattr(file, "fileno", lambda: None)()
        if not isinstance(fd, int) or not 0 <= fd < 2**31:
            plain(file, fcntl.F_GETFD)  # It raises what is wrong with it.
        return fd

    def identity(fd):
        found = os.fstat(fd)
        return found.st_dev, found.st_ino

    def held_by(key):
        reference = holders.get(key)
        owner = None if reference is None else reference()
        try:
            return owner.fileno() if owner is not None and not owner.closed else None
        except (AttributeError, OSError, ValueError):
            return None

    def operate(file, command, kind, whence, start, length):
        fd = number(file)
        key = identity(fd)
        holder = held_by(key)
        if holder is None:
            holder = fd
            owner = _owner_of(fd) if isinstance(file, int) else file
            try:
                holders[key] = _weakref.ref(owner)
            except TypeError:
                pass  # None has it: os.open gave it.
        elif holder != fd and whence == os.SEEK_CUR:
            whence, start = os.SEEK_SET, start + os.lseek(fd, 0, os.SEEK_CUR)
        return plain(holder, ours[command], struct.pack(_LAYOUT, kind, whence, start, length, 0))

    def refuse_for_stream(name):
        text = f"fcntl.{name} of a standard stream cannot be called in an interpreter: it is for the whole process"
        sys.modules["_owngil_worker"]._refuse(text)

    def fcntl_(fd, cmd, arg=0, /):
        if cmd in (fcntl.F_SETFD, fcntl.F_SETFL) and number(fd) <= 2 and arg != plain(fd, cmd - 1):
            refuse_for_stream("fcntl")
        if cmd not in ours or not isinstance(arg, (bytes, bytearray)) or len(arg) < size:
            return plain(fd, cmd, arg)
        kind, whence, start, length, _ = struct.unpack(_LAYOUT, arg[:size])
        return operate(fd, cmd, kind, whence, start, length)[:size] + bytes(arg[size:])

    def ioctl(fd, request, arg=0, mutate_flag=True, /):
        if number(fd) <= 2:
            import termios

            if request in (termios.FIOCLEX, termios.FIONBIO, termios.FIOASYNC):
                refuse_for_stream("ioctl")
        return plain_ioctl(fd, request, arg, mutate_flag)

    def lockf(fd, cmd, len=0, start=0, whence=0, /):
        if cmd == fcntl.LOCK_UN:
            kind = fcntl.F_UNLCK
        elif cmd & fcntl.LOCK_SH:
            kind = fcntl.F_RDLCK
        elif cmd & fcntl.LOCK_EX:
            kind = fcntl.F_WRLCK
        else:
            raise ValueError("unrecognized lockf argument")
        operate(fd, fcntl.F_SETLK if cmd & fcntl.LOCK_NB else fcntl.F_SETLKW, kind, whence, start, len)

    replace("lockf", _lockf_of_os(operate, size), posix, os)
    replace("fcntl", fcntl_, fcntl)
    replace("ioctl", ioctl, fcntl)
    replace("lockf", lockf, fcntl)
