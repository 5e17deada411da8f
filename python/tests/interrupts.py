"""SIGINT as in a terminal, for tests that interrupt: a shell has what it starts in the background ignore it."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
