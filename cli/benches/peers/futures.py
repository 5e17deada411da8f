"""The executors of concurrent.futures: threads, interpreters, processes."""

import concurrent.futures as futures
import functools
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


class Peer:
    """An executor, and what rows ask of it."""

    def __init__(self, n_workers, kind):
        self.n_workers = n_workers
        self.kind = kind
        self.executor = getattr(futures, CLASSES[kind])
        # Only processes send more than one call at a time, if asked to.
        self.chunksize = 256 if kind == "processes" else 1

    @functools.cached_property
    def pool(self):
        return self.executor(self.n_workers)

    def map_many(self, n):
        assert sum(self.pool.map(work.f, range(n), chunksize=self.chunksize)) == n * (n + 1) // 2

    def submit_many(self, n):
        tasks = [self.pool.submit(work.f, x) for x in range(n)]
        assert sum(task.result() for task in tasks) == n * (n + 1) // 2

    def run_all(self, sizes):
        for _ in self.pool.map(work.spin, sizes):
            pass

    def call(self, function, *arguments):
        return self.pool.submit(function, *arguments).result()

    def bytes_in(self, size, n):
        blob = bytes(size)
        return middle(lambda: self.call(work.take, blob), n)

    def both(self, size, n):
        blob = bytes(size)
        return middle(lambda: self.call(work.same, blob), n)

    def frame(self, size, n, way):
        if way == "in":
            value = work.Frame(1024, bytearray(size))
            return middle(lambda: self.call(work.take, value), n)
        return middle(lambda: self.call(work.give_frame, size), n)

    def start(self):
        began = perf_counter()
        n = self.n_workers
        assert list(self.pool.map(work.f, range(n))) == [1 + i for i in range(n)]
        return perf_counter() - began

    def memory(self):
        before, n = resident(), 16
        many = self.executor(n)
        # Each worker is busy until all have been started.
        list(many.map(work.spin, [2_000_000] * n))
        if self.kind == "processes":
            children = multiprocessing.active_children()
            return sum(share_of_memory(child.pid) for child in children) / len(children)
        return (resident() - before) / n

    def seconds_of(self, n_calls, function, n):
        """How long it takes until that many calls, made at once, have ended."""
        began = perf_counter()
        for task in [self.pool.submit(function, n) for _ in range(n_calls)]:
            task.result()
        return perf_counter() - began

    def pair(self, name, n):
        function = getattr(workloads, name)
        self.call(function, 1)
        first, together, last = (self.seconds_of(n_calls, function, n) for n_calls in (1, self.n_workers, 1))
        return self.n_workers * (first + last) / 2 / together

    def together(self, name, n):
        return self.n_workers * n / self.seconds_of(self.n_workers, getattr(packages, name), n)


def main(n_workers, kind):
    peer = Peer(n_workers, kind)
    serve({
        "map": lambda seconds: rate(peer.map_many, seconds),
        "submit": lambda seconds: rate(peer.submit_many, seconds),
        "call": lambda n: middle(lambda: peer.call(work.f, 1), n),
        "tasks": lambda sizes: work.share(peer.run_all, sizes),
        "in": peer.bytes_in,
        "out": lambda size, n: middle(lambda: peer.call(work.give, size), n),
        "both": peer.both,
        "frame": peer.frame,
        "start": peer.start,
        "memory": peer.memory,
        "pair": peer.pair,
        "together": peer.together,
    })


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
