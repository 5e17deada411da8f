"""The executors of concurrent.futures: threads, interpreters, processes."""

import concurrent.futures as futures
import multiprocessing
import sys
from time import perf_counter

import packages
import work
import workloads
from answering import middle, rate, resident, serve, share_of_memory

CLASSES = {
    "threads": "ThreadPoolExecutor",
    "interpreters": "InterpreterPoolExecutor",
    "processes": "ProcessPoolExecutor",
}


def main(n_workers, kind):
    executor = getattr(futures, CLASSES[kind])
    # Only processes send more than one call at a time, if told to.
    chunksize = 256 if kind == "processes" else 1
    pool = None

    def first():
        nonlocal pool
        if pool is None:
            pool = executor(n_workers)
        return pool

    def map_many(n):
        assert sum(first().map(work.f, range(n), chunksize=chunksize)) == n * (n + 1) // 2

    def submit_many(n):
        tasks = [first().submit(work.f, x) for x in range(n)]
        assert sum(task.result() for task in tasks) == n * (n + 1) // 2

    def run_all(sizes):
        for _ in first().map(work.spin, sizes):
            pass

    def call(function, *arguments):
        return first().submit(function, *arguments).result()

    def bytes_in(size, n):
        blob = bytes(size)
        return middle(lambda: call(work.take, blob), n)

    def both(size, n):
        blob = bytes(size)
        return middle(lambda: call(work.same, blob), n)

    def frame(size, n, way):
        if way == "in":
            value = work.Frame(1024, bytearray(size))
            return middle(lambda: call(work.take, value), n)
        return middle(lambda: call(work.give_frame, size), n)

    def start():
        began = perf_counter()
        assert list(first().map(work.f, range(n_workers))) == [1 + i for i in range(n_workers)]
        return perf_counter() - began

    def memory():
        before, n = resident(), 16
        many = executor(n)
        # Each worker is busy until all have been started.
        list(many.map(work.spin, [2_000_000] * n))
        if kind == "processes":
            children = multiprocessing.active_children()
            return sum(share_of_memory(child.pid) for child in children) / len(children)
        return (resident() - before) / n

    def pair(name, n):
        function = getattr(workloads, name)
        call(function, 1)
        times = []
        for together in (1, n_workers, 1):
            began = perf_counter()
            for task in [first().submit(function, n) for _ in range(together)]:
                task.result()
            times.append(perf_counter() - began)
        return n_workers * (times[0] + times[2]) / 2 / times[1]

    def together(name, n):
        function = getattr(packages, name)
        began = perf_counter()
        for task in [first().submit(function, n) for _ in range(n_workers)]:
            task.result()
        return n_workers * n / (perf_counter() - began)

    serve({
        "map": lambda seconds: rate(map_many, seconds),
        "submit": lambda seconds: rate(submit_many, seconds),
        "call": lambda n: middle(lambda: call(work.f, 1), n),
        "tasks": lambda sizes: work.share(run_all, sizes),
        "in": bytes_in,
        "out": lambda size, n: middle(lambda: call(work.give, size), n),
        "both": both,
        "frame": frame,
        "start": start,
        "memory": memory,
        "pair": pair,
        "together": together,
    })


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
