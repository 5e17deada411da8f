"""The executors of concurrent.futures: threads, interpreters, processes."""

import concurrent.futures as futures
import sys

from answering import middle, rate, serve
from work import f

CHUNK = {"processes": 256}


def main(n_workers, kind):
    classes = {
        "threads": "ThreadPoolExecutor",
        "interpreters": "InterpreterPoolExecutor",
        "processes": "ProcessPoolExecutor",
    }
    pool = getattr(futures, classes[kind])(n_workers)
    # Only processes send more than one call at a time, if told to.
    chunksize = CHUNK.get(kind, 1)

    def map_many(n):
        total = sum(pool.map(f, range(n), chunksize=chunksize))
        assert total == n * (n + 1) // 2

    def submit_many(n):
        tasks = [pool.submit(f, x) for x in range(n)]
        assert sum(task.result() for task in tasks) == n * (n + 1) // 2

    serve({
        "map": lambda seconds: rate(map_many, seconds),
        "submit": lambda seconds: rate(submit_many, seconds),
        "call": lambda n: middle(lambda: pool.submit(f, 1).result(), n),
    })


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
