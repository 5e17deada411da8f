"""mpire's WorkerPool, with its workers kept alive between calls."""

import sys
from time import perf_counter

import work
from answering import middle, rate, serve
from mpire import WorkerPool


def main(n_workers):
    pool = WorkerPool(n_jobs=n_workers, keep_alive=True)

    def map_many(n):
        values = pool.imap(work.f, range(n), iterable_len=n, chunk_size=256)
        assert sum(values) == n * (n + 1) // 2

    def submit_many(n):
        tasks = [pool.apply_async(work.f, (x,)) for x in range(n)]
        assert sum(task.get() for task in tasks) == n * (n + 1) // 2

    def run_all(sizes):
        # Its own choice of chunks.
        for _ in pool.imap(work.spin, sizes, iterable_len=len(sizes)):
            pass

    def start():
        began = perf_counter()
        assert pool.map(work.f, range(n_workers)) == [1 + i for i in range(n_workers)]
        return perf_counter() - began

    serve({
        "map": lambda seconds: rate(map_many, seconds),
        "submit": lambda seconds: rate(submit_many, seconds),
        "call": lambda n: middle(lambda: pool.apply(work.f, (1,)), n),
        "tasks": lambda sizes: work.share(run_all, sizes),
        "start": start,
    })


if __name__ == "__main__":
    main(int(sys.argv[1]))
