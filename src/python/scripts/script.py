"""Runs in the namespace of bootstrap.py, in an interpreter that is to run its first script."""

import _contextvars
import _weakref
import builtins
# Not what a script may put in their place.
from gc import collect as _collect_garbage
from gc import freeze as _freeze
from gc import unfreeze as _unfreeze

# sys.argv and __main__ belong to the interpreter: scripts take turns.
_script_turn = _lock_of_interpreter("script_turn")


def load_script(kind, path, text, shown, keeps_packages):
    """`kind` is how the script was named: "file", "text" that was read from the file or from standard input, "module".

    Installed packages that it imports stay loaded for the next if it `keeps_packages`.
    """
    script = _script(kind, path, text, shown)
    script.keeps_packages = keeps_packages
    return script


def _script(kind, path, text, shown):
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
        self.keeps_packages = False

    def __call__(self, *arguments, stdin=None, slot=None):
        if slot is not None:
            number = str(sys.modules["_owngil_worker"].worker_id() + 1)
            arguments = [argument.replace(slot, number) for argument in arguments]
        with _script_turn:
            return self._run(arguments, stdin)

    def _run(self, arguments, stdin):
        if self._has_failed:
            # Its exception held what the run before left.
            _collect_garbage()
        state, ending = _note_state(), _Ending()
        # What is there now need not be looked at when garbage is collected at the end of this run.
        _freeze()
        if not sys.flags.safe_path:
            sys.path.insert(0, self._folder)
        sys.argv = [self._shown, *arguments]
        if stdin is not None:
            sys.stdin = _standard_input(stdin)
            _give_descriptor(sys.stdin.fileno())
        _exit_functions.begin(ending.finalize)
        _packages.begin(self.keeps_packages)
        _changes.begin()
        _patches.begin()
        _imports.begin_script()
        own = sys.modules["_owngil_worker"]._own
        own.runs_script = True
        main, status, raised, is_abrupt = self._execute()
        self._has_failed = raised is not None
        if ending.is_forked():
            ending.end_process(state, status, raised)
        # Not where the exception is handled: exit functions ask for it.
        failures = [] if is_abrupt else ending.run(state)
        if failures and isinstance(failures[-1], _Exit):
            status, is_abrupt = _status(failures.pop().code), True
        if not is_abrupt and not _flush_streams():
            status = 120
        failures.append(_try(_forget_last))
        names = {}
        if raised is not None:
            _drop_tracebacks(raised)
            names = vars(main) if main and isinstance(raised, Refused) else {}
        main = main and _weakref.ref(main)
        own.runs_script = False
        _exit_functions.end()
        failures.append(_try(ending.quiet_daemons))
        # A first time while all is there, as Python does: what refers to others comes before these from then on, and so
        # is destroyed before them.
        failures += [_try(flush_files, _BUFFERED), _try(_collect_garbage)]
        failures += [_try(state.forget_modules), _try(_collect, main), _try(_patches.undo)]
        failures += [_try(_abandon, names), _try(_close_databases), _try(_descriptors.end), _try(ending.reopen)]
        failures += state.put_back()
        failures += [_try(_changes.put_back), _try(_imports.end_script)]
        _unfreeze()
        if raised is not None:
            try:
                raise raised
            finally:
                # The traceback that it gets here leads to this.
                del raised
        for failure in failures:
            if failure is not None and not isinstance(failure, Exception):
                raise failure  # The host has interrupted it.
        return status

    def _execute(self):
        """The module that the script ran in, its status, what it raised, and whether `os._exit` has ended it."""
        main, status, raised, is_abrupt = None, 0, None, False
        try:
            _descriptors.begin()
            main, code, sys.argv[0] = self._main()
            main.__builtins__ = builtins
            sys.modules["__main__"] = main
            if "multiprocessing" in sys.modules:
                # By that name its child processes know it.
                sys.modules["__mp_main__"] = main
            # Its own context variables, and with them its own context of decimal.
            _contextvars.Context().run(exec, code, main.__dict__)
        except SystemExit as exit:
            status, is_abrupt = _status(exit.code), type(exit) is _Exit
        except BaseException as error:
            status, raised = 1, error
            error.__traceback__ = _of_user(error.__traceback__)
            if isinstance(exit := _try(_show, error), SystemExit):
                # A hook has ended it.
                status, raised, is_abrupt = _status(exit.code), None, type(exit) is _Exit
            # Later it could not be: exit functions and destructors change what it refers to.
            _try(_keep_description, error)
        return main, status, raised, is_abrupt


def _keep_description(error):
    vars(error)["__owngil_description__"] = describe(error)


def _abandon(names):
    """Drops what a script has made that is going to run elsewhere: what it prints at its end is part of this attempt."""
    if names:
        names.clear()
        _collect_garbage()


def _collect(main):
    """Drops what the script has made: as Python does, first what nothing refers to, with its variables there."""
    _collect_garbage()
    if main is not None and main() is not None:
        _clear(vars(main()))
        _collect_garbage()


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
        return _input(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise


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


def _status(code):
    """Python/pythonrun.c, handle_system_exit"""
    if code is None:
        return 0
    if isinstance(code, int):
        # What no C long holds is -1 there.
        return code & 0xFF if -(2**63) <= code < 2**63 else 255
    print(code, file=sys.stderr)
    return 1
