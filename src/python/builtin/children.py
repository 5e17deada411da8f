"""Runs in an interpreter whose tasks' output is caught, so that child processes are the task's own; see deferred.py.

They write where the task that starts them prints, and in an interpreter with its own GIL they have the environment that
its os.environ shows. The host gives `descriptor(number)`: what stands for descriptor 1 or 2 in a child that the task
at hand starts; None where that is the process's own.
"""

import _thread
import errno
import os
import posix
import sys
import time

# Places among the arguments of _posixsubprocess.fork_exec.
_ENVIRONMENT, _STDIN, _STDOUT, _STDERR = 5, 6, 9, 11


def install(host, is_noted, environment, has_directory):
    """`host` has functions of the host; `is_noted`: what children write is read in any case, and starting one is noted.

    `environment` has the variables of an interpreter with its own GIL, and is None elsewhere. `has_directory` says
    whether the worker has a working directory of its own; None: it is not looked after.
    """
    descriptor, write, started, forked, note_directory = host
    has_own_gil = environment is not None
    if has_own_gil:
        environment = _keep_environment(environment)
    if is_noted:
        _note(descriptor)
    else:
        _catch(descriptor, write, environment, forked)
    _tell_of_children(started)
    if has_own_gil:
        _keep_descriptors()
        _keep_children()
    if has_directory is not None:
        _keep_directory(note_directory, has_directory)


def _at_hand(name):
    return at_hand(name, posix)


def _replace(name, function):
    replace(name, function, posix, os)


def _refuse(text):
    sys.modules["_owngil_worker"]._refuse(text)


def _replace_fork_exec(make):
    """Has `make(fork_exec)` be that function of the module that `subprocess` has it from."""

    def change(_posixsubprocess):
        _posixsubprocess.fork_exec = function = make(_posixsubprocess.fork_exec)
        if "subprocess" in sys.modules:
            sys.modules["subprocess"]._fork_exec = function

    when_loaded("_posixsubprocess", change)


def _note(descriptor):
    """In a worker process, whose children inherit what is read: has it read when a call ends that may have started some."""

    def noting(call):
        def noted(*arguments, **keywords):
            descriptor(1)
            return call(*arguments, **keywords)

        return noted

    _replace_fork_exec(noting)
    for name in "posix_spawn", "posix_spawnp", "system":
        _replace(name, noting(_at_hand(name)))
    os.register_at_fork(before=lambda: descriptor(1))
    _ask_descriptors(lambda fd: fd)


def _ask_descriptors(own):
    """Has what would ask C's stdout for its descriptor do without: it has none where `printf` is caught."""
    terminal_size = _at_hand("get_terminal_size")
    _replace("get_terminal_size", lambda fd=1, /: terminal_size(own(fd)))


# Those that this interpreter has started, and that have not been waited for by a wait for any.
_children = set()

# What they start serves all later calls, and ends with the process.
_SERVERS = "multiprocessing.resource_tracker", "multiprocessing.forkserver"


def _is_for_all(frame):
    for _ in range(4):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") in _SERVERS:
            return True
        frame = frame.f_back
    return False


def _tell_of_children(started):
    """Has `started(pid)` called with each child process."""
    if not is_first("tells_of_children"):
        return

    def telling(call):
        def started_child(*arguments, **keywords):
            pid = call(*arguments, **keywords)
            if not _is_for_all(sys._getframe(1)):
                _children.add(pid)
                started(pid)
            return pid

        return started_child

    _replace_fork_exec(telling)
    for name in "posix_spawn", "posix_spawnp":
        _replace(name, telling(_at_hand(name)))


def _keep_environment(variables):
    """Has what an interpreter does to its variables noted: child processes get the same.

    The environment is one for all interpreters of the process; os.environ shows the interpreter's own.
    """
    # Not that of os.environ, which os.putenv leaves alone.
    environment = dict(variables)
    putenv, unsetenv = _at_hand("putenv"), _at_hand("unsetenv")

    def keep_zone(name, value):
        # C's functions of time read it, on whatever thread.
        if name == b"TZ" and value != environment.get(name):
            _refuse("TZ cannot be set in an interpreter: it is for the whole process")

    def kept_putenv(name, value, /):
        name, value = os.fsencode(name), os.fsencode(value)
        keep_zone(name, value)
        putenv(name, value)
        environment[name] = value

    def kept_unsetenv(name, /):
        name = os.fsencode(name)
        keep_zone(name, None)
        unsetenv(name)
        environment.pop(name, None)

    _replace("putenv", kept_putenv)
    _replace("unsetenv", kept_unsetenv)
    return environment


