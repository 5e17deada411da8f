"""Runs in the main interpreter just before the process ends."""

import atexit
import sys

atexit._run_exitfuncs()
# Nobody has waited for any thread here.
threading = sys.modules.get("threading")
n_daemons = 0 if threading is None else sum(thread.daemon for thread in threading.enumerate())
for stream in (sys.stdout, sys.stderr):
    try:
        stream.flush()
    except Exception:
        pass
