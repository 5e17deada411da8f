"""Functions that fail for some inputs."""

import json
import sys


def picky(line):
    print("looking at", line)
    print("and", line, "again", file=sys.stderr, end="")
    if line == "bad":
        check(line)
    return line


def check(line):
    error = ValueError(f"{line} is bad\nvery bad")
    error.add_note("a note")
    raise error


def leave(line):
    sys.exit(f"no {line}")


def parse(line):
    return json.loads(line)
