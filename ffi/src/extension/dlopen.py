"""Holds `ctypes` to the libraries that an interpreter with its own GIL loads: see dlopen.rs.

The host gives `before(path)` and `after(handle)`, which return None, or a text that says why not. `_ctypes` is not
imported for that: what loads it is followed.
"""

import os
import sys
from _frozen_importlib import BuiltinImporter
from _frozen_importlib_external import ExtensionFileLoader


def held(module):
    """Puts a function in place of the only one of `_ctypes` that loads libraries."""
    load, unload = module.dlopen, module.dlclose

    def dlopen(name, *flags):
        if name is None:
            return load(name, *flags)
        try:
            path = os.fsencode(name)
        except (TypeError, UnicodeError):
            return load(name, *flags)
        # A path object may say something else the second time.
        name = name if type(name) in (str, bytes) else path
        if (reason := before(path)) is not None:
            raise OSError(reason)
        handle = load(name, *flags)
        if (reason := after(handle)) is not None:
            unload(handle)
            raise OSError(reason)
        return handle

    dlopen.__module__ = "_ctypes"
    dlopen.__qualname__ = "dlopen"
    module.dlopen = dlopen
    # What was imported before this runs has a name of its own for it.
    if (package := sys.modules.get("ctypes")) is not None:
        package._dlopen = dlopen


def following(execute):
    def exec_module(loader, module):
        execute(loader, module)
        if module.__name__ == "_ctypes" and getattr(module.dlopen, "__code__", None) is None:
            held(module)

    return exec_module


ExtensionFileLoader.exec_module = following(ExtensionFileLoader.exec_module)
# A static method, whose loader is the class itself.
_exec_builtin = following(lambda loader, module, execute=BuiltinImporter.exec_module: execute(module))
BuiltinImporter.exec_module = staticmethod(lambda module: _exec_builtin(None, module))

if "_ctypes" in sys.modules:
    held(sys.modules["_ctypes"])
