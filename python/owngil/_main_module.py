"""The program's `__main__`, so that workers find what it defines.

A script is run once more in a worker, under the name `__mp_main__`, as the start method `spawn` of `multiprocessing`
does it. It runs when something of it is needed, not before: a program that only sends functions of other modules
needs no `if __name__ == "__main__"`.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import TypeVar

    T = TypeVar("T")
else:
    ModuleType = type(sys)

NAME = "__mp_main__"


def describe() -> tuple[str, str] | None:
    """How a worker runs this program's `__main__` again, if it can: ("module", name) or ("file", path).

    None for an interactive session, a notebook, `python -c`, standard input and a package's `__main__.py`: what these
    define crosses by value.
    """
    main = sys.modules.get("__main__")
    if main is None:
        return None
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        is_package = spec.name == "__main__" or spec.name.endswith(".__main__")
        return None if is_package else ("module", spec.name)
    path = getattr(main, "__file__", None)
    if path is None or os.path.splitext(os.path.basename(path))[0] == "ipython" or not os.path.isfile(path):
        return None
    return "file", os.path.abspath(path)


def name_in_host() -> None:
    """Lets this program find what workers name `__mp_main__`."""
    sys.modules[NAME] = sys.modules["__main__"]


def stand_in(description: tuple[str, str]) -> None:
    """Puts a module in the place of a worker's `__main__` that runs the program when something of it is looked for."""
    sys.modules["__main__"] = sys.modules[NAME] = _Deferred(description)


def has_run() -> bool:
    """Whether there is a `__main__` here, so that what names it has got something of it."""
    return not isinstance(sys.modules["__main__"], _Deferred)


def is_running() -> bool:
    """Whether a worker runs the program's `__main__` at this moment."""
    main = sys.modules.get(NAME)
    return isinstance(main, ModuleType) and "__owngil_running__" in vars(main)


def load(function: "Callable[[], T]") -> "T":
    """Calls a function that imports what a call needs. The time limit of the call leaves that out."""
    loaded: T = sys.modules["_owngil_worker"]._load(function)
    return loaded


class _Deferred(ModuleType):
    """A `__main__` that has not run."""

    def __init__(self, description: tuple[str, str]) -> None:
        super().__init__(NAME)
        self.__owngil_description = description

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
        main = load(lambda: _run(self, *self.__owngil_description))
        return getattr(main, name)


def _run(deferred: ModuleType, kind: str, where: str) -> ModuleType:
    main = ModuleType(NAME)
    vars(main)["__owngil_running__"] = True
    sys.modules["__main__"] = sys.modules[NAME] = main
    try:
        code = _module_code(main, where) if kind == "module" else _file_code(main, where)
        exec(code, vars(main))
    except BaseException:
        sys.modules["__main__"] = sys.modules[NAME] = deferred
        raise
    finally:
        del vars(main)["__owngil_running__"]
    return main


def _file_code(main: ModuleType, path: str) -> "CodeType":
    import io

    main.__file__ = path
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def _module_code(main: ModuleType, name: str) -> "CodeType":
    from importlib.util import find_spec

    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    main.__file__ = spec.origin
    main.__package__ = spec.parent
    code: CodeType = spec.loader.get_code(name)  # type: ignore[attr-defined]
    return code
