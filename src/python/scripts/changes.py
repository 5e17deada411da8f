"""Runs in the namespace of bootstrap.py, before fresh.py: what scripts change of a worker process as a whole.

The end of a process would end it. It is put back after the script; where that cannot be, another process takes the
worker's place. The host gives `retire()`: the worker runs no further script.
"""

import _codecs
import _locale
import _signal
import codecs
import os
import posix
import sys


class _Changes:
    """How to put back what the script that runs has changed, by what that is."""

    def __init__(self):
        self._steps = {}
        self._runs = False
        for name in "putenv", "unsetenv":
            self._watch(name, _look_at_variable, os, posix)
        self._watch("register", _look_at_codecs, _codecs, codecs)
        self._watch("register_error", _look_at_error_handler, _codecs, codecs)
        # Where workers share the process, src/python/builtin/whole_process.py refuses to change it.
        self._is_alone = getattr(sys.modules["_owngil_worker"]._own, "handles_signals", False)
        if self._is_alone:
            self._watch_all()
        else:
            # There these are not the standard streams of the process, which fresh.py puts back.
            self._watch("set_blocking", _look_at_blocking, os, posix)

    def begin(self):
        self._steps.clear()
        self._runs = True

    def note(self, what, step):
        """The first change is from what was there before the script."""
        self._steps.setdefault(what, step)

    def put_back(self):
        self._runs = False
        for step in reversed(self._steps.values()):
            self._take(step)
        self._steps.clear()
        if not self._is_alone:
            getattr(sys.modules["_owngil_worker"], "_locale_names", {}).clear()
            return
        for name in _OF_MODULES_OF_PROCESS.keys() & sys.modules.keys():
            self._take(_OF_MODULES_OF_PROCESS[name], sys.modules[name])

    @staticmethod
    def _take(step, *arguments):
        try:
            step(*arguments)
        except Exception:
            # What is lowered without privileges stays so.
            retire()

    def _watch_all(self):
        import resource

        watch = self._watch
        for name in set(sys.modules["_owngil_worker"]._of_process) - {"abort"}:
            if hasattr(posix, name):
                watch(name, _retire, os, posix)
        watch("setpgid", _look_at_group, os, posix)
        watch("siginterrupt", _retire, _signal, sys.modules.get("signal", _signal))
        watch("register_at_fork", _look_at_fork, os, posix)
        for name in "nice", "setpriority":
            watch(name, _look_at_priority, os, posix)
        watch("sched_setaffinity", _look_at_affinity, os, posix)
        for name in "sched_setscheduler", "sched_setparam":
            watch(name, _look_at_scheduling, os, posix)
        watch("setrlimit", _look_at_limit, resource)
        watch("prlimit", _look_at_limit_of, resource)
        locale = sys.modules.get("locale", _locale)
        watch("textdomain", _look_at_domain, _locale, locale)
        watch("setlocale", _look_at_locale, _locale)
        if hasattr(locale, "_setlocale"):
            locale._setlocale = _locale.setlocale
        watch("activate_stack_trampoline", _look_at_trampoline, sys)

    def _watch(self, name, look, *modules):
        """Has `look` see the arguments before that function of these modules is called by a script."""
        call = getattr(modules[0], name)

        def watched(*arguments, **keywords):
            if self._runs:
                try:
                    look(*arguments, **keywords)
                except Exception:
                    pass  # The function itself says what is wrong with them.
            return call(*arguments, **keywords)

        replace(name, watched, *modules)


def _is_own(pid):
    return pid in (0, os.getpid())


