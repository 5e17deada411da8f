"""Look-alikes in source text: words that occur once and are a keystroke away from a frequent one.

What `make run` calls, once per file of the standard library. Nearly all of its time goes to plain
Python bytecode, the edit distance of two words: that is what one GIL lets run on one core only.
"""

import collections
import os
import re

_WORD = re.compile(r"[a-z]{6,}")


def sources(n):
    """The first `n` files of the standard library that are neither very short nor very long."""
    folder = os.path.dirname(os.__file__)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if 8_000 <= os.path.getsize(path) <= 120_000][:n]


def look_alikes(path):
    """Pairs of a word that occurs once in the file and a frequent one that it may have been meant to be."""
    with open(path, encoding="utf-8") as file:
        counts = collections.Counter(_WORD.findall(file.read().lower()))
    # Bounded, so that a call takes about ten milliseconds, however long the file is.
    frequent = sorted(word for word, n in counts.most_common(40) if n > 1)
    rare = sorted(word for word, n in counts.items() if n == 1)[:40]
    return [
        (word, other)
        for word in rare
        for other in frequent
        if abs(len(word) - len(other)) < 2 and _distance(word, other) == 1
    ]


def _distance(a, b):
    """How many keystrokes turn one word into the other: a letter more, less or other, or two swapped."""
    before, last = [], list(range(len(b) + 1))
    for i, x in enumerate(a):
        row = [i + 1]
        for j, y in enumerate(b):
            distance = min(last[j + 1] + 1, row[j] + 1, last[j] + (x != y))
            if i and j and x == b[j - 1] and y == a[i - 1]:
                distance = min(distance, before[j - 1] + 1)
            row.append(distance)
        before, last = last, row
    return last[-1]
