"""Changes what a task can change, and looks at it from another interpreter: docs/compatibility.md says what is shared."""

import csv
import decimal
import gc
import logging
import os
import random
import socket
import subprocess
import sys
import threading
import warnings

NAME = "OWNGIL_PROCESS_WIDE"


def change(folder):
    """Changes everything; returns a descriptor, and what `restore` needs."""
    kept = os.getcwd(), os.umask(0o027)
    os.chdir(folder)
    os.environ[NAME] = "changed"
    read, write = os.pipe()
    os.write(write, b"through")
    os.close(write)

    warnings.simplefilter("error", append=True)
    logging.getLogger().setLevel(7)
    sys.path.append(NAME)
    sys.modules[NAME] = sys
    sys.setrecursionlimit(1234)
    sys.setswitchinterval(0.5)
    threading.stack_size(1 << 20)
    socket.setdefaulttimeout(12)
    decimal.getcontext().prec = 5
    csv.field_size_limit(99)
    gc.disable()
    random.seed(1)
    return read, kept


def restore(kept, descriptor):
    folder, mask = kept
    os.chdir(folder)
    os.umask(mask)
    os.environ.pop(NAME)
    os.close(descriptor)
    gc.enable()


def look(descriptor):
    mask = os.umask(0o077)
    os.umask(mask)
    child = subprocess.check_output(["/bin/sh", "-c", f"echo ${NAME}"])
    stack_size = threading.stack_size()
    threading.stack_size(stack_size)
    try:
        read = os.read(descriptor, 100)
    except OSError as error:
        read = error.strerror
    found = {
        "the working directory": os.getcwd(),
        "the umask": mask,
        "the environment of child processes": child,
        "file descriptors": read,
        "`os.environ`": NAME in os.environ,
        "warning filters": len(warnings.filters),
        "loggers": logging.getLogger().level,
        "`sys.path`": NAME in sys.path,
        "loaded modules": NAME in sys.modules,
        "the recursion limit": sys.getrecursionlimit(),
        "the switch interval": sys.getswitchinterval(),
        "the stack size of new threads": stack_size,
        "`socket.setdefaulttimeout`": socket.getdefaulttimeout(),
        "the decimal context": decimal.getcontext().prec,
        "`csv.field_size_limit`": csv.field_size_limit(),
        "the garbage collector": gc.isenabled(),
        "the random generator": random.getstate()[1][:3] == random.Random(1).getstate()[1][:3],
    }
    return {name: repr(value) for name, value in found.items()}
