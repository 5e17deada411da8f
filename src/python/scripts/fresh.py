"""Runs in the namespace of bootstrap.py, before script.py: what a script finds as `python` would have it.

An interpreter runs one script after another. What one has changed of Python's own state is put back before the next:
its own modules are gone, the standard library and installed packages stay loaded.
"""

import _signal
import _thread
import _warnings
import builtins
import copyreg
import gc
import io
import os
import sys
from time import localtime as _localtime

# Attributes of sys that scripts set.
_OF_SYS = (
    "argv breakpointhook displayhook dont_write_bytecode excepthook executable last_exc last_traceback last_type "
    "last_value ps1 ps2 pycache_prefix stderr stdin stdout tracebacklimit unraisablehook"
).split()
_LISTS_OF_SYS = "meta_path path path_hooks warnoptions".split()
# Which a script may replace.
_environ = os.environ
# Cython makes one module for all that it has compiled.
_MADE_IN_C = "_cython_", "cython_runtime"


def _is_shared(name, module):
    """Whether a module stays loaded: of the standard library, or of an installed package that stays."""
    try:
        return _is_of_package(name, module)
    except BaseException:
        # What stands there need not be a module, nor named as one.
        return False


def _is_of_package(name, module):
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    if origin in ("built-in", "frozen"):
        return True
    if isinstance(origin, str):
        return _packages.keep(name, origin)
    parts = getattr(module, "__path__", None)
    if parts is not None:
        # A package without a file: all that it has is elsewhere.
        return all(_packages.keep(name, part) for part in parts)
    package = sys.modules.get(name.partition(".")[0])
    if package is not None and package is not module:
        return _is_of_package(name.partition(".")[0], package)
    return name.startswith(_MADE_IN_C)


_noted = None


def _note_state():
    """What is noted before a script: once, where nothing but scripts runs and each leaves all as it was."""
    global _noted
    is_shared = isinstance(sys.modules["_owngil_worker"]._own, _thread._local)
    if _noted is None or _runs_functions or is_shared or len(sys.modules) != _noted.n_modules:
        _noted = _State()
    return _noted


