"""Keeps Python code to the interpreters that it has made itself: see siblings.rs.

`_interpreters` ends and enters any interpreter of the process by its number. Those that the host has made have a thread
each, which runs code in them, so no other code may. It also lists them all, and without a lock.

The finder gives `source` (this text) and `finder` (its own), and `maker` in an interpreter that `create` has made.
"""

import sys

#: What takes an interpreter's number first: to use it, to count references to it, to describe it.
USE = "destroy exec run_string run_func call set___main___attrs".split()
COUNT = "incref decref".split()
TELL = "is_running get_config whence".split()


class _Loader:
    """That of the module, which is guarded before any code sees it."""

    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        guard(vars(module))


def find_spec(own_finder, name, path, target):
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if finder is own_finder or find is None else find(name, path, target)
        if spec is not None:
            if spec.loader is not None:
                spec.loader = _Loader(spec.loader)
            return spec
    return None


def guard(names):
    plain = dict(names)
    made = set()
    own, *about_own = plain["get_current"]()
    main, *about_main = plain["get_main"]()

    def only(name, others):
        def kept(id, *arguments, **keywords):
            # What is no number is the function's own error.
            if hasattr(type(id), "__index__"):
                id = id.__index__()
                if id not in made and id not in others:
                    raise plain["InterpreterError"](f"interpreter {id} was not made by this one, and owngil keeps them apart")
            return plain[name](id, *arguments, **keywords)

        replace(name, kept)

    def replace(name, function):
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            setattr(function, attribute, getattr(plain[name], attribute))
        names[name] = function

    def create(*arguments, **keywords):
        id = plain["create"](*arguments, **keywords)
        # It is kept apart as well, before other code runs there.
        given = {"source": source, "finder": finder, "maker": own}
        failed = plain["run_string"](id, f"exec({finder!r}, {{'given': {given!r}}})")
        if failed is not None:
            plain["destroy"](id)
            raise plain["InterpreterError"](f"it cannot be kept apart: {failed.formatted}")
        made.add(id)
        return id

    def list_all(*, require_ready=False):
        found = [(main, *about_main)]
        if own != main:
            found.append((own, *about_own))
        for id in sorted(made):
            try:
                found.append((id, plain["whence"](id)))
            except plain["InterpreterNotFoundError"]:
                made.discard(id)
        return found

    # The one that made this one holds the first reference to it.
    counted = {own} if "maker" in globals() else set()
    for group, others in (USE, set()), (COUNT, counted), (TELL, {own, main}):
        for name in group:
            if name in plain:
                only(name, others)
    replace("create", create)
    replace("list_all", list_all)