def _catch(descriptor, write, environment, forked):
    """In an interpreter of a process that has others; `environment` is None where it is the process's.

    `forked()` is called in what is forked off, which only the main interpreter may do.
    """
    if not is_first("catches_children"):
        return

    def own(number):
        if number == 1 or number == 2:
            target = descriptor(number)
            return number if target is None else target
        return getattr(sys.modules["_owngil_worker"]._own, "stdin", 0) if number == 0 else number

    def listed():
        return None if environment is None else [name + b"=" + value for name, value in environment.items()]

    def caught_fork_exec(fork_exec):
        def caught(*arguments):
            arguments = list(arguments)
            if arguments[_ENVIRONMENT] is None:
                arguments[_ENVIRONMENT] = listed()
            if arguments[_STDIN] in (-1, 0):
                # That of a script that has some.
                arguments[_STDIN] = getattr(sys.modules["_owngil_worker"]._own, "stdin", arguments[_STDIN])
            for place, number in (_STDOUT, 1), (_STDERR, 2):
                # -1: the child inherits it. That of subprocess.STDOUT may be a number of sys.stdout's.
                wanted = number if arguments[place] == -1 else arguments[place]
                target = own(wanted)
                if target != wanted:
                    arguments[place] = target
            return fork_exec(*arguments)

        return caught

    _replace_fork_exec(caught_fork_exec)

    def caught_spawn(spawn):
        def caught(path, argv, env, /, *, file_actions=(), **others):
            if env is None:
                env = environment
            first = []
            stdin = getattr(sys.modules["_owngil_worker"]._own, "stdin", -1)
            if stdin >= 0:
                first.append((posix.POSIX_SPAWN_DUP2, stdin, 0))
            for number in 1, 2:
                target = own(number)
                if target != number:
                    first.append((posix.POSIX_SPAWN_DUP2, target, number))
            return spawn(path, argv, env, file_actions=[*first, *(file_actions or ())], **others)

        return caught

    _replace("posix_spawn", caught_spawn(_at_hand("posix_spawn")))
    _replace("posix_spawnp", caught_spawn(_at_hand("posix_spawnp")))

    def system(command):
        command = os.fsencode(command)
        sys.audit("os.system", command)
        child = posix.posix_spawn("/bin/sh", ["sh", "-c", "--", command], environment or posix.environ)
        return posix.waitpid(child, 0)[1]

    _replace("system", system)

    _catch_descriptors(descriptor, write, own)
    if environment is None:
        # The main interpreter's, which may fork.
        _catch_forks(own, forked)


def _catch_descriptors(descriptor, write, own):
    """Has calls that name descriptors 0, 1 and 2 use the task's."""
    posix_read, posix_write, posix_dup = map(_at_hand, ("read", "write", "dup"))

    def caught_read(fd, length, /):
        return posix_read(own(fd) if fd == 0 else fd, length)

    def caught_write(fd, data, /):
        if type(fd) is int and fd in (1, 2) and descriptor(fd) is not None:
            data = bytes(memoryview(data))
            write(fd, data)
            return len(data)
        return posix_write(fd, data)

    _replace("read", caught_read)
    _replace("write", caught_write)
    _replace("dup", lambda fd, /: posix_dup(own(fd)))
    set_blocking, get_blocking = _at_hand("set_blocking"), _at_hand("get_blocking")
    _replace("set_blocking", lambda fd, blocking, /: set_blocking(own(fd), blocking))
    _replace("get_blocking", lambda fd, /: get_blocking(own(fd)))
    _ask_descriptors(own)


def _catch_forks(own, forked):
    """Has a process that is forked off print where the task does."""
    # By threads, each of which may fork.
    targets, thread = {}, _thread.get_ident
    os.register_at_fork(
        before=lambda: targets.update({thread(): (own(1), own(2))}),
        after_in_parent=lambda: targets.pop(thread()),
        after_in_child=lambda: (forked(), _print_to(targets[thread()])),
    )
    _replace("closerange", _refuse_range)