class _State:
    """What is noted before a script, and put back after it."""

    def __init__(self):
        self.n_modules = len(sys.modules)
        self._modules = dict(sys.modules)
        of_sys = vars(sys)
        self._of_sys = {name: of_sys[name] for name in _OF_SYS if name in of_sys}
        self._absent = set(_OF_SYS) - self._of_sys.keys()
        self._sys = dict(of_sys)
        self._lists = [(name, of_sys[name], of_sys[name][:]) for name in _LISTS_OF_SYS]
        self._builtins = dict(vars(builtins))
        self._limits = _limits()
        self._of_streams = [
            (dict(vars(stream)), dict(vars(stream.buffer)), _holders(stream)) for stream in sys._owngil_streams[1:]
        ]
        self._variables = dict(_environ._data)
        self._importers = set(sys.path_importer_cache)
        logging = sys.modules.get("logging")
        self._logging = _Logging(logging) if logging else None
        # Those of `warnings` too, which may not have been imported yet.
        self._filters = list(_warnings.filters)
        owngil = sys.modules["_owngil_worker"]
        self._of_host = dict(getattr(owngil, "_handlers", ()))
        handles_signals = getattr(owngil._own, "handles_signals", False)
        self._handlers = _handlers() if handles_signals else None
        self._blocking = [os.get_blocking(number) for number in range(3)] if handles_signals else []
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self._collection = gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks[:]
        self._hooks = _hooks()
        self._tools = _tools()
        self._reducers, self._extensions = dict(copyreg.dispatch_table), dict(copyreg._extension_registry)
        if isinstance(owngil._own, _thread._local):
            sys.meta_path.insert(0, _OfFunctions())

    def put_back(self):
        """The errors of what could not be put back."""
        steps = [
            self._put_back_collection,
            self._put_back_logging,
            self._put_back_warnings,
            self._put_back_sys,
            self._put_back_streams,
            self._put_back_hooks,
            self._put_back_builtins,
            self._put_back_reducers,
            self._put_back_variables,
            self._put_back_signals,
        ]
        failures = [_try(step) for step in steps]
        for name in _OF_MODULES.keys() & sys.modules.keys():
            failures.append(_try(_OF_MODULES[name], sys.modules[name]))
        failures += [_try(_put_back_registry, module, path) for module, path in _noted_registries if module in sys.modules]
        return failures

    def _put_back_streams(self):
        io.open = self._builtins["open"]
        own = sys.modules["_owngil_worker"]._own
        if hasattr(own, "stdin"):
            del own.stdin
        for stream, noted in zip(sys._owngil_streams[1:], self._of_streams):
            if (vars(stream), vars(stream.buffer), _holders(stream)) == noted:
                continue
            kept, _, _ = noted
            for name in vars(stream).keys() - kept.keys():
                delattr(stream, name)
            vars(stream).update(kept)
            stream.renew(kept["_errors"])
        renew_input(getattr(own, "handles_signals", False) and _find_nothing(0))

    def _put_back_collection(self):
        is_enabled, thresholds, flags, callbacks = self._collection
        (gc.enable if is_enabled else gc.disable)()
        gc.set_threshold(*thresholds)
        gc.set_debug(flags)
        # One that a package has added when it was imported stays with it.
        gc.callbacks[:] = [call for call in gc.callbacks if call in callbacks or _is_of_package_that_stays(call)]

    def _put_back_logging(self):
        logging = sys.modules.get("logging")
        if logging is not None:
            _Logging.put_back(self._logging, logging)

    def _put_back_builtins(self):
        if _differ(vars(builtins), self._builtins):
            # Other threads look names up meanwhile.
            vars(builtins).update(self._builtins)
            for name in set(vars(builtins)) - set(self._builtins):
                delattr(builtins, name)

    def _put_back_reducers(self):
        table = copyreg.dispatch_table
        for kind, reduce in list(table.items()):
            if kind in self._reducers:
                table[kind] = self._reducers[kind]
            elif not _is_of_package_that_stays(reduce):
                del table[kind]
        for key, code in copyreg._extension_registry.items() - self._extensions.items():
            copyreg.remove_extension(*key, code)

    def end_logging(self):
        """As logging does by `atexit`."""
        logging = sys.modules.get("logging")
        if logging is not None:
            _Logging.end(self._logging, logging)

    def forget_modules(self):
        """Drops the modules that are the script's own, and of itself."""
        kept = self._modules
        if "asyncio.events" in sys.modules:
            # An event loop that is set goes with the script.
            sys.modules["asyncio.events"]._event_loop_policy = None
        if "__main__" in kept:
            sys.modules["__main__"] = kept["__main__"]
        if _differ(sys.modules, kept):
            self._forget_modules()
        for path in sys.path_importer_cache.keys() - self._importers:
            if not f"{path}/".startswith(_standard_folders + _packages.folders):
                # What is in a folder may be new to the next script.
                sys.path_importer_cache.pop(path, None)
                if "zipimport" in sys.modules:
                    sys.modules["zipimport"]._zip_directory_cache.pop(path, None)

    def _forget_modules(self):
        kept = self._modules
        of_functions, _ = _of_functions
        for name, module in list(sys.modules.items()):
            if name in kept:
                sys.modules[name] = kept[name]
            elif name not in of_functions and not _is_shared(name, module):
                sys.modules.pop(name, None)
                # What stands there need not be a module.
                _try(_packages.drop, module)
        for name, module in kept.items():
            sys.modules.setdefault(name, module)

    def _put_back_sys(self):
        of_sys = vars(sys)
        of_sys.update(self._of_sys)
        for name in self._absent & of_sys.keys():
            delattr(sys, name)
        if _differ(of_sys, self._sys):
            self._put_back_functions(of_sys)
        for name, items, kept in self._lists:
            if name == "path" and _of_functions[1]:
                with _loading:
                    kept = [folder for folder in _of_functions[1] if folder not in kept] + kept
            if _differ(items, kept):
                items[:] = kept
            of_sys[name] = items
        if self._limits != _limits():
            recursion, digits, interval, stack, flags = self._limits
            _thread.stack_size(stack)
            sys.setdlopenflags(flags)
            sys.setrecursionlimit(recursion)
            sys.set_int_max_str_digits(digits)
            sys.setswitchinterval(interval)

    def _put_back_functions(self, of_sys):
        for name, kept in self._sys.items():
            if callable(kept) and name not in _OF_SYS and (now := of_sys.get(name)) is not kept:
                # One that a package has put there when it was imported stays with it, as owngil's own do.
                if not isinstance(now, _Builtin) and not (type(now) is type(_try) and _is_of_package_that_stays(now)):
                    setattr(sys, name, kept)

    def _put_back_hooks(self):
        sys._owngil_auditors.clear()
        if sys.gettrace() is not None:
            sys.settrace(None)
        if sys.getprofile() is not None:
            sys.setprofile(None)
        if self._hooks != _hooks():
            hooks, depth = self._hooks
            sys.set_asyncgen_hooks(*hooks)
            sys.set_coroutine_origin_tracking_depth(depth)
        if self._tools != (tools := _tools()):
            for tool, (kept, now) in enumerate(zip(self._tools, tools)):
                if now is not None and kept is None:
                    _free_tool(tool)

    def _put_back_variables(self):
        os.environ = _environ
        if _environ._data == self._variables:
            return
        for name in set(_environ._data) - set(self._variables):
            del _environ[os.fsdecode(name)]
        for name, value in self._variables.items():
            if _environ._data.get(name) != value:
                _environ[os.fsdecode(name)] = os.fsdecode(value)
        if "time" in sys.modules:
            sys.modules["time"].tzset()

    def _put_back_warnings(self):
        warnings = sys.modules.get("warnings")
        if warnings is None:
            return
        # Empties the registries too, by which modules know what they have warned of.
        warnings.resetwarnings()
        _warnings.filters[:] = self._filters
        _warnings._onceregistry.clear()
        warnings.showwarning = getattr(warnings, "_showwarning_orig", warnings.showwarning)
        warnings.formatwarning = getattr(warnings, "_formatwarning_orig", warnings.formatwarning)

    def _put_back_signals(self):
        owngil = sys.modules["_owngil_worker"]
        if self._of_host:
            owngil._handlers.update(self._of_host)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)
        if self._handlers is None:
            return
        for number, kept in enumerate(owngil._own.streams, 1):
            if not same_file(number, kept):
                os.dup2(kept, number)
        for number, is_blocking in enumerate(self._blocking):
            os.set_inheritable(number, True)
            if os.get_blocking(number) is not is_blocking:
                os.set_blocking(number, is_blocking)
        _stop_timers()
        for number, handler in _handlers().items():
            kept = self._handlers[number]
            if handler is not kept:
                # None is a handler that is not Python's.
                _signal.signal(number, _signal.SIG_DFL if kept is None else kept)


