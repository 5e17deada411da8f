"""Runs in an interpreter whose process has others: signals belong to the process, and not to a task; see deferred.py.

What a task wants for itself alone raises, as CPython does outside of the main thread; the host moves the function to a
worker process, where it works.
"""

import _signal
import _thread
import os
import posix
import sys


def _refuse(what):
    text = f"{what} only works in main thread of the main interpreter"
    sys.modules["_owngil_worker"]._refuse(text, ValueError)


def install():
    """Has default and ignored signals be accepted without an effect, and nothing end or wake the process with the tasks
    of others.
    """
    if not is_first("leaves_signals"):
        return
    # As in a Python of its own. The host's handlers are not looked at: they are objects of another interpreter.
    handlers = sys.modules["_owngil_worker"]._handlers = {
        _signal.SIGINT: _signal.default_int_handler,
        _signal.SIGTERM: _signal.SIG_DFL,
        _signal.SIGPIPE: _signal.SIG_IGN,
    }
    when_loaded("_signal", lambda module: _leave_handlers(module, handlers))
    _keep_from_process()


def _leave_handlers(_signal, handlers):
    set_handler, get_handler = _signal.signal, _signal.getsignal

    def getsignal(signalnum, /):
        return handlers[signalnum] if signalnum in handlers else get_handler(signalnum)

    def signal(signalnum, handler, /):
        if getattr(getattr(handler, "func", None), "__module__", None) == "asyncio.runners":
            # Its own, for Ctrl-C: it does without one where it cannot have it, as outside of the main thread.
            raise ValueError("asyncio.run works without its handler of SIGINT here")
        is_plain = handler in (_signal.SIG_DFL, _signal.SIG_IGN, _signal.default_int_handler)
        if is_plain and signalnum in handlers:
            before, handlers[signalnum] = handlers[signalnum], handler
            return before
        if is_plain and getsignal(signalnum) == handler:
            # Nothing changes.
            return handler
        return set_handler(signalnum, handler)

    replace("getsignal", getsignal, _signal)
    replace("signal", signal, _signal)
    _give_to_forks(handlers, set_handler, get_handler)
    _keep_functions(_signal)


# Those that the host may take, besides those that tasks are made to believe they have.
_OF_HOST = _signal.SIGHUP, _signal.SIGQUIT, _signal.SIGUSR1


def _give_to_forks(handlers, set_handler, get_handler):
    """What is forked off has no other tasks: there signals are the process's own, as in plain Python.

    Until they are, none may arrive: the host's handler would take it, for the host.
    """
    own = _thread._local()

    def hold():
        own.mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, (*handlers, *_OF_HOST))

    def release():
        _signal.pthread_sigmask(_signal.SIG_SETMASK, own.mask)

    def leave():
        for number in list(handlers):
            set_handler(number, handlers.pop(number))
        for number in _OF_HOST:
            if get_handler(number) in (_signal.SIG_DFL, None):
                set_handler(number, _signal.SIG_DFL)
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=leave)


def _is_sent(signal):
    # 0 only asks, and what is no signal is an error.
    return signal in range(1, _signal.NSIG)


def _keep_functions(_signal):
    alarm, setitimer, pthread_kill = _signal.alarm, _signal.setitimer, _signal.pthread_kill
    pidfd_send_signal = _signal.pidfd_send_signal

    def kept_alarm(seconds, /):
        if seconds:
            _refuse("alarm")
        return alarm(0)

    def kept_setitimer(which, seconds, interval=0.0, /):
        if seconds:
            _refuse("setitimer")
        return setitimer(which, 0.0)

    def kept_pidfd_send_signal(pidfd, signalnum, siginfo=None, flags=0, /):
        if _is_sent(signalnum) and _process_of(pidfd) == posix.getpid():
            _refuse("a signal to the own process")
        return pidfd_send_signal(pidfd, signalnum, siginfo, flags)

    def kept_pthread_kill(thread_id, signalnum, /):
        if _is_sent(signalnum):
            _refuse("pthread_kill")
        return pthread_kill(thread_id, signalnum)

    def kept_raise(signalnum, /):
        _refuse("raise_signal")

    def kept_siginterrupt(signalnum, flag, /):
        _refuse("siginterrupt")

    # `signal` takes them over where it is imported, and the main interpreter may have it already.
    modules = _signal, sys.modules.get("signal", _signal)
    replace("alarm", kept_alarm, *modules)
    replace("setitimer", kept_setitimer, *modules)
    replace("raise_signal", kept_raise, *modules)
    replace("pthread_kill", kept_pthread_kill, *modules)
    replace("pidfd_send_signal", kept_pidfd_send_signal, *modules)
    replace("siginterrupt", kept_siginterrupt, *modules)


def _keep_from_process():
    kill, killpg = at_hand("kill", posix), at_hand("killpg", posix)

    def kept_kill(pid, signal, /):
        if pid in (0, -1, posix.getpid(), -posix.getpgrp()) and _is_sent(signal):
            _refuse("a signal to the own process")
        return kill(pid, signal)

    def kept_killpg(pgid, signal, /):
        if pgid in (0, posix.getpgrp()) and _is_sent(signal):
            _refuse("a signal to the own process group")
        return killpg(pgid, signal)

    def kept_interrupt(signum=_signal.SIGINT, /):
        _refuse("interrupt_main")

    replace("interrupt_main", kept_interrupt, _thread)
    replace("kill", kept_kill, posix, os)
    replace("killpg", kept_killpg, posix, os)


def _process_of(pidfd):
    """The number of the process that it is open for; None where it is no such descriptor (proc_pid_fdinfo(5))."""
    try:
        with open(f"/proc/self/fdinfo/{pidfd}") as info:
            fields = dict(line.split(":", 1) for line in info)
        return int(fields["Pid"])
    except (OSError, ValueError, KeyError):
        return None