def _caller():
    """The variables of the code that has called a watched function: workers that share an interpreter all watch it."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith("<owngil"):
        frame = frame.f_back
    return frame.f_globals


def _look_at_locale(category, locale=None):
    if locale is not None:
        kept = _locale.setlocale(_locale.LC_ALL)
        _changes.note("locale", lambda: _locale.setlocale(_locale.LC_ALL, kept))


def _look_at_domain(domain=None):
    kept = _locale.textdomain(None)
    _changes.note("text domain", lambda: _locale.textdomain(kept))


def _look_at_trampoline(kind):
    if not sys.is_stack_trampoline_active():
        _changes.note("trampoline", sys.deactivate_stack_trampoline)


def _look_at_codecs(search):
    # What a package registers stays, as it does.
    if _Descriptors._is_of_script(_caller()):
        _changes.note(("codecs", id(search)), lambda: _codecs.unregister(search))


def _look_at_error_handler(name, handler):
    if not _Descriptors._is_of_script(_caller()):
        return
    try:
        kept = _codecs.lookup_error(name)
        _changes.note(("error handler", name), lambda: _codecs.register_error(name, kept))
    except LookupError:
        # It can be taken back from Python 3.14 on.
        forget = getattr(_codecs, "_unregister_error", retire)
        _changes.note(("error handler", name), lambda: forget(name))


def _look_at_blocking(fd, blocking):
    if fd in (0, 1, 2, *(stream.buffer.given for stream in sys._owngil_streams[1:])):
        kept = posix.get_blocking(fd)
        _changes.note(("blocking", fd), lambda: posix.set_blocking(fd, kept))


def _look_at_variable(name, value=None):
    """One that os.environ does not show, which was put back before."""
    name = os.fsencode(name)

    def put_back():
        kept = os.environ._data.get(name)
        posix.unsetenv(name) if kept is None else posix.putenv(name, kept)

    _changes.note(("variable", name), put_back)


def _look_at_priority(*arguments):
    kept = posix.getpriority(posix.PRIO_PROCESS, 0)
    _changes.note("priority", lambda: posix.setpriority(posix.PRIO_PROCESS, 0, kept))


def _look_at_affinity(pid, mask):
    if _is_own(pid):
        kept = posix.sched_getaffinity(0)
        _changes.note("affinity", lambda: posix.sched_setaffinity(0, kept))


def _look_at_scheduling(pid, *rest):
    if _is_own(pid):
        kept = posix.sched_getscheduler(0), posix.sched_getparam(0)
        _changes.note("scheduling", lambda: posix.sched_setscheduler(0, *kept))


def _look_at_limit(which, limits):
    import resource

    kept = resource.getrlimit(which)
    _changes.note(("limit", which), lambda: resource.setrlimit(which, kept))


def _look_at_limit_of(pid, which, limits=None):
    if limits is not None and _is_own(pid):
        _look_at_limit(which, limits)


def _look_at_fork(**functions):
    # What is registered cannot be taken back. That of packages stays, as they do.
    if _Descriptors._is_of_script(_caller()):
        _changes.note("forks", retire)


def _look_at_group(pid, group):
    if _is_own(pid):
        _retire()


def _retire(*arguments, **keywords):
    _changes.note("process", retire)


# Those of which `faulthandler.register` takes none.
_FATAL = {_signal.SIGSEGV, _signal.SIGFPE, _signal.SIGABRT, _signal.SIGBUS, _signal.SIGILL}


def _put_back_faulthandler(faulthandler):
    faulthandler.cancel_dump_traceback_later()
    if not sys.flags.dev_mode and "PYTHONFAULTHANDLER" not in os.environ:
        faulthandler.disable()
    for number in set(range(1, _signal.NSIG)) - _FATAL:
        faulthandler.unregister(number)


def _put_back_readline(readline):
    readline.clear_history()
    readline.set_completer(None)


def _put_back_syslog(syslog):
    syslog.closelog()
    syslog.setlogmask(syslog.LOG_UPTO(syslog.LOG_DEBUG))


def _put_back_tracemalloc(tracemalloc):
    if "PYTHONTRACEMALLOC" not in os.environ:
        tracemalloc.stop()


# What scripts set in modules that stay loaded, as it is when a process starts.
_OF_MODULES_OF_PROCESS = {
    "faulthandler": _put_back_faulthandler,
    "readline": _put_back_readline,
    "syslog": _put_back_syslog,
    "tracemalloc": _put_back_tracemalloc,
}

_changes = _Changes()
