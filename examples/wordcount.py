"""Counts the words of text files."""

import re
import sys


def count(path):
    with open(path, encoding="utf-8") as file:
        words = re.findall(r"[a-z]+", file.read().lower())
    return {"file": path, "words": len(words), "longest": max(words, key=len)}


if __name__ == "__main__":
    print(count(sys.argv[1])["words"], sys.argv[1])
