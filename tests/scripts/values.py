"""Functions on values of many kinds."""

import json


class Point:
    """Rust cannot read it."""


def same(value):
    return value


def shown(value):
    return repr(value)


def with_dumps(value):
    """The value, and what Python's own JSON makes of it."""
    return [value, json.dumps(value, separators=(",", ":"), ensure_ascii=False)]


def made(source):
    """The value of an expression, and what Python's own JSON makes of it."""
    return with_dumps(eval(source))


def evaluated(source):
    return eval(source, globals())


def all_of(*values):
    return values


def call(*values, **named):
    """The arguments as they would be written."""
    return ", ".join([*map(repr, values), *(f"{name}={value!r}" for name, value in named.items())])
