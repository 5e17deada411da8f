"""Has extension modules loaded from private copies: see private_copy.rs.

The host gives `create(name, path, spec, made)`, which returns None for a file that CPython is to load by itself, a
text for one that cannot be had here, or the module; and `has_copies`, whether there is any copy.
"""

import sys
from _frozen_importlib_external import ExtensionFileLoader as _Loader

_create_module = _Loader.create_module

# What was made in one phase, by name and file: made once, as CPython does.
_made = {}


def create_module(self, spec):
    # The standard library's own follow the rules, or belong to the process (readline, curses).
    if spec.name.partition(".")[0] in sys.stdlib_module_names:
        return _create_module(self, spec)
    made = create(spec.name, spec.origin, spec, _made)
    if made is None:
        return _create_module(self, spec)
    if isinstance(made, str):
        raise ImportError(made, name=spec.name, path=spec.origin)
    if spec.name.startswith("numpy."):
        _hear_no_warning()
    _rename(made, spec.name)
    return made


def _hear_no_warning():
    """numpy says once that it does not support sub-interpreters, which is why it has a copy of its own."""
    import warnings

    text = "NumPy was imported from a Python sub-interpreter"
    warnings.filterwarnings("ignore", text, UserWarning)


def _rename(module, name):
    """A module that was made in one phase knows the last part of its name alone; CPython passes the rest by a side door."""
    # What a create function returns may be any object (PEP 489).
    names = getattr(module, "__dict__", {})
    short = names.get("__name__")
    if short == name or name.rpartition(".")[2] != short:
        return
    names["__name__"] = name
    for value in names.values():
        if type(value) is type(len) and value.__self__ is module and value.__module__ == short:
            value.__module__ = name


_Loader.create_module = create_module


if has_copies:

    class _Faulthandler:
        """Finds a faulthandler that handles nothing, since handlers of signals are the process's.

        The real one refuses, and is asked for by code that can do without it (joblib). What would be missed, such as what
        it is to write, raises.
        """

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "faulthandler":
                return type(sys.__spec__)(name, _Faulthandler, origin="owngil")

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            def nothing(*arguments, **keywords):
                """Does nothing: in this interpreter there is no faulthandler."""

            def is_enabled():
                """Never: in this interpreter there is no faulthandler."""
                return False

            def refusing(name):
                def refuse(*arguments, **keywords):
                    """Raises: in this interpreter there is no faulthandler."""
                    text = f"faulthandler.{name} cannot be called in an interpreter: it is for the whole process"
                    raise RuntimeError(text)

                return refuse

            for name in "enable disable unregister cancel_dump_traceback_later".split():
                setattr(module, name, nothing)
            for name in "register dump_traceback dump_traceback_later dump_c_stack".split():
                setattr(module, name, refusing(name))
            module.is_enabled = is_enabled

    sys.meta_path.insert(0, _Faulthandler)
