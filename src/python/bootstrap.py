"""Runs in each interpreter when it starts: what belongs to its worker, and how functions are found.

The interpreter's start is measured in milliseconds, so nothing is imported here that CPython has not imported already.
"""

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import _thread
import io
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

            here.worker_id, here._own, here._replace, here._is_first = worker_id, own, replace, _is_first
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

    def __init__(self, function, replaced):
        self._function, self.__wrapped__ = function, replaced
        self.__name__, self.__qualname__ = replaced.__name__, replaced.__qualname__
        self.__module__, self.__doc__ = replaced.__module__, replaced.__doc__
        self.__text_signature__ = replaced.__text_signature__

    def __call__(self, /, *arguments, **keywords):
        return self._function(*arguments, **keywords)

    def __reduce__(self):
        return self.__qualname__

    def __repr__(self):
        return f"<built-in function {self.__name__}>"


def replace(name, function, *modules):
    """Has modules have this function in the place of a built-in one."""
    replaced = getattr(modules[0], name)
    function = _Builtin(function, replaced)
    for module in modules:
        setattr(module, name, function)
    for supported in os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks:
        if replaced in supported:
            supported.add(function)
    return function


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


def note_refusals(note):
    """Has `note(text)` called where an extension module cannot be loaded, or the process forked; it says whether the call that asks is to stop.

    The standard library can do without those of its own that refuse.
    """
    loader, worker = _external.ExtensionFileLoader, _thread.get_ident()

    def noting(load):
        def noted(self, what):
            try:
                return load(self, what)
            except Exception as error:
                is_standard = self.name.partition(".")[0] in sys.stdlib_module_names
                if is_standard or not note(str(error)) or _thread.get_ident() != worker:
                    # Another thread may hand an exception on to who waits for it.
                    raise
                raise Refused(str(error)) from error

        return noted

    def noting_call(call):
        def noted(*arguments, **keywords):
            try:
                return call(*arguments, **keywords)
            except (RuntimeError, ValueError) as error:
                if not note(str(error)) or _thread.get_ident() != worker:
                    raise
                raise Refused(str(error)) from error

        return noted

    def refuse_noting(text, kind=RuntimeError):
        if not note(text) or _thread.get_ident() != worker:
            raise kind(text)
        raise Refused(text)

    owngil = sys.modules["_owngil_worker"]
    owngil._refuse, owngil._moves = refuse_noting, True
    loader.create_module = noting(loader.create_module)
    loader.exec_module = noting(loader.exec_module)

    # CPython itself refuses these.
    def note_processes(_posixsubprocess):
        _posixsubprocess.fork_exec = noting_call(_posixsubprocess.fork_exec)

    def note_signals(_signal):
        for name in "signal", "set_wakeup_fd":
            replace(name, noting_call(getattr(_signal, name)), _signal)

    owngil._when_loaded("_posixsubprocess", note_processes)
    owngil._when_loaded("_signal", note_signals)
    for name in "fork", "forkpty":
        replace(name, noting_call(getattr(posix, name)), posix, os)


def flush_files(kinds=io.IOBase):
    """Writes out what open files hold; before a call moves all of them, which would overwrite later what its second
    attempt wrote.
    """
    import gc

    # Text first: before what it writes to.
    files = [found for found in gc.get_objects() if issubclass(type(found), kinds)]
    for file in sorted(files, key=lambda file: not issubclass(type(file), io.TextIOBase)):
        try:
            file.flush()
        except BaseException:
            pass  # It is closed, or its own fault.


class LoadError(Exception):
    """A function cannot be loaded; `kind` is one of the names of LoadErrorKind."""

    def __init__(self, kind, message, hint=None):
        super().__init__(message)
        self.kind, self.message, self.hint = kind, message, hint


def _did_you_mean(name, names):
    from difflib import get_close_matches

    # All files of a folder of scripts are alike in how they end.
    stem, ending = os.path.splitext(name)
    known = {other.removesuffix(ending): other for other in names if other.endswith(ending)}
    close = get_close_matches(stem, sorted(known), 1, 0.6)
    return f"did you mean {known[close[0]]}?" if close else None


