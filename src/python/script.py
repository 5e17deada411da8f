"""Runs in the namespace of bootstrap.py, in an interpreter that is to run its first script."""

import _contextvars
import _io
import _weakref
import builtins
import gc

# sys.argv and __main__ belong to the interpreter: scripts take turns.
_script_turn = _lock_of_interpreter("script_turn")


def load_script(kind, path, text, shown):
    """`kind` is how the script was named: "file", "text" that was read from the file or from standard input, "module"."""
    if kind == "module":
        return _Script(lambda: _main_of_module(shown), shown, os.getcwd())
    path = path and os.fsdecode(path)
    if kind == "file" and os.path.isdir(path):
        return _Script(lambda: _main_of_folder(shown), shown, path)
    source = _read(path) if kind == "file" else text
    if _is_zip(source):
        return _Script(lambda: _main_of_folder(shown), shown, path)
    filename = path or "<stdin>"
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise LoadError("Syntax", f"it does not compile: {_shown(error)}") from error

    def main():
        module = type(sys)("__main__")
        module.__loader__ = _Source(source)
        if sys.version_info < (3, 15):
            module.__cached__ = None
        if sys.version_info < (3, 14):
            module.__annotations__ = {}
        if not path:
            module.__file__ = filename
        else:
            module.__file__ = path
            module.__loader__ = _external.SourceFileLoader("__main__", path)
        return module, code, shown

    # The folder of the file that a link leads to, as Python has it.
    return _Script(main, shown, os.path.dirname(os.path.realpath(path)) if path else "")


def _is_zip(source):
    """Whether Python would take it for a zip archive: the end of its directory is at the end."""
    return b"PK\5\6" in source[-(22 + 65535) :]


def _main_of_module(name):
    """As `python -m` does."""
    import runpy

    try:
        _, spec, code = runpy._get_module_details(name)
    except ImportError as error:
        raise SystemExit(f"{sys.executable}: {error}") from None
    return _with_spec(spec), code, spec.origin


def _main_of_folder(shown):
    """As `python` does with a folder or a zip archive that has a __main__.py."""
    import runpy

    try:
        _, spec, code = runpy._get_main_module_details()
    except ImportError as error:
        raise SystemExit(f"{sys.executable}: {error}") from None
    return _with_spec(spec), code, shown


def _with_spec(spec):
    module = type(sys)("__main__")
    module.__file__, module.__cached__ = spec.origin, spec.cached
    module.__package__, module.__loader__, module.__spec__ = spec.parent, spec.loader, spec
    return module


class _Script:
    """Runs as __main__ at each call, in a namespace of its own."""

    def __init__(self, main, shown, folder):
        self._main, self._shown, self._folder = main, shown, folder
        self._has_failed = False

    def __call__(self, *arguments, stdin=None, slot=None):
        if slot is not None:
            number = str(sys.modules["_owngil_worker"].worker_id() + 1)
            arguments = [argument.replace(slot, number) for argument in arguments]
        with _script_turn:
            return self._run(arguments, stdin)

    def _run(self, arguments, stdin):
        if self._has_failed:
            # Its exception held what the run before left.
            gc.collect()
        self._has_failed = True
        state, ending = _State(), _Ending()
        # What is there now need not be looked at when garbage is collected at the end of this run.
        gc.freeze()
        if not sys.flags.safe_path:
            sys.path.insert(0, self._folder)
        sys.argv = [self._shown, *arguments]
        if stdin is not None:
            sys.stdin = _standard_input(stdin)
            _give_descriptor(sys.stdin.fileno())
        _exit_functions.begin()
        own, main, raised, is_abrupt = sys.modules["_owngil_worker"]._own, None, None, False
        own.runs_script = True
        try:
            main, code, sys.argv[0] = self._main()
            main.__builtins__ = builtins
            sys.modules["__main__"] = main
            if "multiprocessing" in sys.modules:
                # By that name its child processes know it.
                sys.modules["__mp_main__"] = main
            # Its own context variables, and with them its own context of decimal.
            _contextvars.Context().run(exec, code, main.__dict__)
            status, self._has_failed = 0, False
        except SystemExit as exit:
            status, self._has_failed, is_abrupt = _status(exit.code), False, type(exit) is _Exit
        except BaseException as error:
            status, raised = 1, error
            _show(error)
        if ending.is_forked():
            ending.end_process(state, status, raised)
        names = vars(main) if main and isinstance(raised, Refused) else {}
        main = main and _weakref.ref(main)
        # Not where the exception is handled: exit functions ask for it.
        failures = [] if is_abrupt else ending.run(state)
        own.runs_script = False
        _exit_functions.end()
        # A first time while all is there, as Python does: what refers to others comes before these from then on, and so
        # is destroyed before them.
        failures += [_try(_flush), _try(gc.collect)]
        failures += [_try(state.forget_modules), _try(_collect, main), _try(_abandon, raised, names)]
        failures.append(_try(ending.reopen))
        failures += state.put_back()
        gc.unfreeze()
        if raised is not None:
            raise raised
        for failure in failures:
            if failure is not None and not isinstance(failure, Exception):
                raise failure  # The host has interrupted it.
        return status


