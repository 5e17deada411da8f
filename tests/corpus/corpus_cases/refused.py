"""Cases of what CPython refuses in interpreters with their own GIL, or off the main thread."""

import os
import signal
import subprocess
import sys
import threading

from . import case, one_at_a_time


@case()
def import_curses():
    import curses

    return curses.error.__name__


@case()
def import_readline():
    import readline

    return readline.__name__


@case()
def import_tracemalloc():
    import tracemalloc

    return tracemalloc.is_tracing()


@case()
def import_faulthandler():
    import faulthandler

    return faulthandler.is_enabled()


@case()
def import_ctypes():
    import ctypes

    return ctypes.sizeof(ctypes.c_int)


@case()
def import_cprofile():
    import cProfile

    return cProfile.run.__name__


@case()
def import_plistlib():
    import plistlib

    return plistlib.loads(plistlib.dumps({"a": [1, 2.5, b"x"]}))


@case()
def import_zoneinfo():
    import zoneinfo

    return str(zoneinfo.ZoneInfo("UTC"))


@case()
def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@case()
def execute_in_place():
    """A program that is not there: where it is allowed, the call still fails."""
    try:
        os.execv("/nonexistent/program", ["program"])
    except FileNotFoundError as error:
        return error.strerror


@case()
def preexec_function():
    done = subprocess.run([sys.executable, "-c", "print('child')"], preexec_fn=lambda: None, capture_output=True, text=True)
    return done.stdout


@case()
def daemon_thread():
    seen = []
    thread = threading.Thread(target=seen.append, args=(1,), daemon=True)
    thread.start()
    thread.join()
    return seen


@case()
@one_at_a_time
def signal_handler():
    seen = []
    kept = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, kept)
    return seen


@case()
@one_at_a_time
def signal_wakeup():
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        return signal.set_wakeup_fd(signal.set_wakeup_fd(write)) == write
    finally:
        os.close(read)
        os.close(write)


@case()
def signal_handler_of_a_loop():
    import asyncio

    async def main():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, lambda: None)
        return loop.remove_signal_handler(signal.SIGUSR2)

    return asyncio.run(main())


@case()
def queue_listener():
    """logging.handlers.QueueListener runs a daemon thread."""
    import logging
    import logging.handlers
    import queue

    seen, records = [], queue.Queue()
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    listener = logging.handlers.QueueListener(records, handler)
    listener.start()
    records.put(logging.makeLogRecord({"msg": "hello"}))
    listener.stop()
    return seen


@case()
def multiprocessing_pool():
    """Daemon threads run it, be it of processes or of threads; here of threads, which leave nothing behind."""
    import multiprocessing.pool

    with multiprocessing.pool.ThreadPool(1) as pool:
        return pool.map(abs, [-1, -2])


@case()
def multiprocessing_queue():
    """A thread feeds it, a daemon; concurrent.futures.ProcessPoolExecutor has one too."""
    import multiprocessing

    queue = multiprocessing.get_context("spawn").Queue()
    queue.put("through a pipe")
    return queue.get(timeout=30)


@case()
def context_token():
    """On 3.12 and 3.13 an interpreter other than the main one lacks it (gh-138192)."""
    import contextvars

    return repr(contextvars.Token.MISSING)


@case()
def main_thread():
    """No refusal, but an answer that differs: the workers' threads are not Python's main thread."""
    return threading.current_thread() is threading.main_thread()
