"""Runs before an interpreter ends: what Py_EndInterpreter runs, while it can be called off.

Py_EndInterpreter aborts or crashes the process where a thread is left after it, such as one that a
thread started last, or an exit function.
"""

import atexit
import sys


def finish():
    threading = sys.modules.get("threading")
    if threading is None:
        return
    # As threading._shutdown does: concurrent.futures asks its threads to end.
    while threading._threading_atexits:
        call = threading._threading_atexits.pop()
        try:
            call()
        except BaseException:
            sys.excepthook(*sys.exc_info())
    while threads := waited_for(threading):
        for thread in threads:
            thread.join()


def waited_for(threading):
    # A dummy stands for a thread that threading did not start, such as this one. The main thread is
    # this one on 3.12, and the process's from 3.13 on, where no interpreter waits for it.
    others = (threading._DummyThread, threading._MainThread)
    return [
        thread
        for thread in threading.enumerate()
        if not thread.daemon and not isinstance(thread, others)
    ]


def forget_dummy():
    # This thread's own dummy would be collected when half of threading is gone already, with a
    # complaint on standard error (gh-130522, fixed in 3.13.6).
    local = getattr(sys.modules.get("threading"), "_thread_local_info", None)
    if local is not None:
        vars(local).pop("_track_dummy_thread_ref", None)


finish()
atexit._run_exitfuncs()
finish()
forget_dummy()
