"""Cases of the language itself: numbers, text, containers and functions."""

import builtins
import cmath
import contextlib
import contextvars
import functools
import math
import threading
import unicodedata

from . import case


# Numbers


@case(
    (0,), (1,), (-1,), (255,), (-256,), (2**31,), (2**63 - 1,), (-(2**63),), (2**63,), (-(2**63) - 1,), (2**64,),
    (10**40,), (-(3**500),),
)
def integers(n):
    size = n.bit_length() // 8 + 1
    same = int.from_bytes(n.to_bytes(size, "little", signed=True), "little", signed=True)
    return [n, -n, ~n, n * n, n << 65, n >> 3, divmod(n, 7), divmod(n, -7), hex(n), f"{n:+,}", same, n.bit_count(), n % 1000003]


@case((0.0,), (-0.0,), (1.5,), (0.1,), (1e308,), (5e-324,), (math.inf,), (-math.inf,), (math.nan,), (-math.nan,))
def floats(x):
    return [x, -x, x * 0.1, x + 1e300, x.hex(), repr(x), f"{x:.3e}", math.copysign(1.0, x), x == x, (x, [x], {"x": x})]


@case((2.5,), (-7.25,), (1e22,), (123456.789,))
def float_operations(x):
    return [round(x), round(x, 1), x // 0.3, x % 0.3, math.floor(x), math.frexp(x), x.as_integer_ratio(), f"{x:,.2f}", f"{x:g}"]


@case((0j,), (1 + 2j,), (complex(-0.0, math.inf),), (complex(math.nan, -1.5),))
def complex_numbers(z):
    return [z, repr(z), z.conjugate(), abs(z), cmath.phase(z), z * 1j]


@case()
def mathematics():
    return [
        math.isqrt(10**60), math.comb(100, 50), math.gcd(2**70, 6**40), math.fsum([0.1] * 10), math.prod(range(1, 30)),
        math.nextafter(1.0, 2.0), math.ulp(1e10), math.lgamma(10.5), math.erf(0.3), math.dist((1, 2), (4, 6)),
        cmath.sqrt(-2), pow(3, -1, 7), pow(2, 10**6, 10**9 + 7),
    ]


@case()
def singletons():
    return [None, True, False, ..., NotImplemented, (), frozenset(), "", b"", True + True, isinstance(True, int)]


@case((7,), (50,))
def recursion(depth):
    def fibonacci(n, memo={}):
        if n not in memo:
            memo[n] = n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
        return memo[n]

    def ackermann(m, n):
        if m == 0:
            return n + 1
        return ackermann(m - 1, 1) if n == 0 else ackermann(m - 1, ackermann(m, n - 1))

    return fibonacci(depth), ackermann(2, 3)


# Text and bytes


@case(
    ("",), ("ascii",), ("Straße İstanbul ǆ",), ("日本語",), ("e\u0301 \u00e9 \ufb01",), ("👩‍👩‍👧‍👦🏳️‍🌈",), ("nul\0\x01\x7f",),
    ("\ud800 alone \udfff",), ("\U0010ffff",), ("tab\tline\r\nsep\u2028end",),
)
def text(s):
    forms = [unicodedata.normalize(form, s) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return [
        s, len(s), s[::-1], s.upper(), s.lower(), s.casefold(), s.title(), s.swapcase(), s.split(), s.splitlines(), forms,
        ascii(s), s.encode("utf-8", "surrogatepass"), s.isidentifier(), s.isprintable(), s.center(30, "·"),
        s.translate({0x65: "E", 0x73: None}),
    ]


@case(("grüße",), ("plain",), ("日本",))
def encodings(s):
    found = {}
    for name in ("utf-8", "utf-16", "utf-32-be", "latin-1", "cp1252", "shift_jis", "punycode", "idna", "utf-7", "raw_unicode_escape"):
        try:
            found[name] = s.encode(name)
        except UnicodeError as error:
            found[name] = str(error)
    return found, s.encode("ascii", "xmlcharrefreplace"), s.encode("ascii", "namereplace")


@case((1234567.891, -42, "név"))
def formatting(x, n, s):
    return [
        f"{x:>20,.2f}|{n:+08d}|{s!r:^12}|{s:*<8}|{n:#x}|{n:b}|{x:%}|{x!s}", f"{n=} {s = }", "%-10s|%05.1f|%x" % (s, x, 255),
        "{0} {2[k]} {1.real}".format(s, n, {"k": 1}), format(2**70, "_d"), f"{f'{s}':{n // -4}}",
    ]


@case((b"",), (b"\x00\xff bytes \x80",), (bytes(range(256)),))
def byte_strings(data):
    view = memoryview(data)
    return [
        data, data.hex(":"), data[::-1], list(data[:4]), data.replace(b"\x00", b"nul"), bytearray(data), view[1:3].tobytes(),
        data.decode("latin-1"), data.decode("utf-8", "replace"), data.partition(b" "),
    ]


# Containers


@case()
def nested_containers():
    return {
        "list": [1, [2, [3, [4.0, None]]]],
        "tuple": ((), (1,), (1, (2, (3,)))),
        (1, "key", None): {frozenset({1, 2}): {frozenset({frozenset()})}},
        1.5: b"bytes", None: True, False: {"": []},
    }


@case((5,), (1000,))
def dict_order(n):
    d = {i * 7919 % n: i for i in range(n)}
    d.pop(next(iter(d)))
    d["last"] = 1
    d |= {3: "again"}
    return d, list(d), list(reversed(d))[:3], {**d, "x": 1} == d


@case((("b", "a", "c", "a"),), ((1, 1.0, True, 2**70, "1"),))
def sets(items):
    s = set(items)
    return [s, frozenset(items), s | {"more"}, s & {"a", 1}, s ^ {"a", "z"}, s - {"b"}, s <= s | {0}, len(s), set(), {s.__class__}]


@case()
def keys_that_compare_equal():
    nan = math.nan
    return {1: "int", True: "bool", 1.0: "float"}, {nan: 1, float("nan"): 2}, [nan in {nan}, nan == nan], {0.0: "+", -0.0: "-"}


@case()
def aliases():
    shared, pair = [1], ([2], {3})
    return {"twice": [shared, shared], "again": shared, "pair": (pair, pair), "rows": [[0] * 2] * 3}


@case()
def aliases_inside():
    x = []
    y = [x, x]
    y[0].append(1)
    return x is y[0], y[0] is y[1], y, y[:] is y, tuple(y) is tuple(y)


@case()
def cycle():
    loop = [1]
    loop.append({"loop": loop})
    return loop


@case()
def cycle_inside():
    node = {"name": "a"}
    node["self"] = node
    pair = [node]
    pair.append(pair)
    return repr(pair), node["self"]["self"] is node, pair == pair


@case((10,), (100,), (127,), (128,), (129,), (400,))
def deep_nesting(depth):
    value = "bottom"
    for level in range(depth):
        value = [value] if level % 3 == 0 else {"down": value} if level % 3 == 1 else (value, level)
    return value


@case((50_000,))
def large_list(n):
    return list(range(n)), [str(i) for i in range(n // 10)], b"\x5a" * n * 10


@case()
def unpacking_and_slices():
    first, *middle, last = range(10)
    numbers = list(range(10))
    numbers[2:8:2] = "abc"
    del numbers[-1:]
    (a, [b, *c]), d = (1, (2, 3, 4)), {**{"x": 1}, "y": 2}
    return first, middle, last, numbers, (a, b, c), d, slice(1, None, -2), range(0, 100, 7)


@case()
def comprehensions():
    rows = [[i * j for j in range(4)] for i in range(4)]
    index = {row[1]: sum(row) for row in rows if any(row)}
    total = sum(x for row in rows for x in row if x % 2)
    (last := rows[-1]).append(total)
    return rows, index, {x % 3 for row in rows for x in row}, last, [(y := i, y**2) for i in range(3)]


@case(({"kind": "point", "at": [1, 2]},), ([1, 2, 3, 4],), ("text",), ({"kind": "other"},), (7,))
def pattern_matching(subject):
    match subject:
        case {"kind": "point", "at": [x, y]}:
            return "point", x + y
        case [first, *rest] if len(rest) > 2:
            return "list", first, rest
        case str() as s:
            return "str", s
        case {"kind": kind, **others}:
            return "dict", kind, others
        case int(n) | float(n):
            return "number", n
    return "nothing"


@case()
def sorting():
    words = "the Quick brown fox Jumps over the lazy dog".split()
    rows = [(i % 3, -i, word) for i, word in enumerate(words)]
    return [
        sorted(words), sorted(words, key=str.lower, reverse=True), sorted(rows), min(rows, key=lambda row: row[1]),
        sorted(rows, key=functools.cmp_to_key(lambda a, b: (a[2] > b[2]) - (a[2] < b[2]))), max(words, key=len),
    ]


# Functions and generators


@case((3,))
def closures(n):
    def counter():
        nonlocal n
        n += 1
        return n

    adders = [lambda x, i=i: x + i + n for i in range(3)]
    late = [lambda: i for i in range(3)]
    return [counter(), counter(), n], [add(10) for add in adders], [f() for f in late], counter.__closure__[0].cell_contents


@case()
def call_forms():
    def f(a, /, b=2, *args, c, d=4, **kwargs):
        return a, b, args, c, d, kwargs

    return f(1, c=3), f(1, 2, 3, 4, c=5, e=6), f(*(1, 2), **{"c": 3, "a": "in kwargs"}), f.__kwdefaults__, f.__code__.co_varnames


@case()
def decorators():
    calls = []

    def logged(label):
        def decorate(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                calls.append((label, function.__name__, args, kwargs))
                return function(*args, **kwargs)

            return wrapper

        return decorate

    @logged("outer")
    @logged("inner")
    def area(w, h=1):
        """Width times height."""
        return w * h

    return area(2, h=3), area(4), calls, area.__name__, area.__doc__


@case()
def generators():
    log = []

    def inner():
        try:
            sent = yield "first"
            log.append(("sent", sent))
            try:
                yield "second"
            except ValueError as error:
                log.append(("thrown", str(error)))
                yield "after throw"
            return "returned"
        finally:
            log.append("closed")

    def outer():
        log.append(("inner gave", (yield from inner())))
        yield "last"

    run = outer()
    steps = [next(run), run.send("x"), run.throw(ValueError("into")), next(run)]
    early = outer()
    next(early)
    early.close()
    return steps, log, list(run), sum(x * x for x in range(1000))


@case()
def async_generators_by_hand():
    async def numbers():
        for i in range(3):
            yield i

    async def collect():
        return [i * 2 async for i in numbers()]

    try:
        collect().send(None)
    except StopIteration as stop:
        return stop.value


@case()
def context_managers():
    log = []

    @contextlib.contextmanager
    def noted(name):
        log.append(f"enter {name}")
        try:
            yield name
        except KeyError as error:
            log.append(f"swallowed {error!r} in {name}")
        finally:
            log.append(f"leave {name}")

    with noted("a") as a, noted("b"):
        raise KeyError(a)
    with contextlib.ExitStack() as stack:
        names = [stack.enter_context(noted(n)) for n in "xyz"]
        stack.callback(log.append, "callback")
    with contextlib.suppress(ZeroDivisionError):
        1 / 0
    return names, log


VARIABLE = contextvars.ContextVar("VARIABLE", default="default")


@case(("one",), ("two",))
def context_variables(value):
    before = VARIABLE.get()
    token = VARIABLE.set(value)
    copied = contextvars.copy_context()
    inside = copied.run(lambda: (VARIABLE.set("inner"), VARIABLE.get())[1])
    seen = []
    thread = threading.Thread(target=copied.run, args=(lambda: seen.append(VARIABLE.get()),))
    thread.start()
    thread.join()
    during = VARIABLE.get()
    VARIABLE.reset(token)
    return before, during, inside, copied[VARIABLE], seen, VARIABLE.get(), token.var is VARIABLE


@case()
def interpreter_namespace():
    namespace = {"x": 20}
    exec("y = [x + i for i in range(3)]\ndef f(): return x * 2", namespace)
    code = compile("x if x > 10 else None", "<expression>", "eval")
    return namespace["y"], namespace["f"](), eval(code, namespace), eval("(lambda a: a ** 2)(7)"), sorted(vars(builtins))[:5]
