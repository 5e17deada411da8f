"""Cases of classes, and of values that are pickled because of theirs."""

import abc
import collections
import dataclasses
import enum
import functools
import gc
import math
import sys
import threading
import time
import types
import typing
import weakref

from . import case, one_at_a_time


# Classes


class Shape(abc.ABC):
    registry = []

    def __init_subclass__(cls, /, sides=0, **kwargs):
        super().__init_subclass__(**kwargs)
        Shape.registry.append((cls.__name__, sides))

    @property
    @abc.abstractmethod
    def area(self): ...


class Square(Shape, sides=4):
    def __init__(self, side):
        self.side = side

    @property
    def area(self):
        return self.side**2

    def __eq__(self, other):
        return isinstance(other, Square) and self.side == other.side

    __hash__ = None

    def __repr__(self):
        return f"Square({self.side!r})"


@case((3,))
def classes(side):
    square = Square(side)
    dynamic = type("Dynamic", (Square,), {"area": property(lambda self: -1)}, sides=1)
    registry = [entry for entry in Shape.registry[:1]]
    Shape.registry.pop()
    return [
        square, square.area, square == Square(side), dynamic(1).area, registry, [c.__name__ for c in dynamic.__mro__],
        isinstance(square, Shape), Square.area.fget.__qualname__, Square.__hash__,
    ]


@case()
def special_methods():
    class Vector:
        __slots__ = ("x", "y")

        def __init__(self, x, y):
            self.x, self.y = x, y

        def __add__(self, other):
            return Vector(self.x + other.x, self.y + other.y)

        def __rmul__(self, k):
            return Vector(k * self.x, k * self.y)

        def __iter__(self):
            yield from (self.x, self.y)

        def __getitem__(self, index):
            return (self.x, self.y)[index]

        def __bool__(self):
            return bool(self.x or self.y)

        def __format__(self, spec):
            return f"<{self.x:{spec}}, {self.y:{spec}}>"

        def __call__(self, f):
            return Vector(f(self.x), f(self.y))

        def __contains__(self, n):
            return n in tuple(self)

    v = 3 * (Vector(1, 2) + Vector(3, 4))
    v += Vector(0, 1)
    return tuple(v), v[-1], bool(Vector(0, 0)), f"{v:.1f}", tuple(v(lambda n: -n)), 12 in v, hasattr(v, "__dict__"), sum(v)


@case()
def metaclasses_and_descriptors():
    class Field:
        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner):
            return self if instance is None else instance.__dict__.get(self.name, "unset")

        def __set__(self, instance, value):
            instance.__dict__[self.name] = value.upper()

    class Meta(type):
        def __prepare__(name, bases, **kwargs):
            return {"prepared": True}

        def __new__(mcls, name, bases, namespace, **kwargs):
            cls = super().__new__(mcls, name, bases, namespace)
            cls.fields = [key for key, value in namespace.items() if isinstance(value, Field)]
            return cls

        def __len__(cls):
            return len(cls.fields)

    class Record(metaclass=Meta):
        first, second = Field(), Field()

    record = Record()
    before = record.first
    record.first = "set"
    return before, record.first, len(Record), Record.fields, Record.prepared, type(Record).__name__


class Base:
    def who(self):
        return ["Base"]


class Left(Base):
    def who(self):
        return ["Left", *super().who()]


class Right(Base):
    def who(self):
        return ["Right", *super().who()]


class Bottom(Left, Right):
    def who(self):
        return ["Bottom", *super().who()]


@case()
def inheritance():
    return Bottom().who(), [c.__name__ for c in Bottom.mro()], issubclass(Bottom, Base), super(Left, Bottom()).who()


class Named:
    def __str__(self):
        return "named"

    def __setattr__(self, name, value):
        super().__setattr__(name, ["set", value])

    def __init__(self, *args):
        super().__init__(*args)
        self.made = True


class NamedDict(dict, Named):
    pass


class NamedInt(int, Named):
    pass


class NamedError(ValueError, Named):
    pass


@case()
def inheritance_from_builtin_types():
    """What a builtin type inherits from object comes after what another base defines."""
    mapping = NamedDict(a=1)
    mapping.x = 1
    mine = [name for name in ("__str__", "__init__", "__hash__", "__setattr__") if name in int.__dict__]
    return str(mapping), vars(mapping), str(NamedInt(3)), f"{NamedInt(4)}", str(NamedError("text")), mine, int.__str__ is object.__str__


@dataclasses.dataclass(order=True)
class Item:
    name: str
    price: float = 0.0
    tags: list = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@case(("nut", 1.5), ("bolt", -0.0))
def dataclass_values(name, price):
    item = Item(name, price, ["a"])
    other = dataclasses.replace(item, price=2.0)
    try:
        Point(1).x = 2
    except dataclasses.FrozenInstanceError as error:
        frozen = str(error)
    return [item, other, item < other, dataclasses.asdict(item), Point(1, 2), {Point(1): "key"}, hash(Point(1)) == hash(Point(1)), frozen]


