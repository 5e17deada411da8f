"""Runs in the namespace of bootstrap.py, after remade.py: what installed packages change outside of themselves on import.

A package stays loaded after the script that imported it, but what it changed is put back with what the script changed.
So a package that changed something leaves `sys.modules` with the script. The next import of it brings back the package
with its modules, and makes its changes again.
"""

import _frozen_importlib as _bootstrap
import _thread
import atexit
import sys

class _Package:
    """An installed package that changed something when it, or a module of it, was imported."""

    def __init__(self):
        self.steps = []
        self.modules = {}


class _Import:
    """An import of a package that goes on."""

    def __init__(self, name, outer):
        self.name, self._outer = name, outer
        # What to do again, in order: names of packages to import, and changes to make.
        self._steps = []
        self._seen = _look()
        if outer is not None:
            outer._note_changes(self._seen)

    def _note_changes(self, seen):
        changes = [kind(part, before, after) for (kind, part), before, after in zip(_KINDS, self._seen, seen)]
        self._steps += [change for change in changes if change]
        self._seen = seen

    def end(self):
        _imports.now = self._outer
        failure = _try(self._end)
        if failure is not None and not isinstance(failure, Exception):
            raise failure  # The host has interrupted it.

    def _end(self):
        self._note_changes(_look())
        if self._outer is not None:
            self._outer._seen = self._seen
        module = sys.modules.get(self.name)
        steps = self._others() + self._steps
        if steps and module is not None and _is_shared(self.name, module):
            _imports.packages.setdefault(self.name, _Package()).steps += steps
            steps = [self.name]
        else:
            # A script's own module is loaded for each run, and changes again what it changes.
            steps = [step for step in steps if isinstance(step, str)]
        if self._outer is not None:
            self._outer._steps += steps

    def _others(self):
        """The packages that this one uses and that were loaded before."""
        known = _imports.packages.get(self.name)
        known = {self.name, *(step for step in [*self._steps, *(known.steps if known else ())] if isinstance(step, str))}
        names = [name for name in _imports.packages if name in sys.modules and name not in known]
        return names and [name for name in names if name in _used_by(self.name)]


def _used_by(name):
    """The names of the packages whose modules are variables of that package's modules."""
    inner, module = f"{name}.", type(sys)
    modules = [known for path, known in list(sys.modules.items()) if path == name or path.startswith(inner)]
    values = [value for known in modules if type(known) is module for value in list(vars(known).values())]
    return {value.__name__.partition(".")[0] for value in values if type(value) is module}


class _Imports:
    """The packages of this interpreter that changed something, and those of them that no script has imported again."""

    def __init__(self):
        self.packages, self._away = {}, {}
        self._runs, self._thread, self.now = False, None, None

    def begin_script(self):
        self._runs, self._thread, self.now = True, _thread.get_ident(), None

    def end_script(self):
        global _noted
        self._runs = False
        for name, package in self.packages.items():
            if name not in self._away:
                inner = f"{name}."
                names = [known for known in list(sys.modules) if known == name or known.startswith(inner)]
                package.modules = {known: sys.modules.pop(known) for known in names}
                self._away[name] = package
                _noted = None

    def bring_back_all(self):
        """At the end of the interpreter, which then takes apart what is in `sys.modules`."""
        for package in self._away.values():
            sys.modules.update(package.modules)

    def module(self, name):
        """The module of that name that stays."""
        if (module := sys.modules.get(name)) is None and (package := self._away.get(name.partition(".")[0])) is not None:
            module = package.modules.get(name)
        return module

    def begin(self, name):
        """Before an import: gives the import to end after it, if it has to be looked at."""
        name = name.partition(".")[0]
        if (package := self._away.get(name)) is not None:
            for known, module in package.modules.items():
                sys.modules.setdefault(known, module)
            # Another thread may have been first.
            if self._away.pop(name, None) is not None:
                for step in package.steps:
                    _try(__import__, step) if isinstance(step, str) else _try(step.make)
        is_within = self.now is not None and self.now.name == name
        if not self._runs or is_within or name in sys.stdlib_module_names or self._thread != _thread.get_ident():
            return None
        try:
            self.now = _Import(name, self.now)
        except Exception:
            return None  # What a script has put there may be anything.
        return self.now

    def watch(self):
        """Has `begin` called before each import of what is not loaded."""
        for name in _REGISTRIES.keys() & sys.modules.keys():
            _try(_note_registries, name)
        find, begin, modules = _bootstrap._find_and_load, self.begin, sys.modules

        def _find_and_load(name, import_):
            # importlib.import_module calls this for what is loaded, too.
            if name in modules:
                return find(name, import_)
            started = begin(name)
            try:
                return find(name, import_)
            finally:
                if name in _REGISTRIES:
                    _try(_note_registries, name)
                if started is not None:
                    started.end()

        # Tracebacks leave out what is in that file.
        _find_and_load.__code__ = _find_and_load.__code__.replace(co_filename=find.__code__.co_filename)
        _bootstrap._find_and_load = _find_and_load


_imports = _Imports()
# Workers that share an interpreter import at the same time.
if not isinstance(sys.modules["_owngil_worker"]._own, _thread._local):
    _imports.watch()
    atexit.register(_imports.bring_back_all)
