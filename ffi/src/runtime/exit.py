"""Runs in the main interpreter just before the process ends."""

import atexit
import sys

atexit._run_exitfuncs()
for stream in (sys.stdout, sys.stderr):
    try:
        stream.flush()
    except Exception:
        pass
