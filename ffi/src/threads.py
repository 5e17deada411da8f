"""How many threads of this interpreter CPython joins when it ends."""

import sys

threading = sys.modules.get("threading")
if threading is None:
    count = 0
else:
    # A dummy stands for a thread that threading did not start, such as this one.
    count = sum(
        not thread.daemon and not isinstance(thread, threading._DummyThread)
        for thread in threading.enumerate()
        if thread.ident != threading.get_ident()
    )
