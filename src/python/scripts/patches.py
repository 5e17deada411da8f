"""Runs in the namespace of bootstrap.py, after side_effects.py: what scripts set in modules and classes that stay loaded.

CPython reports each write to the attributes of these, which the host notes: it gives `watch_dicts`
(ffi/src/object/dict_watcher.rs). After a script, what its own code has written is as it was. What code of packages has
written stays, as they do.
"""

import _thread
import _weakref
import atexit
import sys

_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8
# fresh.py puts these back as a whole.
_PUT_BACK_AS_A_WHOLE = "sys", "builtins", "__main__"
# What CPython itself writes when a class is asked for its annotations.
_OF_ANNOTATIONS = "__annotate_func__", "__annotations_cache__"


class _Patches:
    def __init__(self):
        # By the addresses of their dicts: weak references to modules and classes. What this namespace's code writes is
        # not noted.
        self._modules, self._classes = {id(globals()): None}, {}
        # In order, by the addresses of the dict and of the writer's variables, and by the name: the dict, the name of the
        # writer, and the value before, if any.
        self._writes = {}
        self._watch = None

    def watch_all(self):
        """Called before the first script."""
        try:
            self._watch, end = watch_dicts(self._modules, self._writes)
        except RuntimeError:
            return  # Others watch as many as there can be, or there is no GIL.
        # The end of the interpreter writes to all of them.
        atexit.register(end)
        for name in list(sys.modules):
            self.watch(name)

    def watch(self, name):
        """Called when that module has been imported."""
        module = sys.modules.get(name)
        if self._watch is None or name in _PUT_BACK_AS_A_WHOLE or not issubclass(type(module), type(sys)):
            return
        if not _is_shared(name, module):
            return
        self._note(self._modules, self._watch(module), module)
        package = name.partition(".")[0]
        for kind in list(object.__getattribute__(module, "__dict__").values()):
            if issubclass(type(kind), type) and self._can_change(kind, package):
                self._note(self._classes, self._watch(kind), kind)

    @staticmethod
    def _note(known, address, owner):
        known[address] = _weakref.ref(owner, lambda _, forget=known.pop: forget(address, None))

    @staticmethod
    def _can_change(kind, package):
        """Whether it is a class of the package, with attributes that can be set."""
        if type.__dict__["__flags__"].__get__(kind) & (_HEAP_TYPE | _IMMUTABLE_TYPE) != _HEAP_TYPE:
            return False
        module = type.__getattribute__(kind, "__dict__").get("__module__")
        return isinstance(module, str) and module.partition(".")[0] == package

    def begin(self):
        self._writes.clear()

    def undo(self):
        writes = list(self._writes.items())
        self._writes.clear()
        for (_, of_writer, name), (variables, writer, *before) in reversed(writes):
            # A package is not known before its import has ended.
            is_of_script = of_writer not in self._modules and writer != "owngil"
            if is_of_script and name not in _OF_ANNOTATIONS:
                _try(self._set, variables, name, *before)
        if writes:
            # What was there may have held the last of what the script has made.
            _collect_garbage()

    def _set(self, variables, name, *before):
        reference = self._classes.get(id(variables))
        kind = reference and reference()
        if before:
            type.__setattr__(kind, name, *before) if kind else variables.__setitem__(name, *before)
        elif name in variables:
            type.__delattr__(kind, name) if kind else variables.__delitem__(name)


_patches = _Patches()
# Workers that share an interpreter run functions meanwhile.
if not isinstance(sys.modules["_owngil_worker"]._own, _thread._local):
    _patches.watch_all()