@case()
def shared_opaque_values():
    item, tags = Item("one"), ["shared"]
    item.tags = tags
    return {"items": [item, item], "same": item, "cycle": _linked()}


def _linked():
    a, b = Item("a"), Item("b")
    a.tags.append(b)
    b.tags.append(a)
    return a


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


class Weight(enum.IntEnum):
    LIGHT = 1
    HEAVY = 10


class Word(enum.StrEnum):
    HELLO = enum.auto()


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = READ | WRITE


@case()
def enumerations():
    return [
        Colour.RED, Colour("g"), list(Colour), Weight.HEAVY, Weight.HEAVY + 1, Word.HELLO, Access.READ | Access.WRITE,
        Access.BOTH & ~Access.READ, {Colour.RED: "key"}, Colour.RED is Colour(1), Word.HELLO.upper(), str(Weight.LIGHT), f"{Weight.HEAVY}",
    ]


class Pair(typing.NamedTuple):
    left: int
    right: list = []


Coordinates = collections.namedtuple("Coordinates", "lat lon")


@case()
def values_that_are_pickled():
    return {
        "named tuple": [Pair(1), Coordinates(1.5, -0.0)], "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter("abracadabra"), "deque": collections.deque([1, 2], 5),
        "default": collections.defaultdict(list, {"k": [1]}), "bytearray": bytearray(b"x"), "range": range(3),
        "complex": 1j, "namespace": types.SimpleNamespace(a=1, b=[2]), "function": dataclass_values, "class": Item,
        "builtin": [len, int, dict.fromkeys, math.sin], "partial": functools.partial(pow, 2), "exception": ValueError("v", 1),
        "subclasses": [type(True)], "union": [int | str, list[int], typing.Optional[int]],
    }


class Text(str):
    pass


class Number(int):
    pass


class Items(list):
    pass


class Mapping(dict):
    pass


@case()
def subclasses_of_plain_types():
    items = Items([1, 2])
    items.label = "extra"
    return [Text("sub"), Number(7), items, items.label, Mapping(a=1), Text("x") == "x", {Text("k"): Number(1)}]


@case()
def lambda_as_value():
    return [1, {"f": lambda: None}]


@case()
def generator_as_value():
    return (i for i in range(3))


@case()
def lock_as_value():
    return {"held": {"lock": threading.Lock()}}


@case()
def local_class_as_value():
    class Local:
        def __repr__(self):
            return "Local()"

    return (1, Local())


@case()
def module_as_value():
    return sys


class Box:
    pass


@case()
def weak_references():
    box, log = Box(), []
    reference = weakref.ref(box, lambda _: log.append("gone"))
    values = weakref.WeakValueDictionary(box=box)
    keys = weakref.WeakKeyDictionary({box: 1})
    finalizer = weakref.finalize(box, log.append, "finalized")
    before = (reference() is box, dict(values).keys() == {"box"}, len(keys), finalizer.alive)
    del box
    return before, reference(), len(values), len(keys), log, finalizer.alive


@case()
@one_at_a_time
def garbage_collection():
    log = []

    class Node:
        def __del__(self):
            log.append("deleted")

    node = Node()
    node.me = node
    reference = weakref.ref(node)
    del node
    for _ in range(10_000):
        # It does nothing while another thread of this interpreter collects.
        gc.collect()
        if reference() is None:
            break
        time.sleep(0.001)
    return log, reference() is None, gc.is_tracked([]), gc.is_tracked(1)


@case()
def generic_types():
    class Stack[T]:
        def __init__(self):
            self.items: list[T] = []

        def push(self, item: T) -> None:
            self.items.append(item)

    def first[T](items: list[T]) -> T:
        return items[0]

    type Names = list[str] | None
    stack = Stack[int]()
    stack.push(3)
    return stack.items, first(["x"]), repr(Names.__value__), [p.__name__ for p in Stack.__type_params__], repr(Stack[int].__args__)


@case()
def tracing_functions():
    """The trace function is the thread's own, the monitoring tool the interpreter's."""
    seen = []

    def traced(n):
        n += 1
        return n

    def trace(frame, event, argument):
        if frame.f_code is traced.__code__:
            seen.append((event, frame.f_lineno - traced.__code__.co_firstlineno))
            return trace

    sys.settrace(trace)
    try:
        traced(1)
    finally:
        sys.settrace(None)
    return seen


@case()
@one_at_a_time
def printing():
    print("to stdout", 1, sep=" | ")
    print("héllo 日本", file=sys.stdout, flush=True)
    sys.stdout.write("no newline")
    print("to stderr", file=sys.stderr)
    return "printed"


@case()
def limits_of_the_interpreter():
    return [sys.getrecursionlimit(), sys.maxsize, sys.byteorder, sys.float_info.mant_dig, sys.int_info.bits_per_digit,
            sys.hash_info.width, sys.implementation.name, sys.flags.optimize, sys.get_int_max_str_digits(), sys.version]
