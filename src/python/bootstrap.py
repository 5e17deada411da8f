"""Runs in each interpreter when it starts: what belongs to its worker.

The interpreter's start is measured in milliseconds, so nothing is imported here that CPython has not imported already.
"""

import _io
import _thread
import os
import posix
import sys


def _lock_of_interpreter(name):
    """A lock that is one for all that run this in the same interpreter: the threads of the main one."""
    return vars(sys).setdefault(f"_owngil_{name}", _thread.RLock())


def _is_first(what):
    """Whether this is done for the first time in this interpreter: on the backend `thread` all workers share it."""
    mark = object()
    return vars(sys).setdefault(f"_owngil_{what}", mark) is mark


# What is set up here is set up once, by threads that share an interpreter.
_loading = _lock_of_interpreter("loading")

# Modules and folders that functions have brought: where scripts run in the same interpreter, they outlive those.
_of_functions = vars(sys).setdefault("_owngil_of_functions", (set(), []))


# What changes the user, the groups, the session, the namespaces or the root of the process, or ends it.
_OF_PROCESS = (
    "setuid", "seteuid", "setreuid", "setresuid", "setgid", "setegid", "setregid", "setresgid", "setgroups",
    "initgroups", "setsid", "setpgrp", "login_tty", "unshare", "setns", "chroot", "abort",
)  # fmt: skip


def same_file(descriptor, other):
    """Whether both are open for one file; `other` may be a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(other))
    except OSError:
        return False  # One is closed.


def refuse(text, kind=RuntimeError):
    """What an interpreter cannot do for one task alone raises."""
    raise kind(text)


def install_module(number, is_alone, is_hosted, load):
    """Gives tasks the module `owngil`: whose they are, and a place for what a worker keeps from task to task.

    A host has a package of that name, which finds the same in `_owngil_worker`. `load(function)` calls a function that
    imports what a call needs, and the time limit of the call leaves that out.
    """
    with _loading:
        here = sys.modules.get("_owngil_worker")
        if here is None:
            here = sys.modules["_owngil_worker"] = type(sys)("owngil", "The worker that runs this.")
            if not is_hosted:
                sys.modules["owngil"] = here
            # Workers that share the main interpreter are distinguished by their threads.
            here.state = type(sys.implementation)() if is_alone else _thread._local()
            own = type(sys.implementation)() if is_alone else _thread._local()

            def worker_id():
                """The number of the worker, from 0; None where there is none."""
                return getattr(own, "worker_id", None)

            here.worker_id, here._own, here._is_first = worker_id, own, _is_first
            here._Builtin, here._put, here._replace = _Builtin, put, replace
            here._same_file, here._load = same_file, load or (lambda function: function())
            here._refuse, here._of_process = refuse, _OF_PROCESS
    here._own.worker_id = number


def show_variables(variables):
    """Has os.environ begin with these, whatever other interpreters have made of those of the process."""
    os.environ._data.clear()
    os.environ._data.update(variables)


class _Builtin:
    """A function in the place of a built-in one, as `inspect`, `copy` and `pickle` see it.

    A Python function would become a method where a class holds it.
    """

    __slots__ = "_function", "__wrapped__", "__weakref__"

    def __init__(self, function, replaced):
        self._function, self.__wrapped__ = function, replaced

    def __call__(self, /, *arguments, **keywords):
        return self._function(*arguments, **keywords)

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)

    def __reduce__(self):
        return self.__qualname__

    def __repr__(self):
        return f"<built-in function {self.__name__}>"

    # What the class has for itself, an instance does not ask __getattr__ for.
    __module__ = property(lambda self: self.__wrapped__.__module__)
    __doc__ = property(lambda self: self.__wrapped__.__doc__)


def replace(name, function, *modules):
    """Has modules have this function in the place of a built-in one."""
    put(_Builtin(function, getattr(modules[0], name)), name, *modules)


def put(function, name, *modules):
    """Has modules have what stands for a built-in function by that name."""
    for module in modules:
        setattr(module, name, function)
    for supported in os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks:
        if function.__wrapped__ in supported:
            supported.add(function)


# What os._exit raises: a script that it ends runs no exit functions. It is reported as what it stands for.
_Exit = vars(sys).setdefault("_owngil_exit", type("SystemExit", (SystemExit,), {"__module__": "builtins"}))


def keep_process(is_alone):
    """Has os._exit end the call that makes it, not the process with the calls of all other workers.

    A worker that is alone in its process ends with that, unless it runs a script, whose status is what counts.
    """
    if not _is_first("keeps_process"):
        return
    process, worker, end = posix.getpid(), _thread.get_ident(), posix._exit

    def is_worker():
        """Whether this is a worker's thread, and none that a task has started."""
        own = sys.modules["_owngil_worker"]._own
        # Where workers share the interpreter, it is each one's own thread that has this.
        is_shared = isinstance(own, _thread._local)
        return hasattr(own, "worker_id") if is_shared else _thread.get_ident() == worker

    def runs_script():
        return is_worker() and getattr(sys.modules["_owngil_worker"]._own, "runs_script", False)

    def _exit(status):
        if not isinstance(status, int) or posix.getpid() != process or (is_alone and not runs_script()):
            # What is forked off ends by it, as anywhere.
            end(status)
        if not is_worker():
            refuse = sys.modules["_owngil_worker"]._refuse
            refuse("os._exit on another thread cannot be called in an interpreter: it is for the whole process")
        raise _Exit(status)

    def ending_in(plain):
        def execute(path, argv, env=None):
            is_forked = posix.getpid() != process
            if is_forked or (is_alone and not runs_script()):
                return plain(path, argv) if env is None else plain(path, argv, env)
            if not runs_script():
                raise RuntimeError("exec not supported for isolated subinterpreters")
            program = f"/proc/self/fd/{path}" if isinstance(path, int) else path
            child = posix.posix_spawn(program, argv, os.environ if env is None else env)
            status = os.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
            # As a shell has it for a signal.
            raise _Exit(status if status >= 0 else 128 - status)

        return execute

    replace("_exit", _exit, os, posix)
    # What a script becomes runs in its place: the process stays, and the script ends with its status.
    for name in "execv", "execve":
        replace(name, ending_in(getattr(posix, name)), os, posix)


