"""Runs after bootstrap.py: programs that put functions of their own in the place of built-in ones.

Few tasks start processes, lock files or handle signals. So an interpreter with its own GIL runs such a program when one
of its functions is called for the first time, or when a module that has some is imported.

The host gives `run(program, namespace)`. Programs find `at_hand`, `replace`, `when_loaded` and `is_first` in their
namespaces, and have a function `install`.
"""

import _imp
import _thread
import os
import posix
import sys

_worker = sys.modules["_owngil_worker"]

# What each program replaces in modules that are there from the start, and the modules that bring more of it.
_PROGRAMS = {
    "children": (
        {
            "posix": "read write dup dup2 close closerange set_blocking get_blocking get_terminal_size posix_spawn "
            "posix_spawnp system waitpid wait4 waitid wait wait3 putenv unsetenv chdir fchdir umask"
        },
        ("_posixsubprocess",),
    ),
    "locks": ({"posix": "lockf"}, ("fcntl",)),
    "signals": ({"posix": "kill killpg", "_thread": "interrupt_main"}, ("_signal",)),
    "whole_process": (
        {
            "posix": "setpgid sched_setaffinity sched_setparam sched_setscheduler nice setpriority set_inheritable "
            + " ".join(_worker._of_process),
            "sys": "activate_stack_trampoline deactivate_stack_trampoline",
        },
        ("_locale", "resource", "syslog"),
    ),
}


def _modules(module):
    return (module, os) if module is posix else (module,)


class _Deferred:
    """A program that runs when it is needed."""

    def __init__(self, program, arguments):
        self._program, self._arguments = program, arguments
        self._lock, self._is_loaded = _thread.RLock(), False
        # The frame that runs it. One that is left here by an interrupt is no longer on the stack.
        self._frame = None
        # By module and name: what is found there, and what is going to be behind that.
        self._stand_ins, self._functions = {}, {}
        functions, modules = _PROGRAMS[program]
        for module, names in functions.items():
            module = sys.modules[module]
            for name in names.split():
                if hasattr(module, name):
                    self._stand_ins[module, name] = self._stand_in(module, name)
        for name in modules:
            when_loaded(name, lambda module: self.load())

    def _stand_in(self, module, name):
        stand_in = _StandIn(self, getattr(module, name))
        _worker._put(stand_in, name, *_modules(module))
        return stand_in

    def load(self):
        """Runs the program; where that is interrupted, the next call runs it again."""
        with self._lock:
            if self._is_loaded or self._is_within():
                return
            self._frame = sys._getframe()
            self._functions.clear()
            try:
                _run(self._program, self._arguments, self.at_hand, self.replace, lambda what: True)
                for key, stand_in in self._stand_ins.items():
                    stand_in._function = self._functions.get(key, stand_in.__wrapped__)
                self._is_loaded = True
            finally:
                self._frame = None
                self._functions.clear()

    def _is_within(self):
        """Whether it runs on this thread's stack: a finalizer may call one of its functions meanwhile."""
        frame = sys._getframe()
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        return frame is not None

    def at_hand(self, name, module):
        """The function that is about to be replaced."""
        stand_in = None if self._is_loaded else self._stand_ins.get((module, name))
        if stand_in is None:
            return getattr(module, name)
        return self._functions.get((module, name), stand_in.__wrapped__)

    def replace(self, name, function, module, *others):
        if self._is_loaded or (module, name) not in self._stand_ins:
            _worker._replace(name, function, module, *others)
        else:
            self._functions[module, name] = function


class _StandIn(_worker._Builtin):
    """A function of a program that has not run yet."""

    __slots__ = ("_deferred",)
    __module__, __doc__ = _worker._Builtin.__module__, _worker._Builtin.__doc__

    def __init__(self, deferred, replaced):
        super().__init__(None, replaced)
        self._deferred = deferred

    def __call__(self, /, *arguments, **keywords):
        if self._function is None:
            self._deferred.load()
        # A finalizer may call it while this thread loads the program.
        return (self._function or self.__wrapped__)(*arguments, **keywords)


def _run(program, arguments, at_hand, replace, is_first):
    namespace = {"at_hand": at_hand, "replace": replace, "when_loaded": when_loaded, "is_first": is_first}
    run(program, namespace)
    namespace["install"](*arguments)


def defer(program, *arguments):
    _Deferred(program, arguments)


def run_now(program, *arguments):
    _run(program, arguments, lambda name, module: getattr(module, name), _worker._replace, _worker._is_first)


# What is called when a module is loaded.
_hooks = {}


def when_loaded(name, function):
    """Has `function(module)` called with an extension module: now, if it is loaded, and each time that it is."""
    if not _hooks:
        _imp.exec_dynamic, _imp.exec_builtin = _following(_imp.exec_dynamic), _following(_imp.exec_builtin)
    _hooks.setdefault(name, []).append(function)
    if name in sys.modules:
        function(sys.modules[name])


_worker._when_loaded = when_loaded


def _following(execute):
    def follow(module):
        done = execute(module)
        for function in tuple(_hooks.get(module.__spec__.name, ())):
            function(module)
        return done

    return follow
