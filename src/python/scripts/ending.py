"""Runs in the namespace of bootstrap.py, before script.py: what Python does at the end of a process, for each script."""

import _io
import atexit
import gc
import os
import sys
from os import getpid as _getpid


class _ExitFunctions:
    """What a script registers with `atexit` runs when the script ends, and not when the interpreter does.

    What modules register that stay loaded is theirs: those of the standard library at any time, those of packages
    when they are imported.
    """

    def __init__(self):
        self._own = None
        self._finalize, self._finalizes = None, False
        self._register, self._unregister = atexit.register, atexit.unregister
        atexit.register, atexit.unregister = self.register, self.unregister

    def register(self, func, /, *args, **kwargs):
        if not callable(func):
            raise TypeError("the first argument must be callable")
        if self._own is not None and _is_exit_of_finalizers(func):
            # Those of modules that stay are called at the interpreter's own end.
            if not self._finalizes:
                self._finalizes = True
                self._register(func)
            func = self._finalize
        elif self._own is None or self._is_of_module(sys._getframe(1)):
            return self._register(func, *args, **kwargs)
        self._own.append((func, args, kwargs))
        return func

    def unregister(self, func, /):
        if self._own is not None:
            self._own[:] = [entry for entry in self._own if entry[0] != func]
        self._unregister(func)

    @staticmethod
    def _is_of_module(frame):
        name = frame.f_globals.get("__name__", "")
        module = sys.modules.get(name)
        if module is None or vars(module) is not frame.f_globals or not _is_shared(name, module):
            return False
        return name.partition(".")[0] in sys.stdlib_module_names or frame.f_code.co_name == "<module>"

    def begin(self, finalize):
        """`finalize` is called in the place of what `weakref` registers when a script first asks for a finalizer."""
        self._own, self._finalize = [], finalize
        if "weakref" in sys.modules:
            finalizers = sys.modules["weakref"].finalize
            self._finalizes |= finalizers._registered_with_atexit
            finalizers._registered_with_atexit = False

    def run(self):
        own = self._own
        while own:
            func, args, kwargs = own.pop()
            try:
                func(*args, **kwargs)
            except _Exit:
                raise
            except BaseException as error:
                _tell_ignored(f"atexit callback {func!r}", error)

    def end(self):
        self._own = self._finalize = None


def _is_exit_of_finalizers(function):
    weakref = sys.modules.get("weakref")
    return weakref is not None and getattr(function, "__func__", None) is weakref.finalize._exitfunc.__func__


with _loading:
    # One for all workers that share the interpreter.
    if "_owngil_exit_functions" not in vars(sys):
        sys._owngil_exit_functions = _ExitFunctions()
_exit_functions = sys._owngil_exit_functions


class _Ending:
    """What Python does at the end of a process, before modules go; here at the end of a run."""

    def __init__(self):
        self._process = _getpid()
        self._threads, self._daemons = _threads(), set(_daemons())
        modules = sys.modules
        self._thread_exits = list(getattr(modules.get("threading"), "_threading_atexits", ()))
        self._finalizers = set(modules["weakref"].finalize._registry) if "weakref" in modules else ()
        children = getattr(modules.get("multiprocessing.process"), "_children", ())
        self._children = set(children)
        self._of_multiprocessing = set(getattr(modules.get("multiprocessing.util"), "_finalizer_registry", ()))
        self._tracker = _tracker(modules)
        self._executors = ()

    def run(self, state):
        """Gives what was raised, at last what `os._exit` did, if that was called: nothing comes after it."""
        steps = (
            self._shut_down_executors,
            self._run_thread_exits,
            self._await_threads,
            _exit_functions.run,
            self._end_multiprocessing,
            state.end_logging,
        )
        failures = []
        for step in steps:
            failures.append(_try(step))
            if isinstance(failures[-1], _Exit):
                break
        return failures

    def is_forked(self):
        """Whether this is another process than the one in which the run began."""
        return _getpid() != self._process

    def end_process(self, state, status, raised):
        if raised is not None and sys.excepthook is sys.__excepthook__:
            import traceback

            traceback.print_exception(type(raised), raised, _of_user(raised.__traceback__))
        self.run(state)
        _try(flush_files, _BUFFERED)
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
                if isinstance(error := _try(call), _Exit):
                    raise error

    def _await_threads(self):
        """Waits for the threads that a script started, as Python does before it ends."""
        while started := _threads() - self._threads:
            _shut_down_process_pools(started)
            for thread in started:
                if (error := _try(thread.join)) is not None:
                    if not isinstance(error, Exception):
                        raise error
                    self._threads.add(thread)

    def quiet_daemons(self):
        """Has them not report that what they use is gone: the end of a process would have stopped them before."""
        for thread in _daemons():
            if thread not in self._daemons:
                thread._invoke_excepthook = lambda thread: None

    def finalize(self):
        """Lib/weakref.py, finalize._exitfunc"""
        if "weakref" not in sys.modules:
            return
        registry = sys.modules["weakref"].finalize._registry
        while added := [(info.index, call) for call, info in registry.items() if info.atexit and call not in self._finalizers]:
            _, call = max(added)
            try:
                call()
            except _Exit:
                raise
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
        if _tracker(sys.modules) != self._tracker:
            # It removes shared memory that the script has left.
            sys.modules["multiprocessing.resource_tracker"]._resource_tracker._stop()