def _stop_timers():
    for timer in _signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF:
        _signal.setitimer(timer, 0)
    _signal.set_wakeup_fd(-1)


def _is_of_another_worker(script):
    """Whether this is the thread of another worker than the one whose thread runs the script, in the same interpreter."""
    worker = sys.modules["_owngil_worker"]
    is_shared = isinstance(worker._own, _thread._local)
    return is_shared and worker.worker_id() is not None and _thread.get_ident() != script


class _OfFunctions:
    """Finds no module, and notes those that functions import on other workers' threads while a script runs."""

    def __init__(self):
        self._script = _thread.get_ident()

    def find_spec(self, name, path=None, target=None):
        if _is_of_another_worker(self._script):
            modules, _ = _of_functions
            modules.add(name)
        return None


def _differ(now, kept):
    try:
        return now != kept
    except Exception:
        # What a script has put there need not be comparable.
        return True


def _limits():
    limits = sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.getswitchinterval()
    return *limits, _thread.stack_size(), sys.getdlopenflags()


def _is_of_package_that_stays(function):
    name = getattr(function, "__module__", None)
    module = _imports.module(name) if isinstance(name, str) else None
    return module is not None and _is_shared(name, module)


def _hooks():
    return sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth()


def _tools():
    """Who uses each tool of sys.monitoring."""
    return [sys.monitoring.get_tool(tool) for tool in range(6)]


def _free_tool(tool):
    monitoring = sys.monitoring
    monitoring.set_events(tool, 0)
    for event in vars(monitoring.events).values():
        if event and event & (event - 1) == 0:
            monitoring.register_callback(tool, event, None)
    monitoring.free_tool_id(tool)


def _audit_scripts():
    """Has an audit hook that a script adds, which Python never takes away, end with the script."""
    plain, auditors = sys.addaudithook, []

    def audit(event, arguments):
        for hook in auditors:
            hook(event, arguments)

    def addaudithook(hook):
        if not _runs_script():
            return plain(hook)
        sys.audit("sys.addaudithook")
        if not sys._owngil_audits:
            sys._owngil_audits = True
            plain(audit)
        auditors.append(hook)

    sys._owngil_auditors, sys._owngil_audits = auditors, False
    replace("addaudithook", addaudithook, sys)


with _loading:
    if "_owngil_auditors" not in vars(sys):
        _audit_scripts()


def _find_nothing(descriptor):
    """Has a descriptor be empty again; whether a script has changed that."""
    if same_file(descriptor, os.devnull):
        return False
    nothing = os.open(os.devnull, os.O_RDONLY)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
    return True


def _handlers():
    return {number: _signal.getsignal(number) for number in range(1, _signal.NSIG)}


_NAMES = {50: "CRITICAL", 40: "ERROR", 30: "WARNING", 20: "INFO", 10: "DEBUG", 0: "NOTSET"}
_LEVELS = _NAMES, {"FATAL": 50, "WARN": 30, **{name: level for level, name in _NAMES.items()}}