def _print_to(descriptors):
    """In a process that was forked off, in which what is printed goes nowhere."""
    for stream, descriptor in zip(sys._owngil_streams[1:], descriptors):
        stream.send_to(descriptor)


def _keep_directory(note, has_own):
    """Has `note()` called where the working directory or the umask is changed, which are put back after the call."""
    if not is_first("keeps_directory"):
        return

    def noting(call):
        def noted(argument):
            if not has_own:
                _refuse("the working directory cannot be changed in an interpreter: it is the whole process's")
            note()
            return call(argument)

        return noted

    chdir, fchdir, umask = (noting(_at_hand(name)) for name in ("chdir", "fchdir", "umask"))
    _replace("chdir", lambda path: chdir(path))
    _replace("fchdir", lambda fd: fchdir(fd))
    _replace("umask", lambda mask, /: umask(mask))


def _keep_children():
    """Has what waits for any child wait for those of the interpreter: others of the process have some, too."""
    waitpid, wait4, waitid = map(_at_hand, ("waitpid", "wait4", "waitid"))

    def any_child(group, ask, found_none):
        """What `ask(pid)` gives of the first child that has ended; of those in a process group, if there is one."""
        for pid in sorted(_children):
            try:
                if group is not None and posix.getpgid(pid) != group:
                    continue
                ended = ask(pid)
            except (ChildProcessError, ProcessLookupError):
                # It was waited for by its number.
                _children.discard(pid)
                continue
            if ended != found_none:
                return ended
        if not _children:
            raise ChildProcessError(errno.ECHILD, os.strerror(errno.ECHILD))
        return found_none

    def wait_for_any(group, ask, found_none, options):
        pause = 0.0005
        while (ended := any_child(group, ask, found_none)) == found_none and not options & os.WNOHANG:
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return ended

    def kept_waitpid(pid, options, /):
        if pid > 0:
            return waitpid(pid, options)
        group = None if pid == -1 else -pid or posix.getpgrp()
        return wait_for_any(group, lambda child: waitpid(child, options | os.WNOHANG), (0, 0), options)

    def kept_wait4(pid, options):
        if pid > 0:
            return wait4(pid, options)
        group = None if pid == -1 else -pid or posix.getpgrp()
        ended = wait_for_any(group, lambda child: _if_ended(wait4(child, options | os.WNOHANG)), None, options)
        return ended or (0, 0, wait4_of_none())

    def wait4_of_none():
        import resource

        return resource.struct_rusage((0,) * 16)

    def kept_waitid(idtype, id, options, /):
        if idtype not in (os.P_ALL, os.P_PGID):
            return waitid(idtype, id, options)
        group = (id or posix.getpgrp()) if idtype == os.P_PGID else None
        return wait_for_any(group, lambda child: waitid(os.P_PID, child, options | os.WNOHANG), None, options)

    _replace("waitpid", kept_waitpid)
    _replace("wait4", kept_wait4)
    _replace("waitid", kept_waitid)
    _replace("wait", lambda: kept_waitpid(-1, 0))
    _replace("wait3", lambda options: kept_wait4(-1, options))


def _if_ended(waited):
    return waited if waited[0] else None


def _refuse_descriptor(fd):
    _refuse(f"descriptor {fd} cannot be replaced in an interpreter: it is the whole process's")


def _refuse_range(fd_low, fd_high, /):
    # Those of all others are between them, too.
    if fd_low < fd_high:
        _refuse_descriptor(max(fd_low, 0))


def _keep_descriptors():
    """Refuses what would replace or close the standard streams of the whole process."""
    dup2, close = _at_hand("dup2"), _at_hand("close")

    def is_kept(fd):
        # What stands for 1 and 2, if anybody has asked for it.
        return 0 <= fd <= 2 or fd in (stream.buffer.given for stream in sys._owngil_streams[1:])

    def caught_dup2(fd, fd2, inheritable=True):
        if is_kept(fd2):
            _refuse_descriptor(fd2)
        return dup2(fd, fd2, inheritable)

    def caught_close(fd):
        if is_kept(fd):
            _refuse_descriptor(fd)
        close(fd)

    _replace("dup2", caught_dup2)
    _replace("close", caught_close)
    _replace("closerange", _refuse_range)
