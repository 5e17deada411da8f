"""multiprocessing.Pool, with the chunk size that suits tiny tasks best."""

import multiprocessing
import sys

from answering import middle, rate, serve
from work import f


def main(n_workers):
    pool = multiprocessing.Pool(n_workers)

    def map_many(n):
        assert sum(pool.imap(f, range(n), chunksize=256)) == n * (n + 1) // 2

    def submit_many(n):
        tasks = [pool.apply_async(f, (x,)) for x in range(n)]
        assert sum(task.get() for task in tasks) == n * (n + 1) // 2

    serve({
        "map": lambda seconds: rate(map_many, seconds),
        "submit": lambda seconds: rate(submit_many, seconds),
        "call": lambda n: middle(lambda: pool.apply(f, (1,)), n),
    })


if __name__ == "__main__":
    main(int(sys.argv[1]))
