"""joblib with its default backend, loky, which chooses its batches by itself."""

import sys
from time import perf_counter

import work
from answering import rate, serve
from joblib import Parallel, delayed


def main(n_workers):
    pool = Parallel(n_jobs=n_workers)

    def run(function, inputs):
        with pool:
            return pool(delayed(function)(x) for x in inputs)

    def map_many(n):
        assert sum(run(work.f, range(n))) == n * (n + 1) // 2

    def start():
        began = perf_counter()
        assert run(work.f, range(n_workers)) == [1 + i for i in range(n_workers)]
        return perf_counter() - began

    serve({
        "map": lambda seconds: rate(map_many, seconds),
        "tasks": lambda sizes: work.share(lambda sizes: run(work.spin, sizes), sizes),
        "start": start,
    })


if __name__ == "__main__":
    main(int(sys.argv[1]))