class _Logging:
    """How `logging` was set up."""

    def __init__(self, logging):
        manager = logging.root.manager
        self._handlers = {id(handler()) for handler in logging._handlerList}
        self._loggers = {logger: _set_up(logger) for logger in _loggers(logging)}
        self._named = set(manager.loggerDict)
        self._rest = manager.disable, manager.loggerClass, manager.logRecordFactory
        self._classes = logging._loggerClass, logging._logRecordFactory, logging.raiseExceptions
        self._names = dict(logging._levelToName), dict(logging._nameToLevel)

    @staticmethod
    def end(kept, logging):
        """Ends the handlers that have come since."""
        known = kept._handlers if kept else {id(logging._defaultLastResort)}
        added = [handler for handler in (reference() for reference in logging._handlerList) if handler is not None]
        added = [handler for handler in added if id(handler) not in known]
        logging._handlerList[:] = [reference for reference in logging._handlerList if reference() not in added]
        for handler in reversed(added):
            _end(handler)

    @staticmethod
    def put_back(kept, logging):
        """As it was, or as it is when it is imported."""
        logging.captureWarnings(False)
        for logger in _loggers(logging):
            if kept and logger in kept._loggers:
                set_up = kept._loggers[logger]
            else:
                # What a package sets up when it is imported is of this kind.
                nothing = [handler for handler in logger.handlers if isinstance(handler, logging.NullHandler)]
                level, _, *rest = _set_up_at_first(logging, logger)
                set_up = level, nothing, *rest
            logger.level, handlers, filters, logger.propagate, logger.disabled = set_up
            logger.handlers[:], logger.filters[:] = handlers, filters
        manager = logging.root.manager
        manager._clear_cache()
        _forget_loggers(manager, logging.Logger, kept._named if kept else ())
        manager.disable, manager.loggerClass, manager.logRecordFactory = kept._rest if kept else (0, None, None)
        classes = kept._classes if kept else (logging.Logger, logging.LogRecord, True)
        logging._loggerClass, logging._logRecordFactory, logging.raiseExceptions = classes
        logging.lastResort = logging._defaultLastResort
        formatter = logging.Formatter
        formatter.converter, formatter.default_time_format = _localtime, "%Y-%m-%d %H:%M:%S"
        formatter.default_msec_format = "%s,%03d"
        for now, names in zip((logging._levelToName, logging._nameToLevel), kept._names if kept else _LEVELS):
            now.clear()
            now.update(names)


def _forget_loggers(manager, kind, kept):
    """Drops the loggers that a script has named, which `dictConfig` of the next would take for its own and disable.

    Those of modules that stay are theirs, and stay, or come back with them.
    """
    loggers, come_back = manager.loggerDict, _imports.loggers
    gone = [name for name in loggers if name not in kept and (name in come_back or name.partition(".")[0] not in sys.modules)]
    if not gone:
        return
    left = sorted((name, logger) for name, logger in loggers.items() if isinstance(logger, kind) and name not in gone)
    loggers.clear()
    # Parents first, so that each finds its own.
    for name, logger in left:
        loggers[name] = logger
        manager._fixupParents(logger)


def _loggers(logging):
    named = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    return [logging.root, *named]


def _set_up_at_first(logging, logger):
    """What `_set_up` gives of a new logger."""
    return logging.WARNING if logger is logging.root else logging.NOTSET, [], [], True, False


def _set_up(logger):
    return logger.level, list(logger.handlers), list(logger.filters), logger.propagate, logger.disabled


def _end(handler):
    """As logging.shutdown() does."""
    try:
        handler.acquire()
        try:
            if getattr(handler, "flushOnClose", True):
                handler.flush()
            handler.close()
        finally:
            handler.release()
    except (OSError, ValueError):
        pass
    except BaseException as error:
        _tell_ignored("atexit callback <function shutdown of logging>", error)


def _tell_ignored(where, error):
    """Python/errors.c, PyErr_FormatUnraisable"""
    try:
        import traceback

        print(f"Exception ignored in {where}:", file=sys.stderr)
        traceback.print_exception(type(error), error, _of_user(error.__traceback__))
    except BaseException:
        pass  # There is nowhere to report it.


def _of_user(traceback):
    """Without the frames of owngil's own that it begins with."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith("<owngil"):
        traceback = traceback.tb_next
    return traceback


def _try(step, *arguments):
    """What a script has left may be anything: no step of putting back keeps the next one from being taken."""
    try:
        step(*arguments)
    except BaseException as error:
        return error