def _abandon(raised, names):
    """Drops what a script has made that is going to run elsewhere: what it prints at its end is part of this attempt."""
    if isinstance(raised, Refused):
        error = raised
        while error is not None:
            error.__traceback__ = None
            error = error.__cause__ or error.__context__
        names.clear()
        gc.collect()


def _collect(main):
    """Drops what the script has made: as Python does, first what nothing refers to, with its variables there."""
    gc.collect()
    if main is not None and main() is not None:
        _clear(vars(main()))
        gc.collect()


class _Ending:
    """What Python does at the end of a process, before modules go; here at the end of a run."""

    def __init__(self):
        self._process = os.getpid()
        self._threads = _threads()
        modules = sys.modules
        self._thread_exits = list(getattr(modules.get("threading"), "_threading_atexits", ()))
        self._finalizers = set(modules["weakref"].finalize._registry) if "weakref" in modules else ()
        children = getattr(modules.get("multiprocessing.process"), "_children", ())
        self._children = set(children)
        self._of_multiprocessing = set(getattr(modules.get("multiprocessing.util"), "_finalizer_registry", ()))
        self._executors = ()

    def run(self, state):
        steps = (
            self._shut_down_executors,
            self._run_thread_exits,
            self._await_threads,
            _exit_functions.run,
            self._finalize,
            self._end_multiprocessing,
            state.end_logging,
        )
        return [_try(step) for step in steps]

    def is_forked(self):
        """Whether this is another process than the one in which the run began."""
        return os.getpid() != self._process

    def end_process(self, state, status, raised):
        if raised is not None and sys.excepthook is sys.__excepthook__:
            import traceback

            traceback.print_exception(type(raised), raised, _of_user(raised.__traceback__))
        self.run(state)
        _try(_flush)
        os._exit(status)

    def _shut_down_executors(self):
        self._executors = _shut_down_executors()

    def reopen(self):
        executors, self._executors = self._executors, ()
        _reopen(executors)

    def _run_thread_exits(self):
        """Those that `threading._register_atexit` was given, but for what stays loaded: its own."""
        exits = getattr(sys.modules.get("threading"), "_threading_atexits", [])
        for call in reversed(exits[:]):
            # A functools.partial before 3.13, and a lambda since.
            called = [cell.cell_contents for cell in getattr(call, "__closure__", None) or ()]
            modules = [str(getattr(found, "__module__", "")) for found in [getattr(call, "func", None), *called]]
            is_own = any(module.startswith("concurrent.futures") for module in modules)
            if call not in self._thread_exits and not is_own:
                exits.remove(call)
                _try(call)

    def _await_threads(self):
        """Waits for the threads that a script started, as Python does before it ends."""
        while started := _threads() - self._threads:
            _shut_down_process_pools(started)
            for thread in started:
                if (error := _try(thread.join)) is not None:
                    if not isinstance(error, Exception):
                        raise error
                    self._threads.add(thread)

    def _finalize(self):
        """Lib/weakref.py, finalize._exitfunc"""
        if "weakref" not in sys.modules:
            return
        registry = sys.modules["weakref"].finalize._registry
        while added := [(info.index, call) for call, info in registry.items() if info.atexit and call not in self._finalizers]:
            _, call = max(added)
            try:
                call()
            except BaseException as error:
                _tell_ignored(f"{call!r}", error)

    def _end_multiprocessing(self):
        """Lib/multiprocessing/util.py, _exit_function"""
        util, process = sys.modules.get("multiprocessing.util"), sys.modules.get("multiprocessing.process")
        if util is None or process.current_process() is None:
            return
        # Those of functions, which the interpreter may run as well, are not the script's.
        registry = util._finalizer_registry
        kept = {key: registry.pop(key) for key in self._of_multiprocessing if key in registry}
        try:
            util._run_finalizers(0)
            started = [child for child in process.active_children() if child not in self._children]
            for child in started:
                if child.daemon:
                    child._popen.terminate()
            for child in started:
                child.join()
            util._run_finalizers()
        finally:
            registry.update(kept)


