"""msgpack: all kinds of values out and in, streams, own types, times, limits, errors."""

import datetime

import msgpack

from exercise import digest, in_threads, raised

DISTRIBUTION = "msgpack"


def rows(seed):
    return [
        {"id": i * seed, "name": f"näme {i}", "raw": bytes([i] * 9), "deep": [i / 7, {"x": [None, True]}]}
        for i in range(60)
    ]


def through(seed):
    data = msgpack.packb(rows(seed))
    assert msgpack.unpackb(data) == rows(seed)
    return digest(data)


def out(value):
    if isinstance(value, complex):
        return msgpack.ExtType(5, f"{value.real} {value.imag}".encode())
    raise TypeError(f"not {type(value).__name__}")


def back(code, data):
    if code == 5:
        return complex(*map(float, data.decode().split()))
    return msgpack.ExtType(code, data)


def work(seed):
    packer = msgpack.Packer(default=out, datetime=True)
    when = datetime.datetime(2024, 2, 29, seed % 24, tzinfo=datetime.timezone.utc)
    own = packer.pack([seed + 1j, when, msgpack.ExtType(7, b"x")])
    value, time, odd = msgpack.unpackb(own, ext_hook=back, timestamp=3)
    assert (value, time, odd) == (seed + 1j, when, msgpack.ExtType(7, b"x"))
    stream = msgpack.Unpacker(max_buffer_size=1 << 20)
    whole = b"".join(msgpack.packb(row) for row in rows(seed))
    n_found = 0
    for start in range(0, len(whole), 97):
        stream.feed(whole[start : start + 97])
        n_found += sum(1 for _ in stream)
    maps = msgpack.unpackb(msgpack.packb({2: "b", "a": seed}), strict_map_key=False)
    pairs = msgpack.unpackb(msgpack.packb({"a": 1, "b": seed}), object_pairs_hook=list)
    return {
        "threads": in_threads(through, range(seed, seed + 6)),
        "own": digest(own),
        "found": n_found,
        "maps": sorted(map(str, maps.items())),
        "pairs": pairs,
        "ints": msgpack.unpackb(msgpack.packb([-1, 1 << 63, -(1 << 40), seed])),
        "errors": [
            raised(TypeError, msgpack.packb, object()).partition(" object at")[0],
            raised(OverflowError, msgpack.packb, 1 << 64),
            raised(msgpack.ExtraData, msgpack.unpackb, b"\x01\x02"),
            raised(ValueError, msgpack.unpackb, b"\x92\x01"),
            raised(ValueError, msgpack.unpackb, msgpack.packb({1: 2})),
            raised(msgpack.FormatError, msgpack.unpackb, b"\xc1"),
            raised(UnicodeDecodeError, msgpack.unpackb, b"\xa1\xff"),
            raised(ValueError, lambda: msgpack.unpackb(own, max_array_len=1)),
        ],
    }
