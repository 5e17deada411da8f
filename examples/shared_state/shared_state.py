"""State of a module, which is one per interpreter, and state of the process, which is one for all of them."""

import os
import subprocess
import sys
import threading

count = 0
lock = threading.Lock()


def reset(switch_interval):
    """Resets the counter, and sets how long a thread runs before another one that waits gets its turn."""
    global count
    count = 0
    sys.setswitchinterval(switch_interval)


def counted():
    """What the counter of this interpreter says."""
    return count


def _one_more(n):
    return n + 1


def add_by_chance(n):
    """Counts up without a lock. CPython lets another thread in between no two steps of this loop's body."""
    global count
    for _ in range(n):
        count += 1


def add_carelessly(n):
    """Counts up without a lock. Another thread may come in where the function is called."""
    global count
    for _ in range(n):
        count = _one_more(count)


def add_carefully(n):
    """Counts up with a lock."""
    global count
    for _ in range(n):
        with lock:
            count = _one_more(count)


def take():
    """Whether the lock of the module could be had."""
    return lock.acquire(timeout=0.1)


def identities():
    """Where some objects are, and how many references to None are counted."""
    objects = {"None": None, "True": True, "7": 7, "int": int, "a list": _kept, "a class": _Kept}
    return {name: id(it) for name, it in objects.items()}, sys.getrefcount(None)


_kept = []


class _Kept:
    pass


def change_process(folder):
    """Changes what belongs to the process."""
    os.chdir(folder)
    os.umask(0o027)
    os.environ["OWNGIL_EXAMPLE"] = "changed"
    sys.path.append("/from/another/interpreter")


def see_process():
    """What is seen of that."""
    umask = os.umask(0o077)
    os.umask(umask)
    child = subprocess.run(["sh", "-c", "echo $OWNGIL_EXAMPLE"], capture_output=True, text=True, check=True)
    return {
        "the working directory": os.getcwd(),
        "the umask": f"{umask:03o}",
        "the environment, of a child": child.stdout.strip(),
        "os.environ": os.environ.get("OWNGIL_EXAMPLE", "nothing"),
        "sys.path": "longer" if "/from/another/interpreter" in sys.path else "as it was",
    }