def _tracker(modules):
    """The process that knows the shared memory of this one (Lib/multiprocessing/resource_tracker.py), if there is one."""
    module = modules.get("multiprocessing.resource_tracker")
    return module and module._resource_tracker._pid


# In a cycle a file's own buffer may be gone before it. Others, such as those of gzip, write at their end what they have.
_BUFFERED = _io.TextIOWrapper, _io.BufferedWriter, _io.BufferedRandom, _io.BufferedRWPair


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
        _unfreeze()
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


def _daemons():
    """The threads that run on when Python ends."""
    threading = sys.modules.get("threading")
    return () if threading is None else [thread for thread in threading.enumerate() if thread.daemon]


def _flush_streams():
    """Whether all that was printed could be written (Python/pylifecycle.c, flush_std_files)."""
    are_written = True
    for name in "stdout", "stderr":
        file = getattr(sys, name, None)
        if file is None or any(file is own for own in sys._owngil_streams):
            continue
        try:
            if not getattr(file, "closed", False):
                file.flush()
        except BaseException as error:
            are_written = False
            if name == "stdout":
                _tell_ignored(f"{file!r}", error)
    return are_written


def _forget_last():
    """Drops what Python's own variables hold, before modules (Python/pylifecycle.c, finalize_modules_delete_special)."""
    of_sys = vars(sys)
    for name in "argv", "ps1", "ps2", "last_exc", "last_type", "last_value", "last_traceback":
        if name in of_sys:
            of_sys[name] = None
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__


def _drop_tracebacks(error):
    """Drops the tracebacks of an exception, and of those that it has come with: frames hold what the script has made."""
    pending, seen = [error], set()
    while pending:
        found = pending.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            pending += found.__cause__, found.__context__
            if isinstance(found, BaseExceptionGroup):
                pending += found.exceptions


def _close_databases():
    """Closes connections of sqlite3 that only functions of SQL still hold, which sqlite3 hides from the collector.

    The end of a process would release their locks.
    """
    sqlite = sys.modules.get("_sqlite3")
    if sqlite is None:
        return
    left = [found for found in gc.get_objects() if issubclass(type(found), sqlite.Connection)]
    if left:
        _unfreeze()
        for connection in left:
            if not _is_in_module(connection, left):
                _try(connection.close)


def _is_in_module(found, but_for):
    """Whether a module leads to it."""
    reached = [found]
    # The lists of the search lead there, too.
    own = [but_for, reached]
    seen = {id(own), id(but_for), id(reached)}
    while reached:
        holders = gc.get_referrers(*reached)
        places = [*map(id, reached)]
        # Not what passes these to the call.
        holders = [holder for holder in holders if type(holder) is not tuple or [*map(id, holder)] != places]
        reached = [holder for holder in holders if id(holder) not in seen]
        if any(isinstance(holder, type(sys)) for holder in reached):
            return True
        own += holders, reached
        seen.update(map(id, (holders, reached, *reached)))
    return False