def _add_path(folder):
    with _loading:
        _, folders = _of_functions
        if folder not in folders:
            folders.insert(0, folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _read(path):
    try:
        with io.open_code(path) as file:
            return file.read()
    except OSError as error:
        folder = os.path.dirname(path)
        try:
            hint = _did_you_mean(os.path.basename(path), os.listdir(folder))
        except OSError:
            hint = f"there is no directory {folder}"
        raise LoadError("MissingFile", error.strerror or str(error), hint) from None


_RELATIVE = "name it PACKAGE.MODULE:NAME, from the folder that the package is in: a file alone is no part of it"


def _run_module(module, name, run):
    modules, _ = _of_functions
    modules.add(name)
    sys.modules[name] = module
    try:
        run()
    except BaseException as error:
        sys.modules.pop(name, None)
        kind = "Syntax" if isinstance(error, SyntaxError) else "Import"
        what = "it does not compile" if kind == "Syntax" else "importing it raised"
        is_relative = isinstance(error, ImportError) and "attempted relative import" in str(error)
        hint = _RELATIVE if is_relative else None
        raise LoadError(kind, f"{what}: {_shown(error)}", hint) from error
    return sys.modules.get(name, module)


def _shown(error):
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _find(module, where, name):
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = [known for known in dir(found) if not known.startswith("__")]
            hint = _did_you_mean(part, names)
            raise LoadError("MissingName", f"{where} has no {name}", hint) from None
        except BaseException as error:
            # A module may load what it has when it is asked for.
            raise LoadError("Import", f"importing it raised: {_shown(error)}") from error
        if found is not module:
            where = f"{part} in {where}"
    if not callable(found):
        message = f"{name} is of type {type(found).__name__}, which cannot be called"
        raise LoadError("NotCallable", message)
    return found


def _locked(load):
    # Of the module alone: one that hangs while it is imported holds up only those that want it, too.
    place = load.__code__.co_varnames.index("name")

    def locked(*arguments):
        with _lock_of_interpreter(f"loading_{arguments[place]}"):
            return load(*arguments)

    return locked


@_locked
def load_file(path, name, attribute):
    path = os.fsdecode(path)
    if name == "__main__" or name in sys.stdlib_module_names or name in sys.builtin_module_names:
        name = f"_{name}_"
    module = sys.modules.get(name)
    if module is None or getattr(module, "__file__", None) != path:
        _read(path)
        _add_path(os.path.dirname(path))
        loader = _external.SourceFileLoader(name, path)
        spec = _external.spec_from_file_location(name, path, loader=loader)
        module = _bootstrap.module_from_spec(spec)
        module = _run_module(module, name, lambda: loader.exec_module(module))
    return _find(module, os.path.basename(path), attribute)


@_locked
def load_module(name, attribute):
    # As `python -c` and `python -m` do, unless the user asked for a safe path (python -P).
    if not sys.flags.safe_path:
        _add_path(os.getcwd())
    try:
        # Not `import`: importlib's own frames then stay out of the traceback.
        __import__(name)
        module = sys.modules[name]
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(missing + "."):
            raise LoadError("Import", f"importing it raised: {_shown(error)}") from error
        raise LoadError("MissingModule", str(error), _module_hint(missing)) from None
    except BaseException as error:
        kind = "Syntax" if isinstance(error, SyntaxError) else "Import"
        what = "it does not compile" if kind == "Syntax" else "importing it raised"
        raise LoadError(kind, f"{what}: {_shown(error)}") from error
    return _find(module, f"module {name}", attribute)


def _module_hint(name):
    if os.path.exists(name.replace(".", "/") + ".py"):
        return f"for the file, write {name.replace('.', '/')}.py"
    names = set(sys.stdlib_module_names)
    for folder in sys.path:
        try:
            names.update(entry.removesuffix(".py") for entry in os.listdir(folder or "."))
        except OSError:
            pass
    return _did_you_mean(name, names) or "is its package installed in this Python?"


@_locked
def load_source(text, name, attribute, execute):
    # `execute` is the host's exec: compile() would first make the types of all syntax trees, for 1.5 ms.
    module = sys.modules.get(name)
    if module is None:
        # linecache asks the loader unless the name is all in angle brackets.
        filename = f"<source>:{name}"
        module = type(sys)(name)
        module.__loader__ = _Source(text)
        module = _run_module(module, name, lambda: execute(text, filename, module.__dict__))
    return _find(module, "the source text", attribute)


class _Source:
    """Where linecache finds source text that has no file, for tracebacks and inspect (PEP 302)."""

    def __init__(self, text):
        self._text = text

    def get_source(self, name):
        return self._text


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


_pickle_dump = None


def _dump():
    """The function that pickles: `pickle.dump`, unless the package that hosts this has one of its own."""
    global _pickle_dump
    own = sys.modules.get("owngil._pickling")
    if own is not None:
        return own.dump
    if _pickle_dump is None:
        from _pickle import dump as _pickle_dump
    return _pickle_dump


# What pickle takes for a file: its methods are Rust functions.
_File = type(sys.implementation)


def pickler(write):
    """A function that pickles to `write`, and gives the buffers that are not in the pickle."""
    file = _File(write=write)

    def pickle(leaves):
        buffers = []
        _dump()(leaves, file, 5, buffer_callback=buffers.append)
        return buffers

    return pickle


def unpickler(read, readinto):
    """A function that unpickles what `read` and `readinto` give."""

    def readline():
        raise ValueError("a pickle of protocol 5 has no lines")

    file = _File(read=read, readinto=readinto, readline=readline)

    def unpickle(buffers):
        from _pickle import load

        return load(file, buffers=buffers)

    return unpickle


def pickle_exception(exception):
    """The exception in a pickle, None where it cannot be pickled."""
    file = io.BytesIO()
    try:
        _dump()(exception, file, 5)
    except Exception:
        return None
    return file.getvalue()


def loads(data):
    from _pickle import loads

    return loads(data)
