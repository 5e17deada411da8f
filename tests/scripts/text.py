"""Functions on lines of text."""

import sys


def shout(line):
    return line.upper() + "!"


def same(line):
    return line


def hexadecimal(line):
    """The bytes that the line was, whatever they were."""
    return line.encode("utf-8", "surrogateescape").hex()


def executable(_):
    return sys.executable


class Words:
    @staticmethod
    def count(line):
        return len(line.split())

    @staticmethod
    def of(line):
        yield from line.split()
