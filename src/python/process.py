"""Runs in the main interpreter of a worker process when it starts. The host gives `forked`, a function."""

import os
import sys

# It may handle signals, which scripts leave to the next one otherwise.
sys.modules["owngil"]._own.handles_signals = True
# What is forked off here is no worker.
os.register_at_fork(after_in_child=forked)
