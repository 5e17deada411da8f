"""Functions that are as different as can be, for `owngil bench`."""

import itertools
import os
import threading
import time
from functools import lru_cache


def tiny(x):
    return x


def heavy(turns):
    """Keeps a core busy."""
    total = 0
    for number in range(int(turns)):
        total += number * number % 7
    return total


def length(text):
    """Nothing to do, over much data."""
    return len(text)


def shrinking(items):
    """Takes its argument apart."""
    while items:
        items.pop()
    return len(items)


def waiting(seconds):
    time.sleep(float(seconds))


_calls = itertools.count()


def counted(_):
    return next(_calls)


def thread(_):
    return threading.get_ident()


@lru_cache
def cached(x):
    return x


def picky(text):
    print("looking at", text)
    if text == "bad":
        raise ValueError(f"{text} is bad")
    return text


def endless(_):
    with open("/dev/stderr", "w") as stderr:
        # Not the stream of the task, which is printed when the task ends.
        stderr.write("begun\n")
    while True:
        pass
