"""A few lines for each package, by kind: over its native part, with an error that C code raises.

Each function imports for itself, so that no package depends on another's being there. Its name is the package's in
the records; the decorator says which distribution is tried, and what else it needs.
"""

import contextlib
import fcntl
import importlib
import pathlib
import time

WORKLOADS = {}


class Workload:
    """What is done with one distribution.

    `needs` are further distributions; `loads` says how it reaches native code if not by an extension module of its
    own. A workload that no two threads of one plain process can run at once says `threads=False`.
    """

    def __init__(self, work, distribution, needs, loads, threads):
        self.work, self.DISTRIBUTION, self.needs, self.loads = work, distribution, needs, loads
        self.threads = threads
        self.writes = self.reads = None

    def together(self, reads):
        """Registers what four workers do at once to one path, `writes(path, me)`, and what is then read there."""

        def register(writes):
            self.writes, self.reads = writes, reads
            return writes

        return register


def briefly(distribution, *needs, loads="extension", threads=True):
    """Registers a workload."""

    def register(work):
        made = Workload(work, distribution, list(needs), loads, threads)
        assert work.__name__ not in WORKLOADS
        WORKLOADS[work.__name__] = made
        return made

    return register


@contextlib.contextmanager
def locked(path):
    """Holds a lock beside the file, which processes and interpreters share."""
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def until_free(call, *kinds):
    """What the call gives, once it does not raise because another has the file."""
    until = time.monotonic() + 60
    while True:
        try:
            return call()
        except kinds:
            if time.monotonic() > until:
                raise
            time.sleep(0.002)


def load(name):
    """The workload of that name; the modules of the other kinds are not imported."""
    for file in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if name not in WORKLOADS and f"\ndef {name}(seed):" in file.read_text():
            importlib.import_module(f"brief.{file.stem}")
    return WORKLOADS[name]


def load_all():
    for file in sorted(pathlib.Path(__file__).parent.glob("[a-z]*.py")):
        importlib.import_module(f"brief.{file.stem}")
    return WORKLOADS