def _show(error):
    """What Python does with an uncaught exception, but for the traceback, which the host shows."""
    sys.last_exc, sys.last_type, sys.last_value, sys.last_traceback = error, type(error), error, error.__traceback__
    if sys.excepthook is not sys.__excepthook__:
        try:
            sys.excepthook(type(error), error, error.__traceback__)
        except Exception as failure:
            import traceback

            print("Error in sys.excepthook:", file=sys.stderr)
            traceback.print_exception(type(failure), failure, _of_user(failure.__traceback__), chain=False)


def _standard_input(data):
    """As Python's own is: a file with a descriptor, in text mode, whose bytes need not be UTF-8."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        file = open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    # Lines end as they do in the file (Python/pylifecycle.c, create_stdio).
    return io.TextIOWrapper(file, _stdin_encoding, _stdin_errors, newline="\n")


def _give_descriptor(descriptor):
    """Has descriptor 0 be the script's standard input: for open(0), for os.read(0, n), and for child processes."""
    own = sys.modules["_owngil_worker"]._own
    if getattr(own, "handles_signals", False):
        # A process of its own.
        os.dup2(descriptor, 0)
        return
    own.stdin = descriptor
    plain_open = builtins.open

    def open(file, *arguments, **keywords):
        if type(file) is int and file == 0:
            closes = keywords.get("closefd", arguments[5] if len(arguments) > 5 else True)
            file = os.dup(descriptor) if closes else descriptor
        return plain_open(file, *arguments, **keywords)

    # os.fdopen is that of io.
    builtins.open = io.open = _Builtin(open, plain_open)


_BUFFERED = _io.TextIOWrapper, _io.BufferedWriter, _io.BufferedRandom, _io.BufferedRWPair


def _flush():
    """Flushes the files that the script has left open: in a cycle a file's own buffer may be gone before it.

    Others, such as those of gzip, write at their end what they have.
    """
    for found in gc.get_objects():
        if issubclass(type(found), _BUFFERED):
            try:
                if not found.closed and found.writable():
                    found.flush()
            except BaseException:
                pass


def _clear(variables):
    """Drops what a module holds, name by name (Objects/moduleobject.c, _PyModule_ClearDict)."""
    for is_private in True, False:
        for name in list(variables):
            if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") is is_private:
                variables[name] = None


def _shut_down_executors():
    """As Python does before it ends: what was submitted to a ThreadPoolExecutor is done, and no more can be.

    Gives those that were open: one that an imported module keeps is there for the next script, too.
    """
    futures = sys.modules.get("concurrent.futures.thread")
    if futures is None:
        return ()
    executors = ()
    if futures._threads_queues:
        # The collector does not list frozen objects.
        gc.unfreeze()
        kind = futures.ThreadPoolExecutor
        executors = [found for found in gc.get_objects() if issubclass(type(found), kind)]
        executors = [executor for executor in executors if not executor._shutdown]
    futures._python_exit()
    return executors


def _reopen(executors):
    """They are as a new process would have made them."""
    futures = sys.modules.get("concurrent.futures.thread")
    if futures is None:
        return
    with futures._global_shutdown_lock:
        futures._shutdown = False
    for executor in executors:
        executor._shutdown = False
        executor._threads.clear()
        executor._idle_semaphore = sys.modules["threading"].Semaphore(0)


def _shut_down_process_pools(threads):
    """As threading's exit functions do, of concurrent.futures and of loky: what is submitted is still done."""
    managers = [thread for thread in threads if type(thread).__name__ == "_ExecutorManagerThread"]
    if not managers:
        return
    for found in gc.get_objects():
        is_pool = any(kind.__name__ == "ProcessPoolExecutor" for kind in type(found).__mro__)
        if is_pool and getattr(found, "_executor_manager_thread", None) in managers:
            found.shutdown(wait=True)


def _threads():
    """The threads that Python waits for before it ends."""
    threading = sys.modules.get("threading")
    if threading is None:
        return set()
    # A dummy stands for a thread that threading did not start, such as this one.
    return {
        thread
        for thread in threading.enumerate()
        # One without an identity is being started by another.
        if thread.ident and not thread.daemon and not isinstance(thread, (threading._DummyThread, threading._MainThread))
    }


def _status(code):
    """Python/pythonrun.c, handle_system_exit"""
    if code is None:
        return 0
    if isinstance(code, int):
        # What no C long holds is -1 there.
        return code & 0xFF if -(2**63) <= code < 2**63 else 255
    print(code, file=sys.stderr)
    return 1
