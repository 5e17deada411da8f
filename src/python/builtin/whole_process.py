"""Runs in an interpreter whose process has others: what would change it for all of them is refused; see deferred.py.

A worker process is one for each worker; there it works, and src/python/scripts/changes.py puts it back after a script.
"""

import _locale
import os
import posix
import sys

_worker = sys.modules["_owngil_worker"]


def _refuse(what):
    _worker._refuse(f"{what} cannot be called in an interpreter: it is for the whole process")


def _is_own(pid):
    """Whether it stands for this process, or for a thread of it: what is set for one stays when the task has ended."""
    return pid in (0, posix.getpid()) or os.path.exists(f"/proc/self/task/{pid}")


def _guard(name, is_refused, *modules):
    """Has a function of these modules be refused where `is_refused` says so of its arguments."""
    call = at_hand(name, modules[0])

    def guarded(*arguments, **keywords):
        if is_refused(*arguments, **keywords):
            _refuse(f"{modules[-1].__name__}.{name}")
        return call(*arguments, **keywords)

    replace(name, guarded, *modules)


def _always(*arguments, **keywords):
    return True


def _is_of_own(pid, *rest):
    return _is_own(pid)


def _is_priority_of_own(which, who, priority):
    own = posix.getpgrp() if which == os.PRIO_PGRP else None
    return which != os.PRIO_USER and (who == own or _is_own(who))


def _guard_system():
    for name in _worker._of_process:
        if hasattr(posix, name):
            _guard(name, _always, posix, os)
    for name in "setpgid", "sched_setaffinity", "sched_setparam", "sched_setscheduler":
        if hasattr(posix, name):
            _guard(name, _is_of_own, posix, os)
    _guard("set_inheritable", lambda fd, inheritable: fd in (0, 1, 2) and not inheritable, posix, os)
    _guard("nice", lambda increment: increment != 0, posix, os)
    _guard("setpriority", _is_priority_of_own, posix, os)


class _Locale:
    """The locale that the interpreter believes it has: it may take names that mean what the process's mean."""

    def __init__(self, setlocale):
        self._set, self.names = setlocale, {}

    def __call__(self, category, locale=None, /):
        now = self._set(category)
        if locale is None:
            return self._shown(category, now)
        if not isinstance(locale, str):
            return self._set(category, locale)
        categories = _CATEGORIES.values() if category == _locale.LC_ALL else [category]
        wanted = {number: _resolved(number, locale) for number in categories}
        if not all(self._is_alike(number, name) for number, name in wanted.items()):
            _refuse("locale.setlocale")
        self.names.update(wanted)
        if category == _locale.LC_ALL:
            # And of those that Python does not name.
            self.names[category] = wanted[_locale.LC_MESSAGES]
        return self._shown(category, now)

    def _is_alike(self, category, name):
        now = self._set(category)
        same = _UTF_8 if category == _locale.LC_CTYPE else _PLAIN
        return name == now or (name in same and now in same)

    def _shown(self, category, now):
        if category != _locale.LC_ALL:
            return self.names.get(category, now)
        if not self.names:
            return now
        names = {name: self.names.get(number, self._set(number)) for name, number in _CATEGORIES.items()}
        if len(set(names.values())) == 1:
            return names["LC_CTYPE"]
        rest = dict(part.split("=") for part in now.split(";") if "=" in part)
        rest.update((name, self.names.get(_locale.LC_ALL, rest[name])) for name in rest.keys() - names.keys())
        names = {name: names.get(name, rest[name]) for name in rest} or names
        return ";".join(f"{name}={value}" for name, value in names.items())


# Which differ in the encoding alone.
_UTF_8 = {"C.UTF-8", "C.utf8"}
_PLAIN = {"C", "POSIX"} | _UTF_8
_CATEGORIES = {
    name: getattr(_locale, name)
    for name in ("LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES")
}


def _resolved(category, locale):
    """The name that stands for a category there (setlocale(3))."""
    (name,) = (name for name, number in _CATEGORIES.items() if number == category)
    if not locale:
        variables = (os.environ.get(variable) for variable in ("LC_ALL", name, "LANG"))
        return next(filter(None, variables), "C")
    return dict(part.split("=") for part in locale.split(";")).get(name, "C") if ";" in locale else locale


def _guard_locale(_locale):
    setlocale = _Locale(_locale.setlocale)
    _worker._locale_names = setlocale.names
    locale = sys.modules.get("locale", _locale)
    replace("setlocale", setlocale, _locale)
    if hasattr(locale, "_setlocale"):
        locale._setlocale = _locale.setlocale
    _guard("textdomain", lambda domain: domain is not None, _locale, locale)
    for name in "bindtextdomain", "bind_textdomain_codeset":
        _guard(name, lambda domain, value: value is not None, _locale, locale)


def _guard_interpreter():
    _guard("activate_stack_trampoline", _always, sys)
    _guard("deactivate_stack_trampoline", lambda: sys.is_stack_trampoline_active(), sys)


def _guard_resource(resource):
    def is_limit(which, limits):
        return tuple(limits) != resource.getrlimit(which)

    def is_limit_of_own(pid, which, limits=None):
        return limits is not None and _is_own(pid) and is_limit(which, limits)

    _guard("setrlimit", is_limit, resource)
    if hasattr(resource, "prlimit"):
        _guard("prlimit", is_limit_of_own, resource)


def _guard_syslog(syslog):
    """Which CPython itself refuses, but for what another interpreter has opened."""
    for name in "syslog", "openlog", "closelog", "setlogmask":
        _guard(name, _always, syslog)


def install():
    _guard_system()
    _guard_interpreter()
    when_loaded("_locale", _guard_locale)
    when_loaded("resource", _guard_resource)
    when_loaded("syslog", _guard_syslog)
