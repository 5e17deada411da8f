"""Runs in the namespace of bootstrap.py, after patches.py: packages repeat the side effects of their import.

A package stays loaded after the script that imported it, but what it changed outside of itself is put back with what
the script changed. So a package that changed something leaves `sys.modules` with the script. The next import of it
brings back the package with its modules, and makes its changes again.
"""

import _frozen_importlib as _bootstrap
import _thread
import atexit
import sys
from _thread import get_ident as _this_thread


class _Package:
    """An installed package that changed something when it, or a module of it, was imported."""

    def __init__(self):
        # Names of packages to import, and changes to make, in order.
        self.steps = []
        self.modules = {}

    def take(self, name, get):
        """Notes its modules, which `get` gives by their names."""
        inner = f"{name}."
        for known in list(sys.modules):
            if known == name or known.startswith(inner):
                self.modules[known] = get(known)

    def names(self):
        return {step for step in self.steps if isinstance(step, str)}


class _Import:
    """An import of a package that goes on."""

    def __init__(self, name, outer):
        self.name, self._outer = name, outer
        self._steps, self._n_modules = [], len(sys.modules)
        self._seen = _look()
        if outer is not None:
            outer._note_changes(self._seen)

    def _note_changes(self, seen):
        different = [place for place, after in enumerate(seen) if _differ(after, self._seen[place])]
        changes = [_KINDS[place](self._seen[place], seen[place]) for place in different]
        self._steps += [change for change in changes if change]
        self._seen = seen

    def end(self):
        _imports.end(self._outer)
        failure = _try(self._end)
        if failure is not None and not isinstance(failure, Exception):
            raise failure  # The host has interrupted it.

    def _end(self):
        self._note_changes(_look())
        if self._outer is not None:
            self._outer._seen = self._seen
        module = sys.modules.get(self.name)
        if module is not None and _is_shared(self.name, module):
            steps = self._note()
        else:
            # A script's own module is loaded for each run, and changes again what it changes.
            steps = [step for step in self._steps if isinstance(step, str)]
        if self._outer is not None:
            self._outer._steps += steps

    def _note(self):
        """Notes what the package has to do again; gives the step that has it do so."""
        package = _imports.packages.get(self.name) or _Package()
        package.steps += self._others(package) + self._steps
        if not package.steps:
            return []
        package.take(self.name, sys.modules.get)
        for step in package.steps:
            if isinstance(step, _LoggersChange):
                _imports.loggers |= step.names()
        _imports.packages[self.name] = package
        return [self.name]

    def _others(self, package):
        """The packages that this one uses and that were loaded before."""
        known = {self.name, *package.names(), *(step for step in self._steps if isinstance(step, str))}
        names = [name for name in _imports.packages if name not in known and name in sys.modules]
        if not names:
            return names
        inner = f"{self.name}."
        new = list(sys.modules.items())[self._n_modules :]
        used = _used_by([module for name, module in new if name == self.name or name.startswith(inner)])
        return [name for name in names if name in used]


def _used_by(modules):
    """The names of the packages that the variables of these modules come from."""
    found, kind_of_function = set(), type(_try)
    for module in modules:
        for value in list(vars(module).values()) if type(module) is type(sys) else ():
            # Not by its attributes, which may be anything.
            if type(value) is type(sys):
                name = vars(value).get("__name__")
            elif issubclass(type(value), type):
                name = vars(value).get("__module__")
            else:
                name = value.__module__ if type(value) is kind_of_function else None
            if isinstance(name, str):
                found.add(name.partition(".")[0])
    return found


class _Imports:
    """The packages of this interpreter that changed something, and those of them that no script has imported again."""

    def __init__(self):
        self.packages, self._away = {}, {}
        # The names of loggers that come back with their packages.
        self.loggers = set()
        # The import that goes on, by thread.
        self._runs, self._now = False, {}

    def begin_script(self):
        self._runs = True
        self._now.clear()

    def end_script(self):
        global _noted
        self._runs = False
        for name, package in list(self.packages.items()):
            if name not in self._away:
                package.take(name, sys.modules.pop)
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

    def bring_back(self, name):
        """Before the package of that name is imported."""
        package = self._away.get(name)
        if package is None:
            return
        for known, module in package.modules.items():
            sys.modules.setdefault(known, module)
        # Another thread may have been first.
        if self._away.pop(name, None) is not None:
            for step in package.steps:
                _try(__import__, step) if isinstance(step, str) else _try(step.make)

    def begin(self, name):
        """Before an import: gives the import to end after it, if it has to be looked at."""
        top = name.partition(".")[0]
        self.bring_back(top)
        outer = self._now.get(_this_thread())
        is_known = name in sys.modules or top == "owngil" or top in sys.stdlib_module_names
        if is_known or not self._runs or (outer is not None and outer.name == top):
            return None
        if top not in sys.modules:
            # The script has dropped it, and loads another.
            self.packages.pop(top, None)
        try:
            started = self._now[_this_thread()] = _Import(top, outer)
        except Exception:
            return None  # What a script has put there may be anything.
        return started

    def end(self, outer):
        if outer is None:
            self._now.pop(_this_thread(), None)
        else:
            self._now[_this_thread()] = outer

    def watch(self):
        """Has `begin` called before each import of what is not loaded."""
        for name in [*_REGISTRIES, "numpy"]:
            _try(_note_registries, name)
        find, load, begin, modules = _bootstrap._find_and_load, _bootstrap._load, self.begin, sys.modules

        def _find_and_load(name, import_, **options):
            # importlib.import_module calls this for what is loaded, too.
            if name in modules:
                return find(name, import_, **options)
            started = begin(name)
            try:
                return find(name, import_, **options)
            finally:
                _try(_note_registries, name)
                _try(_patches.watch, name)
                if started is not None:
                    started.end()

        def _load(spec):
            started = begin(spec.name)
            try:
                # Brought back, it is the one that `import` gives.
                return modules[spec.name] if spec.name in modules else load(spec)
            finally:
                if started is not None:
                    started.end()

        # Tracebacks leave out what is in that file.
        for function in _find_and_load, _load:
            function.__code__ = function.__code__.replace(co_filename=find.__code__.co_filename)
        _bootstrap._find_and_load, _bootstrap._load = _find_and_load, _load


_imports = _Imports()
# Workers that share an interpreter import at the same time.
if not isinstance(sys.modules["_owngil_worker"]._own, _thread._local):
    _imports.watch()
    atexit.register(_imports.bring_back_all)
