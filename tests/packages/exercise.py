"""What the workloads have in common, and how they are run: `answers` in a plain process, `meet_and_work` in a pool.

A workload is a file with_NAME.py. Its DISTRIBUTION is what is installed; `native()` names the extension modules
that must be loaded, so that a package's fallback in Python is a failure; `work(seed)` does the same for the same
seed, and gives a value of plain types.
"""

import concurrent.futures
import gc
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import mmap
import os
import pickle
import sys
import time
import warnings
from importlib import metadata


def digest(*parts):
    """What is in bytes, texts and other values, in 16 digits."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else str(part).encode())
        found.update(b"\0")
    return found.hexdigest()[:16]


def raised(kind, call, *arguments):
    """The type and the first line of the exception that the call must raise."""
    try:
        value = call(*arguments)
    except kind as error:
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    raise AssertionError(f"{kind} was not raised, but {value!r} returned")


def pickled(value):
    """The value, pickled and back."""
    return pickle.loads(pickle.dumps(value, 5))


def in_threads(call, inputs):
    """What the call gives for each input, in three threads of this interpreter."""
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        return list(threads.map(call, inputs))


def is_native(name):
    """Whether a module of that name is loaded, from an extension file or from Python itself."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return module is not None and (file is None or file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)))


def load(package):
    """The workload: a module of its own, or an entry of briefly.py."""
    if importlib.util.find_spec(f"with_{package}"):
        return importlib.import_module(f"with_{package}")
    return importlib.import_module("briefly").WORKLOADS[package]


def missing(package):
    """The extension modules that the workload needs and that are not loaded."""
    return [name for name in load(package).native() if not is_native(name)]


def work(package, seed):
    """What the workload gives, as text."""
    with warnings.catch_warnings(action="ignore"):
        value = load(package).work(seed)
    if seed % 7 == 0:
        gc.collect()
    return json.dumps(value, sort_keys=True)


def fail(package, seed):
    """Works, and raises what a package raised."""
    value = work(package, seed)
    try:
        load(package).work("no seed")
    except Exception as error:
        raise RuntimeError(value) from error


def answers(package, n_seeds):
    values = [work(package, seed) for seed in range(n_seeds)]
    name = load(package).DISTRIBUTION
    found = {"missing": missing(package), "values": values, "distribution": name, "version": metadata.version(name)}
    return json.dumps(found)


def meet_and_work(folder, n, package, n_seeds):
    """Waits until n calls are here, in whichever interpreters, and then imports the package and works."""
    os.close(os.open(os.path.join(folder, os.urandom(8).hex()), os.O_CREAT | os.O_EXCL))
    until = time.monotonic() + 60
    while len(os.listdir(folder)) < n:
        if time.monotonic() > until:
            raise TimeoutError("somebody never came")
        time.sleep(0.001)
    return answers(package, n_seeds)


def see_all(path, me, n, package):
    """Spins, without letting go of the GIL, until all n that do the same were seen."""
    load(package)
    before = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), n) as seen:
            seen[me] = 1
            while seen.find(b"\0") >= 0:
                pass
    finally:
        sys.setswitchinterval(before)


if __name__ == "__main__":
    print(answers(sys.argv[1], int(sys.argv[2])))
