"""The most frequent words of text files, as a script for multiprocessing."""

import collections
import multiprocessing
import re
import sys


def top(path, n=3):
    """The `n` most frequent words of a file."""
    with open(path, encoding="utf-8") as file:
        words = re.findall(r"[a-z]+", file.read().lower())
    return {"file": path, "top": collections.Counter(words).most_common(n)}


if __name__ == "__main__":
    with multiprocessing.Pool() as pool:
        for found in pool.imap(top, sys.argv[1:]):
            print(found)
