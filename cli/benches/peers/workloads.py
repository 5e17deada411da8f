"""Pure-Python and standard-library work of many kinds; each function takes the number of repetitions."""

import decimal
import hashlib
import json
import pickle
import re
import sqlite3


def nbody(n):
    bodies = [[i * 1.5, i * -0.5, i * 0.25, 0.0, 0.01 * i, 0.0, 1.0 / (i + 1)] for i in range(5)]
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
    for _ in range(n * 40):
        for a, b in pairs:
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            pull = 0.001 / ((dx * dx + dy * dy + dz * dz) ** 1.5 + 1.0)
            for body, sign in ((a, -b[6] * pull), (b, a[6] * pull)):
                body[3] += dx * sign
                body[4] += dy * sign
                body[5] += dz * sign
        for body in bodies:
            body[0] += 0.001 * body[3]
            body[1] += 0.001 * body[4]
            body[2] += 0.001 * body[5]


def spectral_norm(n):
    size = 24

    def times(vector):
        return [
            sum(x / ((i + j) * (i + j + 1) // 2 + i + 1) for j, x in enumerate(vector))
            for i in range(size)
        ]

    for _ in range(n):
        vector = [1.0] * size
        for _ in range(8):
            vector = times(vector)


def int_loop(n):
    total = 0
    for i in range(n * 20_000):
        total = (total * 31 + i) % 1_000_003


def dict_heavy(n):
    for _ in range(n):
        counts = {}
        for i in range(8000):
            key = i * 7919 % 4001
            counts[key] = counts.get(key, 0) + 1
        sum(counts.values())


def small_strings(n):
    for _ in range(n):
        words = [f"word-{i}" for i in range(4000)]
        " ".join(words).upper().split()


def big_blocks(n):
    for i in range(n * 40):
        block = bytearray(100_000)
        block[i % 100_000] = 1
        bytes(block)


def middle_blocks(n):
    for _ in range(n):
        blocks = [bytes(600 + i % 3000) for i in range(3000)]
        sum(len(block) for block in blocks)


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, dx):
        return Point(self.x + dx, self.y)


def objects_with_slots(n):
    for _ in range(n):
        points = [Point(i, i) for i in range(3000)]
        points = [point.moved(1) for point in points]
        sum(point.x for point in points)


def constants(n):
    empty = ()
    for _ in range(n * 10_000):
        pair = (None, True)
        other = (empty, False, pair)
        if other is None or pair[0] is not None:
            raise AssertionError


class Shape:
    sides = 0

    def area(self):
        return self.sides * 2


class Square(Shape):
    sides = 4

    def __init__(self):
        self.colour = "red"
        self.size = 1


def attributes(n):
    shapes = [Square() if i % 2 else Shape() for i in range(100)]
    for _ in range(n * 60):
        for shape in shapes:
            if isinstance(shape, Square):
                shape.size = shape.area() + len(shape.colour)
            else:
                shape.area()


SOURCE = "\n".join(
    f"def function_{i}(a, b={i}):\n    if a > b:\n        return [x + {i} for x in range(b)]\n    return a * b\n"
    for i in range(20)
)


def compiling(n):
    for _ in range(n):
        compile(SOURCE, "<workload>", "exec")


RECORDS = [
    {"id": i, "name": f"person {i}", "tags": ["a", "b", str(i)], "score": i / 3, "ok": i % 2 == 0}
    for i in range(200)
]


def json_text(n):
    for _ in range(n * 2):
        if len(json.loads(json.dumps(RECORDS))) != len(RECORDS):
            raise AssertionError


def pickling(n):
    for _ in range(n * 5):
        if len(pickle.loads(pickle.dumps(RECORDS))) != len(RECORDS):
            raise AssertionError


LOG = "\n".join(f"2024-01-{i % 28 + 1:02} 12:{i % 60:02}:00 host{i} GET /page/{i}?q=word{i} 200" for i in range(200))
REQUEST = re.compile(r"^(\d{4})-(\d\d)-(\d\d) (\S+) (\w+) (GET|POST) (/\w+/\d+)(\?\S*)? (\d{3})$", re.MULTILINE)


def regular_expressions(n):
    for _ in range(n * 3):
        if len(REQUEST.findall(LOG)) != 200:
            raise AssertionError


def sqlite(n):
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (id integer primary key, name text, score real)")
        for turn in range(n):
            rows = ((turn * 500 + i, f"name {i}", i / 3) for i in range(500))
            database.executemany("insert into t values (?, ?, ?)", rows)
            database.execute("select sum(score) from t where id >= ?", (turn * 500,)).fetchone()
            database.execute("delete from t")
    database.close()


def hashing(n):
    block = b"x" * 4000
    for _ in range(n * 150):
        hashlib.sha256(block).hexdigest()


def decimals(n):
    with decimal.localcontext() as context:
        context.prec = 40
        for _ in range(n):
            total = decimal.Decimal(1)
            for i in range(1, 1500):
                total += decimal.Decimal(1) / i


def exceptions(n):
    def fail(i):
        raise ValueError(i)

    caught = 0
    for i in range(n * 4000):
        try:
            fail(i)
        except ValueError as error:
            caught += error.args[0] & 1


def closures_and_generators(n):
    def counter(step):
        count = 0

        def add():
            nonlocal count
            count += step
            return count

        return add

    def numbers(limit):
        add = counter(1)
        while (value := add()) < limit:
            yield value

    for _ in range(n):
        sum(value * 2 for value in numbers(10_000))


def with_keywords(a, *, b=1, **others):
    return a + b + others["c"]


def keyword_calls(n):
    for i in range(n * 8000):
        with_keywords(i, b=2, c=3)


def new_types(n):
    for i in range(n * 40):
        made = type(f"Made{i}", (Shape,), {"sides": i, "area": lambda self: self.sides})
        made().area()
