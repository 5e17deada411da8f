"""orjson: all kinds of values out and in, options, numpy arrays, a default function, errors."""

import dataclasses
import datetime
import uuid

import numpy as np
import orjson

from exercise import digest, in_threads, raised

DISTRIBUTION = "orjson"


@dataclasses.dataclass
class Point:
    x: int
    y: float
    tags: list


def rows(seed):
    return [
        {"id": i * seed, "name": f"näme {i}", "tags": ["a", None, True], "deep": {"x": [i / 7, -i]}} for i in range(80)
    ]


def through(seed):
    data = orjson.dumps(rows(seed))
    assert orjson.loads(data) == rows(seed)
    return digest(data)


def other(value):
    if isinstance(value, complex):
        return [value.real, value.imag]
    raise TypeError(f"not {type(value).__name__}")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def work(seed):
    when = datetime.datetime(2024, 2, 29, seed % 24, tzinfo=datetime.timezone.utc)
    named = {"point": Point(seed, seed / 3, ["é"]), "when": when, "id": uuid.UUID(int=seed), "complex": 1 + 2j}
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    return {
        "threads": in_threads(through, range(seed, seed + 6)),
        "named": orjson.dumps(named, default=other).decode(),
        "keys": orjson.dumps({2: 1, "a": 2, None: 3, 1.5: seed}, option=options).decode(),
        "array": digest(orjson.dumps(np.arange(seed, seed + 50).reshape(5, 10) / 8, option=orjson.OPT_SERIALIZE_NUMPY)),
        "text": digest(*orjson.loads(orjson.dumps(["\U0001f600", '\\"\n', "é" * 50]))),
        "numbers": orjson.loads(b"[1e10, -0.5, 9007199254740993, 1.7976931348623157e308]"),
        "errors": [
            raised(orjson.JSONDecodeError, orjson.loads, data)
            for data in (b"", b"{", b'{"a":}', b"[1,]", b"\xff", b"nul")
        ]
        + [
            raised(TypeError, orjson.dumps, object()),
            raised(TypeError, lambda: orjson.dumps({1, 2}, default=other)),
            raised(TypeError, orjson.dumps, 1 << 70),
            raised(TypeError, orjson.dumps, nested(300)),
        ],
    }
