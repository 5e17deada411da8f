"""Runs in the namespace of bootstrap.py, before the first function or script is loaded: how functions are found."""

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import _io
import os
import sys


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
        with _io.open_code(path) as file:
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


# Whether the interpreter has functions to run, which change what scripts find.
_runs_functions = False


def _locked(load):
    # Of the module alone: one that hangs while it is imported holds up only those that want it, too.
    place = load.__code__.co_varnames.index("name")

    def locked(*arguments):
        global _runs_functions
        _runs_functions = True
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
