"""On 3.12 alone: what each interpreter with its own GIL needs before any other code runs in it.

`own_methods` runs in the main interpreter, `isolate` in each of the others.
"""

import sys


class Refuser:
    """Finds no module, but refuses some.

    On 3.12 the initialisation of an extension module runs before the interpreter refuses it (gh-117953), or runs into
    the refusal of another, and what it has done to static memory by then is found by the interpreters that can use the
    module: the failed import of `_zoneinfo` takes away the pointer through which every other `_zoneinfo` calls
    `datetime`.

    The extensions that the main interpreter has imported before are refused in time. These are not imported there,
    since they need a terminal, a display or hardware, or can be imported there and not here. `zoneinfo` does without
    its extension.

    `_xxsubinterpreters` ends and enters the interpreters of others, and makes some without the lock that 3.12 needs.
    """

    names = frozenset({
        "_curses", "_curses_panel", "_tkinter", "_tracemalloc", "_xxinterpchannels", "_xxsubinterpreters", "_zoneinfo",
        "faulthandler", "nis", "ossaudiodev", "readline",
    })

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in cls.names:
            raise ImportError(f"module {name} does not support loading in subinterpreters")


def own_methods():
    """The special methods of each static type, as text: they stand at the same address in all interpreters."""
    if sys.version_info >= (3, 12, 5):
        return ""
    return "\n".join(f"{id(kind)} {' '.join(_special_methods(kind))}" for kind in _static_types())


def isolate(text):
    """Before 3.12.5 a static type has special methods here that it should inherit (gh-117482): int has a `__str__`,
    from which enum concludes that the text of an IntEnum is that of its `repr`.
    """
    import gc

    sys.meta_path.insert(0, Refuser)
    if not text:
        return
    own = {int(kind): set(names) for kind, *names in map(str.split, text.splitlines())}
    # Code that has run by now may refer to a method without holding it.
    Refuser.removed = []
    for kind in _static_types():
        if id(kind) in own:
            (methods,) = gc.get_referents(kind.__dict__)
            for name in set(_special_methods(kind)) - own[id(kind)]:
                Refuser.removed.append(methods.pop(name))
    sys._clear_type_cache()


def _special_methods(kind):
    """Those that stand for a slot of C."""
    return [name for name, method in kind.__dict__.items() if type(method) is type(object.__str__)]


def _static_types():
    found, waiting = {object}, [object]
    while waiting:
        for kind in type.__subclasses__(waiting.pop()):
            is_static = not kind.__flags__ & 1 << 9
            if is_static and kind not in found:
                found.add(kind)
                waiting.append(kind)
    return found
