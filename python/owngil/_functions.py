"""How a function reaches the workers: by its name where they can import it, in a pickle where not."""

import os
import sys
from collections.abc import Callable
from typing import Any

from owngil import _main_module, _pickling
from owngil._native import Function

# Functions that look at their caller, so that it must be one of Python's.
_NEED_A_CALLER = {dir, eval, exec, globals, locals, vars}

_by_name: dict[tuple[str, str], Function] = {}


def resolve(function: Callable[..., Any], entry: str) -> tuple[Function, tuple[bytes, ...]]:
    """What the pool calls, and the arguments that go before those of the caller.

    `entry` is the function of `owngil._worker` that calls what crosses by value. Raises what `pickle` raises for a
    function that cannot cross.
    """
    found = _importable(function)
    if found is not None:
        return found, ()
    return _entry(entry, label_of(function)), (_pickling.dumps(function),)


def label_of(function: object) -> str:
    """What people call a function that crosses by value.

    >>> label_of(len), label_of(dict.fromkeys)
    ('builtins.len', 'dict.fromkeys')
    """
    # A partial is called after what it calls.
    inner = getattr(function, "func", function)
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    code = getattr(inner, "__code__", None)
    if code is not None:
        return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno} {name}"
    module = getattr(inner, "__module__", None)
    return f"{module}.{name}" if module else str(name)


def _importable(function: object) -> Function | None:
    """The function of that name, if it is this one."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function or (module == "builtins" and function in _NEED_A_CALLER):
        return None
    if module == "__main__":
        if _pickling.main_by_value:
            return None
        module = _main_module.NAME
    return _named(module, name)


def _named(module: str, name: str) -> Function:
    known = _by_name.get((module, name))
    if known is None:
        known = _by_name[module, name] = Function(module, name)
    return known


def _entry(name: str, label: str) -> Function:
    return Function("owngil._worker", name, label)
