"""multiprocessing.Pool, with the chunk size that suits tiny tasks best."""

import multiprocessing
import sys
from time import perf_counter

import work
from answering import middle, rate, serve


def main(n_workers):
    pool = None

    def first():
        nonlocal pool
        if pool is None:
            pool = multiprocessing.Pool(n_workers)
        return pool

    def map_many(n):
        assert sum(first().imap(work.f, range(n), chunksize=256)) == n * (n + 1) // 2

    def map_unordered(n):
        assert sum(first().imap_unordered(work.f, range(n), chunksize=256)) == n * (n + 1) // 2

    def submit_many(n):
        tasks = [first().apply_async(work.f, (x,)) for x in range(n)]
        assert sum(task.get() for task in tasks) == n * (n + 1) // 2

    def run_all(sizes):
        for _ in first().imap(work.spin, sizes):
            pass

    def call(function, *arguments):
        return first().apply(function, arguments)

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
        assert first().map(work.f, range(n_workers)) == [1 + i for i in range(n_workers)]
        return perf_counter() - began

    serve({
        "map": lambda seconds: rate(map_many, seconds),
        "map_unordered": lambda seconds: rate(map_unordered, seconds),
        "submit": lambda seconds: rate(submit_many, seconds),
        "call": lambda n: middle(lambda: call(work.f, 1), n),
        "tasks": lambda sizes: work.share(run_all, sizes),
        "in": bytes_in,
        "out": lambda size, n: middle(lambda: call(work.give, size), n),
        "both": both,
        "frame": frame,
        "start": start,
    })


if __name__ == "__main__":
    main(int(sys.argv[1]))
