"""Runs in the main interpreter of a worker process when it starts. The host gives `forked`, a function."""

import _signal
import _thread
import os
import sys

# As in any Python, unless the program was started with it ignored.
if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)

# Its own, which scripts may replace or close.
sys.modules["_owngil_worker"]._own.streams = os.dup(1), os.dup(2)

# It may handle signals, which scripts leave to the next one otherwise.
sys.modules["_owngil_worker"]._own.handles_signals = True
# What is forked off here is no worker.
os.register_at_fork(after_in_child=forked)


# Those of owngil in this process: by one of them it hears of its calls.
_kept = {int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2}
_closerange = os.closerange


def closerange(fd_low, fd_high, /):
    """Leaves those alone that a Python of its own would not have."""
    for kept in sorted(_kept):
        if fd_low <= kept < fd_high:
            _closerange(fd_low, kept)
            fd_low = kept + 1
    _closerange(fd_low, fd_high)


def _follow(change):
    """Has what Python prints go where a task has sent descriptors 1 and 2, as what child processes print does."""

    def followed(*arguments, **keywords):
        try:
            return change(*arguments, **keywords)
        finally:
            streams = zip((1, 2), sys._owngil_streams[1:], sys.modules["_owngil_worker"]._own.streams)
            for number, stream, kept in streams:
                stream.send_to(None if sys.modules["_owngil_worker"]._same_file(number, kept) else number)

    return followed


def _forking(fork):
    """Has it not warn of threads that are owngil's own."""

    def quiet_fork():
        if "threading" in sys.modules and sys.modules["threading"].active_count() > 1:
            return fork()
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return fork()

    return quiet_fork


_send, _worker = os.kill, _thread.get_ident()


def kill(pid, signal, /):
    # A signal to the process may be handled by any thread of it, later; alone, this one would have it at once.
    if pid == os.getpid() and _thread.get_ident() == _worker:
        return _signal.pthread_kill(_worker, signal)
    return _send(pid, signal)


def _of_worker(call, place):
    """Has the process's number stand for the thread that runs tasks: in plain Python that is the one that has it."""

    def translated(*arguments):
        arguments = list(arguments)
        if arguments[place : place + 1] == [os.getpid()]:
            arguments[place] = 0
        return call(*arguments)

    return translated


_OF_THREAD = [f"sched_{verb}{what}" for verb in ("get", "set") for what in ("affinity", "param", "scheduler")]
_replaced = {
    **{name: _of_worker(getattr(os, name), 0) for name in _OF_THREAD if hasattr(os, name)},
    **{name: _of_worker(getattr(os, name), 1) for name in ("getpriority", "setpriority")},
    "kill": kill,
    "closerange": closerange,
    "dup2": _follow(os.dup2),
    "fork": _forking(os.fork),
    "forkpty": _forking(os.forkpty),
}
for name, made in _replaced.items():
    sys.modules["_owngil_worker"]._replace(name, made, sys.modules["posix"], os)
