"""Runs in the main interpreter of a worker process when it starts. The host gives `forked`, a function."""

import os
import threading

# What is forked off here is no worker.
os.register_at_fork(after_in_child=forked)

# To threading, this thread is one that somebody else started, and those that it starts would be daemons:
# here it stands for the main thread, whose threads are waited for.
threading.current_thread()._daemonic = False
