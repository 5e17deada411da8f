"""joblib with its default backend, loky, which chooses its batches by itself."""

import sys

from answering import rate, serve
from joblib import Parallel, delayed
from work import f


def main(n_workers):
    pool = Parallel(n_jobs=n_workers)

    def map_many(n):
        with pool:
            total = sum(pool(delayed(f)(x) for x in range(n)))
        assert total == n * (n + 1) // 2

    serve({"map": lambda seconds: rate(map_many, seconds)})


if __name__ == "__main__":
    main(int(sys.argv[1]))
