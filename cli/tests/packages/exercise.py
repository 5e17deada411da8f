"""What the workloads have in common, and how they are run: `answers` in a plain process, `meet_and_work` in a pool.

A workload is an entry of `brief`, or, where there is more of it, a module of `long` with the same interface: its
DISTRIBUTION is what is installed, `work(seed)` does the same for the same seed and gives a value of plain types.
`writes(path, me)` is what four workers do at once to one path, and `reads(path)` what is then found there.
"""

import ast
import concurrent.futures
import functools
import gc
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import mmap
import os
import pathlib
import pickle
import subprocess
import sys
import time
import warnings
from importlib import metadata

FOLDER = pathlib.Path(__file__).parent

# How many write one file at once.
N_WRITERS = 4

# What the workloads of this interpreter made use of.
parts = set()


def digest(*values):
    """What is in bytes, texts and other values, in 16 digits."""
    found = hashlib.sha256()
    for value in values:
        found.update(value if isinstance(value, bytes) else str(value).encode())
        found.update(b"\0")
    return found.hexdigest()[:16]


def raised(kind, call, *arguments, **keywords):
    """The type and the first line of the exception that the call must raise."""
    parts.add("exceptions")
    try:
        value = call(*arguments, **keywords)
    except kind as error:
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    raise AssertionError(f"{kind} was not raised, but {value!r} returned")


def pickled(value):
    """The value, pickled and back."""
    parts.add("pickling")
    return pickle.loads(pickle.dumps(value, 5))


def in_threads(call, inputs):
    """What the call gives for each input, in three threads of this interpreter."""
    parts.add("threads")
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        return list(threads.map(call, inputs))


def loaded():
    """The extension modules of packages that are loaded, by file."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (
            isinstance(file, str)
            and "-packages" in file
            and file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
        ):
            found[file] = name
    return found


@functools.cache
def load(package):
    """The workload: a module of `long`, or an entry of `brief`."""
    warnings.simplefilter("ignore")
    return importlib.import_module("long").load(package) or importlib.import_module("brief").load(package)


def work(package, seed):
    """What the workload gives, as text."""
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
    raise RuntimeError(value)


def pieces(package, seed):
    """What the workload gives, piece by piece, every second one by way of a host function."""
    from owngil.host import same

    value = work(package, seed)
    size = len(value) // 40 + 1
    for number, start in enumerate(range(0, len(value), size)):
        piece = value[start : start + size]
        yield same(piece) if number % 2 else piece


def answers(package, n_seeds):
    """What the package gives for each seed, one after another and then in threads, and what was loaded for it."""
    values = [work(package, seed) for seed in range(n_seeds)]
    workload = load(package)
    if getattr(workload, "threads", True):
        seeds = range(min(n_seeds, 4))
        for seed, again in zip(seeds, in_threads(lambda seed: work(package, seed), seeds)):
            if again != values[seed]:
                raise AssertionError(f"in a thread, for seed {seed}: {again}, not {values[seed]}")
    return json.dumps({"loaded": sorted(loaded().values()), "values": values})


def meet(folder, n):
    """Waits until n calls are here, in whichever interpreters and processes."""
    os.close(os.open(os.path.join(folder, os.urandom(8).hex()), os.O_CREAT | os.O_EXCL))
    until = time.monotonic() + 60
    while len(os.listdir(folder)) < n:
        if time.monotonic() > until:
            raise TimeoutError("somebody never came")
        time.sleep(0.001)


def meet_and_work(folder, n, package, n_seeds):
    """Imports the package and works, at the same time as n - 1 others."""
    meet(folder, n)
    return answers(package, n_seeds)


def meet_and_write(folder, n, package, path, me):
    """Writes to one path, at the same time as n - 1 others."""
    meet(folder, n)
    load(package).writes(path, me)


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


def read(package, path):
    """What is at a path that was written."""
    return json.dumps(load(package).reads(path), sort_keys=True)


def written(package, folder, n_rounds):
    """What plain processes leave that write at once, as often as new workers do."""
    path = os.path.join(folder, "written")
    for n in range(n_rounds):
        meeting = os.path.join(folder, f"meeting{n}")
        os.mkdir(meeting)
        command = [sys.executable, __file__, "write", meeting, package, path]
        writers = [subprocess.Popen([*command, str(me)]) for me in range(N_WRITERS)]
        ends = [writer.wait() for writer in writers]
        if any(ends):
            raise AssertionError(f"plain processes cannot write: they ended with {ends}")
    return read(package, path)


def reference(package, n_seeds, n_rounds, folder):
    """All that is to be found again: answers, what was loaded, which distribution it is, and which parts it has."""
    found = json.loads(answers(package, n_seeds))
    workload = load(package)
    found["written"] = written(package, folder, n_rounds) if getattr(workload, "writes", None) else None
    distribution = metadata.distribution(workload.DISTRIBUTION)
    files = {str(distribution.locate_file(file)) for file in distribution.files}
    if getattr(workload, "loads", "extension") == "extension" and not files & set(loaded()):
        raise AssertionError(f"no extension module of {workload.DISTRIBUTION} was loaded: {sorted(loaded().values())}")
    if found["written"] is not None:
        parts.add("files")
    named = {"distribution": workload.DISTRIBUTION, "version": distribution.version, "modules": modules(distribution)}
    return json.dumps(found | named | {"parts": sorted(parts)})


def modules(distribution):
    """The names that it is imported by."""
    names = set()
    for file in distribution.files:
        first = file.parts[0].partition(".")[0] if len(file.parts) == 1 else file.parts[0]
        is_code = file.suffix == ".py" or file.name.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
        if is_code and first.isidentifier() and first != "tests":
            names.add(first)
    return sorted(names)


def workloads():
    """All workloads by name: the distributions that each needs, its own first, and which environment they are in."""
    found = {}
    for name, file in importlib.import_module("long").files().items():
        body = ast.parse(file.read_text()).body
        given = {node.targets[0].id: ast.literal_eval(node.value) for node in body if is_requirement(node)}
        found[name] = [given["DISTRIBUTION"], *given.get("NEEDS", ())]
    for name, workload in importlib.import_module("brief").load_all().items():
        found[name] = [workload.DISTRIBUTION, *workload.needs]
    return dict(sorted(found.items()))


def is_requirement(node):
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("DISTRIBUTION", "NEEDS")


if __name__ == "__main__":
    sys.modules["exercise"] = sys.modules[__name__]
    match sys.argv[1:]:
        case ["workloads"]:
            print(json.dumps(workloads()))
        case ["write", meeting, package, path, me]:
            meet_and_write(meeting, N_WRITERS, package, path, int(me))
        case ["read", package, path]:
            print(read(package, path))
        case ["reference", package, n_seeds, n_rounds, folder]:
            # What a package prints is none of the answer.
            answer, sys.stdout = sys.stdout, sys.stderr
            print(reference(package, int(n_seeds), int(n_rounds), folder), file=answer)
