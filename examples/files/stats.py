"""Parses, counts and converts a text file with some fields in front."""

import collections
import json
import os
import re
import sys


def convert(path):
    """Writes the file as JSON into the folder that CONVERTED names, with counts of its words; how many words it has."""
    with open(path, encoding="utf-8") as file:
        head, _, body = file.read().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    words = re.findall(r"[a-z]+", body.lower())
    record = {**fields, "n_words": len(words), "frequent": collections.Counter(words).most_common(10)}
    with open(os.path.join(os.environ["CONVERTED"], os.path.basename(path) + ".json"), "w", encoding="utf-8") as file:
        json.dump(record, file)
    return len(words)


if __name__ == "__main__":
    # As a script: what xargs and GNU parallel start, with some files each time.
    for path in sys.argv[1:]:
        # At once: others write to the same pipe, and with PYTHONUNBUFFERED print() writes a line in two parts.
        sys.stdout.write(f"{convert(path)}\n")
