"""The functions that peers call, importable in every process and interpreter."""

from dataclasses import dataclass
from time import perf_counter

BLOBS = {}


@dataclass
class Frame:
    width: int
    pixels: bytearray


def f(x):
    return x + 1


def spin(n):
    total = 0
    for i in range(n):
        total += i & 7
    return total


def take(_):
    return None


def same(x):
    return x


def give(n):
    if n not in BLOBS:
        BLOBS[n] = bytes(n)
    return BLOBS[n]


def give_frame(n):
    if "frame" not in BLOBS:
        BLOBS["frame"] = Frame(1024, bytearray(n))
    return BLOBS["frame"]


def share(run, sizes):
    """The share of two workers' time that `run(sizes)` spends in tasks, going by a plain loop."""
    start = perf_counter()
    for n in sizes:
        spin(n)
    busy = perf_counter() - start
    start = perf_counter()
    run(sizes)
    return busy / 2 / (perf_counter() - start)
