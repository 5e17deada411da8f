"""The same with ProcessPoolExecutor: as many processes as told, and the paths on standard input."""

import sys
from concurrent.futures import ProcessPoolExecutor

import stats

if __name__ == "__main__":
    paths = sys.stdin.read().splitlines()
    with ProcessPoolExecutor(int(sys.argv[1])) as executor:
        for n_words in executor.map(stats.convert, paths, chunksize=64):
            print(n_words)
