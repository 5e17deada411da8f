"""Measures `owngil.Executor` beside the executors that Python and its packages have, in turns, and prints a table.

    python benches/peers.py [--rounds 3] [--workers 2]

Peers that are not installed are left out. Figures count only from a machine on which nothing else runs.
"""

import argparse
import concurrent.futures
import contextlib
import math
import multiprocessing
import statistics
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    figures = {}
    for _ in range(options.rounds):
        for name, make in peers(options.workers).items():
            try:
                begun = time.perf_counter()
                peer = make()
            except ImportError:
                continue
            with contextlib.closing(peer):
                peer.map_all(tiny, [1])
                measured = [("first result of a new pool, ms", (time.perf_counter() - begun) * 1e3)]
                measured += rows(peer, options.workers)
            for row, figure in measured:
                figures.setdefault(row, {}).setdefault(name, []).append(figure)
    for row, of_peers in figures.items():
        print(row)
        for name, found in of_peers.items():
            print(f"  {name:<26}{statistics.median(found):10.2f}  (best {min(found):.2f}, worst {max(found):.2f})")


if __name__ == "__main__":
    main()
