"""What one writes by hand with multiprocessing: SCRIPT N_WORKERS, an input on each line of standard input."""

import multiprocessing
import runpy
import sys


def run(name):
    sys.argv[1:] = [name]
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.stdout.flush()


def main():
    script, n_workers = sys.argv[1:]
    sys.argv[:] = [script]
    names = sys.stdin.read().split()
    with multiprocessing.Pool(int(n_workers), start, [script]) as pool:
        pool.map(run, names)


def start(script):
    sys.argv[:] = [script]


if __name__ == "__main__":
    main()
