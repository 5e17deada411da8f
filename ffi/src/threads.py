"""How many threads of this interpreter CPython joins when it ends."""

import sys

threading = sys.modules.get("threading")
if threading is None:
    count = 0
else:
    # A dummy stands for a thread that threading did not start, such as this one. The main thread is
    # this one on 3.12, and the process's from 3.13 on, where no interpreter waits for it.
    others = (threading._DummyThread, threading._MainThread)
    count = sum(
        not thread.daemon and not isinstance(thread, others) for thread in threading.enumerate()
    )
    # This thread's own dummy would be collected when half of threading is gone already, with a
    # complaint on standard error (gh-130522, mended in 3.13.6).
    local = getattr(threading, "_thread_local_info", None)
    if local is not None:
        vars(local).pop("_track_dummy_thread_ref", None)
