"""The same with ProcessPoolExecutor: the argument is the number of processes, and standard input has the paths."""

import sys
from concurrent.futures import ProcessPoolExecutor

import stats

if __name__ == "__main__":
    paths = sys.stdin.read().splitlines()
    with ProcessPoolExecutor(int(sys.argv[1])) as executor:
        for n_words in executor.map(stats.convert, paths, chunksize=64):
            print(n_words)
