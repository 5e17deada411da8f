"""Measures `owngil.Executor` beside the executors that Python and its packages have, in turns, and prints a table.

    python benches/peers.py [--rounds 3] [--workers 2] [--only TEXT]

Peers that are not installed are left out. Figures count only from a machine on which nothing else runs.
"""

import argparse
import concurrent.futures
import contextlib
import math
import multiprocessing
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import owngil


def tiny(x):
    return math.sqrt(x)


def wait_1ms(x):
    """Computes for a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return x


def first_and_last(data):
    return data


class Futures:
    """An executor of concurrent.futures."""

    def __init__(self, executor):
        self.executor = executor

    def submit_all(self, function, inputs):
        for future in [self.executor.submit(function, one) for one in inputs]:
            future.result()

    def map_all(self, function, inputs):
        for _ in self.executor.map(function, inputs):
            pass

    def close(self):
        self.executor.shutdown()


class Multiprocessing:
    """The pool of multiprocessing, which picks its chunks for `map`."""

    def __init__(self, pool):
        self.pool = pool

    def submit_all(self, function, inputs):
        for result in [self.pool.apply_async(function, (one,)) for one in inputs]:
            result.get()

    def map_all(self, function, inputs):
        self.pool.map(function, inputs)

    def close(self):
        self.pool.terminate()
        self.pool.join()


class Joblib:
    """joblib on loky."""

    def __init__(self, workers):
        import joblib

        self.joblib, self.workers = joblib, workers

    def map_all(self, function, inputs):
        self.joblib.Parallel(n_jobs=self.workers)(self.joblib.delayed(function)(one) for one in inputs)

    def close(self):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


class Loky(Futures):
    """loky, without joblib."""

    def __init__(self, workers):
        import loky

        super().__init__(loky.ProcessPoolExecutor(workers))


class Mpire:
    """mpire."""

    def __init__(self, workers):
        import mpire

        self.pool = mpire.WorkerPool(workers, start_method="spawn", keep_alive=True)

    def map_all(self, function, inputs):
        self.pool.map(function, [(one,) for one in inputs])

    def close(self):
        self.pool.terminate()


def peers(workers):
    spawn = multiprocessing.get_context("spawn")
    found = {
        "owngil": lambda: Futures(owngil.Executor(workers, backend="interpreter")),
        "owngil, processes": lambda: Futures(owngil.Executor(workers, backend="process")),
        "ProcessPoolExecutor": lambda: Futures(concurrent.futures.ProcessPoolExecutor(workers, mp_context=spawn)),
        "multiprocessing.Pool": lambda: Multiprocessing(spawn.Pool(workers)),
        "joblib (loky)": lambda: Joblib(workers),
        "loky": lambda: Loky(workers),
        "mpire": lambda: Mpire(workers),
        "ThreadPoolExecutor": lambda: Futures(concurrent.futures.ThreadPoolExecutor(workers)),
    }
    if hasattr(concurrent.futures, "InterpreterPoolExecutor"):
        found["InterpreterPoolExecutor"] = lambda: Futures(concurrent.futures.InterpreterPoolExecutor(workers))
    return found


def timed(call, *arguments):
    begun = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begun


def memory():
    """The megabytes of this process and those that it has started; what they share counts once."""
    parents = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            parents[int(status.parent.name)] = int(fields["PPid"])
    family, n_known = {os.getpid()}, 0
    while n_known < len(family):
        n_known = len(family)
        family |= {child for child, parent in parents.items() if parent in family}
    total = 0
    for process in family:
        with contextlib.suppress(OSError):
            rollup = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total / 1024


def arrays():
    """64 MB of numbers, as packages have them."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy.ones(8 << 20)


def rows(peer, workers):
    """What is measured, as (row, figure)."""
    if hasattr(peer, "submit_all"):
        peer.submit_all(tiny, range(100))
        yield "submit in bulk, µs a call", timed(peer.submit_all, tiny, range(3_000)) / 3_000 * 1e6
    peer.map_all(tiny, range(1_000))
    n = 20_000
    yield "map of tiny calls, µs a call", timed(peer.map_all, tiny, range(n)) / n * 1e6
    yield "map of 1 ms calls, % of ideal", 100 * 500 * 0.001 / workers / timed(peer.map_all, wait_1ms, range(500))
    data = bytes(64 << 20)
    yield "64 MB of bytes in and out, ms", timed(peer.map_all, first_and_last, [data]) * 1e3
    array = arrays()
    if array is not None:
        peer.map_all(first_and_last, [array[:1]] * workers)
        yield "64 MB of numpy in and out, ms", timed(peer.map_all, first_and_last, [array]) * 1e3


SCRIPT = """
import sys
total = 0
for n in range(400_000):
    total += n * n % 7
print(total, sys.argv[1])
"""


def scripts(workers):
    """A script that computes for some tens of milliseconds, run 100 times: seconds by each way to run it."""
    inputs = [str(n) for n in range(100)]
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "script.py")
        pathlib.Path(script).write_text(SCRIPT)
        jobs = str(workers)
        ways = {
            "owngil run": [sys.executable, "-m", "owngil", "run", "-j", jobs, script, ":::", *inputs],
            "xargs -P": ["xargs", "-n", "1", "-P", jobs, sys.executable, script],
        }
        if shutil.which("parallel"):
            ways["GNU parallel"] = ["parallel", "-j", jobs, sys.executable, script, "{}", ":::", *inputs]
        for way, command in ways.items():
            begun = time.perf_counter()
            subprocess.run(command, input="\n".join(inputs), text=True, stdout=subprocess.DEVNULL, check=True)
            yield way, time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="measure the peers alone whose name contains this")
    options = parser.parse_args()
    figures = {}
    for _ in range(options.rounds):
        for name, make in peers(options.workers).items():
            if options.only not in name:
                continue
            before = memory()
            try:
                begun = time.perf_counter()
                peer = make()
            except ImportError:
                continue
            with contextlib.closing(peer):
                peer.map_all(tiny, [1])
                measured = [("first result of a new pool, ms", (time.perf_counter() - begun) * 1e3)]
                peer.map_all(wait_1ms, range(20 * options.workers))
                measured.append(("an idle worker, MB", (memory() - before) / options.workers))
                measured += rows(peer, options.workers)
            for row, figure in measured:
                figures.setdefault(row, {}).setdefault(name, []).append(figure)
        for way, seconds in scripts(options.workers):
            figures.setdefault("100 scripts that compute, s", {}).setdefault(way, []).append(seconds)
    for row, of_peers in figures.items():
        print(row)
        for name, found in of_peers.items():
            print(f"  {name:<26}{statistics.median(found):10.2f}  (best {min(found):.2f}, worst {max(found):.2f})")


if __name__ == "__main__":
    main()
