"""Functions that take as long as a file is missing, or for ever."""

import os
import time


def for_go(folder):
    """Says that it has begun by a file of its own; is done once there is a file `go`."""
    descriptor = os.open(os.path.join(folder, f"begun-{os.urandom(8).hex()}"), os.O_CREAT)
    os.close(descriptor)
    go = os.path.join(folder, "go")
    # No Python code but this: the stack must show it at any moment.
    while not os.access(go, os.F_OK):
        time.sleep(0.001)
    return "done"


def unless_stuck(line):
    while line == "stuck":
        pass
    return line


def large(line):
    return line * 100_000


def until_interrupted(folder):
    """Says that it has begun, and goes on until it is interrupted, which it notes."""
    descriptor = os.open(os.path.join(folder, f"begun-{os.urandom(8).hex()}"), os.O_CREAT)
    os.close(descriptor)
    try:
        while True:
            time.sleep(0.001)
    except KeyboardInterrupt:
        print("was interrupted")
        raise


def stubborn(folder):
    """Goes on whatever happens."""
    while True:
        try:
            until_interrupted(folder)
        except KeyboardInterrupt:
            pass


def asleep(folder):
    descriptor = os.open(os.path.join(folder, f"begun-{os.urandom(8).hex()}"), os.O_CREAT)
    os.close(descriptor)
    time.sleep(300)


def nap(seconds):
    time.sleep(float(seconds) if seconds[:1].isdigit() else reject(seconds))
    return seconds


def reject(word):
    raise ValueError(f"{word} is no number")
