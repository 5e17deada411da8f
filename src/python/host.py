"""Runs in each interpreter whose pool has host functions: the modules `owngil.host`, and what the functions raise."""

import sys

_owngil = sys.modules["owngil"]


class HostError(Exception):
    # Not as a docstring: programs are compiled without these.
    __doc__ = "A host function returned an error, or panicked. The text is that of the error, and the cause its source."
    __module__ = "owngil"


# Workers that share an interpreter share the class.
HostError = vars(_owngil).setdefault("HostError", HostError)


def exception(texts):
    """The exception of an error with that text, and of its sources."""
    error = None
    for text in reversed(texts):
        above = HostError(text)
        if error is not None:
            above.__cause__ = error
        error = above
    return error


_N_SHOWN = 12


class _Path:
    """What makes a module a package: the import system looks into it for a name that the module does not have."""

    def __init__(self, module):
        self._module = module

    def __iter__(self):
        raise ImportError(f"{self._module.__name__} has no such host function{_hint(self._module)}")


def _hint(module):
    names = [name for name in vars(module) if not name.startswith("__")]
    if not names:
        return ""
    more = ", …" if len(names) > _N_SHOWN else ""
    return f"\nhint: it has {', '.join(names[:_N_SHOWN])}{more}"


def _module(parent, name):
    """The module of that name in its parent."""
    path = f"{parent.__name__}.{name}"
    if callable(vars(parent).get(name)):
        raise ValueError(f"{path} is a host function of another pool in the same interpreter")
    module = type(sys)(path, "Functions of the program that runs this code.")
    module.__path__ = _Path(module)
    module.__getattr__ = _missing(module)
    # One for all workers that share the interpreter, whichever is first.
    module = sys.modules.setdefault(path, module)
    setattr(parent, name, module)
    return module


def _missing(module):
    def __getattr__(name):
        message = f"{module.__name__} has no host function {name}{_hint(module)}"
        raise AttributeError(message, name=name, obj=module)

    return __getattr__


def install(functions):
    """Puts functions where their names say."""
    host = _module(_owngil, "host")
    for name, function in functions:
        *parents, name = name.split(".")
        module = host
        for parent in parents:
            module = _module(module, parent)
        known = vars(module).setdefault(name, function)
        if not callable(known):
            raise ValueError(f"{known.__name__} contains host functions of another pool in the same interpreter")