def be_main_thread():
    """Has `threading` take this thread, the interpreter's only one, for its main thread."""
    worker = _thread.get_ident()
    if hasattr(_thread, "_get_main_thread_ident"):
        _thread._get_main_thread_ident = lambda: worker


def look_at_own_frames():
    """Has functions that look at the frames of threads leave those of other interpreters alone.

    They make objects for these, and CPython crashes over them (gh-158364; fixed in 3.13.16, 3.14.8 and 3.15).
    """
    major, minor, micro = sys.version_info[:3]
    if minor >= 15 or micro >= {13: 16, 14: 8}.get(minor, micro + 1):
        return

    def looking(name, of_this_thread):
        def look():
            # The only thread that can be looked at from here is this one.
            if _thread._count():
                owngil = sys.modules["_owngil_worker"]
                owngil._refuse(f"sys.{name} cannot be called in an interpreter: it looks at all threads")
            return {_thread.get_ident(): of_this_thread()}

        replace(name, look, sys)

    def caller():
        frame = own = sys._getframe()
        while frame.f_code.co_filename == own.f_code.co_filename:
            frame = frame.f_back
        return frame

    looking("_current_frames", caller)
    looking("_current_exceptions", sys.exception)


def let_threads_be_waited_for():
    """Has threads that tasks start be no daemons, unless they are asked to be.

    To `threading` a worker's thread is one that other code has started. Such a thread counts as a daemon, and so would
    all that it starts: they inherit it.
    """
    allowed = _thread.daemon_threads_allowed

    def daemon_threads_allowed():
        return allowed() and sys._getframe(1).f_code.co_qualname != "_DummyThread.__init__"

    with _loading:
        if allowed.__module__ == "_thread":
            _thread.daemon_threads_allowed = daemon_threads_allowed
            if "threading" in sys.modules:
                sys.modules["threading"]._daemon_threads_allowed = daemon_threads_allowed


class Refused(BaseException):
    """An interpreter cannot do what is asked for, and the call is going to be made elsewhere.

    No ImportError: what a package would do without the module would be done in vain, and some compile another.
    """


def flush_files(kinds=_io._IOBase):
    """Writes out what open files hold; before a call moves all of them, which would overwrite later what its second
    attempt wrote.
    """
    import gc

    # Text first: before what it writes to.
    files = [found for found in gc.get_objects() if issubclass(type(found), kinds)]
    for file in sorted(files, key=lambda file: not issubclass(type(file), _io._TextIOBase)):
        try:
            file.flush()
        except BaseException:
            pass  # It is closed, or its own fault.


def plain(value):
    """The plain value of an object whose class derives from a plain type, as json.dumps takes it; else the object."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, dict):
        return dict(value.items())
    if isinstance(value, tuple):
        return tuple(value)
    if isinstance(value, list):
        return list(value)
    return value
