"""Runs in the main interpreter of a worker process when it starts. The host gives `forked`, a function."""

import _signal
import os
import sys

# As in any Python, unless whoever started the program has it ignored.
if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)

# Its own, which scripts may replace or close.
sys.modules["owngil"]._own.streams = os.dup(1), os.dup(2)

# It may handle signals, which scripts leave to the next one otherwise.
sys.modules["owngil"]._own.handles_signals = True
# What is forked off here is no worker.
os.register_at_fork(after_in_child=forked)
