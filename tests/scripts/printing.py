"""Prints in pieces, on both streams."""

import sys


def lines(number):
    for line in range(5):
        for stream in (sys.stdout, sys.stderr):
            stream.write(f"task {number} ")
            stream.write(f"line {line} ")
            print("x" * 100, "end", file=stream)
    return number
