"""Runs in each interpreter whose process has others: signals belong to the process, and not to a task.

What a task wants for itself alone raises, as CPython does outside of the main thread; the host moves the function to a
worker process, where it works.
"""

import _signal
import os
import posix

# What scripts set to their defaults, or to be ignored, before anything else. The host handles them.
_OF_HOST = {_signal.SIGINT, _signal.SIGTERM, _signal.SIGPIPE}


def _refuse(what):
    raise ValueError(f"{what} only works in main thread of the main interpreter")


def leave_to_host():
    """Has default and ignored signals be accepted without an effect."""
    if hasattr(_signal.signal, "_is_owngils"):
        # Of another worker that shares the interpreter.
        return
    set_handler = _signal.signal

    def signal(signalnum, handler, /):
        if signalnum in _OF_HOST and handler in (_signal.SIG_DFL, _signal.SIG_IGN):
            return _signal.getsignal(signalnum)
        return set_handler(signalnum, handler)

    signal._is_owngils = True
    _signal.signal = signal


def keep_from_process():
    """Has nothing end or wake the process with the tasks of others."""
    alarm, setitimer, kill = _signal.alarm, _signal.setitimer, posix.kill

    def kept_alarm(seconds, /):
        if seconds:
            _refuse("alarm")
        return alarm(0)

    def kept_setitimer(which, seconds, interval=0.0, /):
        if seconds:
            _refuse("setitimer")
        return setitimer(which, 0.0)

    def kept_kill(pid, signal, /):
        if pid in (0, posix.getpid()) and signal != 0:
            _refuse("a signal to the own process")
        return kill(pid, signal)

    def kept_raise(signalnum, /):
        _refuse("raise_signal")

    _signal.alarm, _signal.setitimer, _signal.raise_signal = kept_alarm, kept_setitimer, kept_raise
    kept_kill.__name__ = kept_kill.__qualname__ = "kill"
    posix.kill = os.kill = kept_kill
