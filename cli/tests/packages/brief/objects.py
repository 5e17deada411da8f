"""Containers and objects: proxies, sets, trees, caches, identifiers."""

from brief import briefly
from exercise import digest, pickled, raised


@briefly("bitarray")
def bitarray(seed):
    from bitarray import bitarray, util

    bits = bitarray("1011") * (seed + 3)
    bits[::3] = 0
    coded = bitarray()
    coded.encode({"a": bitarray("0"), "b": bitarray("11")}, "abba")
    return [
        bits.count(),
        util.ba2hex(bits[: len(bits) // 4 * 4]),
        pickled(bits) == bits,
        coded.to01(),
        raised(IndexError, lambda: bits[9999]),
    ]


@briefly("tibs")
def tibs(seed):
    from tibs import Tibs

    made = Tibs("0xff00") + Tibs("0b1") * (seed + 1)
    return [len(made), made.count(1), str(Tibs("0xabcd")), raised(ValueError, Tibs, "0xno")[:10]]


@briefly("pybase64")
def pybase64(seed):
    import binascii

    import pybase64

    data = bytes(range(200)) * (seed + 1)
    coded = pybase64.b64encode(data)
    assert pybase64.b64decode(coded, validate=True) == data
    return [digest(coded), raised(binascii.Error, pybase64.b64decode, b"a", validate=True)]


@briefly("wrapt")
def wrapt(seed):
    import wrapt

    @wrapt.decorator
    def twice(wrapped, instance, arguments, keywords):
        return 2 * wrapped(*arguments, **keywords)

    @twice
    def add(a, b=1):
        return a + b

    held = wrapt.ObjectProxy([seed, 2])
    held.append(3)
    return [add(seed, b=3), list(held), len(held), add.__name__, raised(AttributeError, lambda: held.none)]


@briefly("lazy-object-proxy")
def lazy_object_proxy(seed):
    import lazy_object_proxy

    made = lazy_object_proxy.Proxy(lambda: [seed, 2])
    return [
        len(made),
        made + [3],
        made == [seed, 2],
        raised(ZeroDivisionError, lambda: lazy_object_proxy.Proxy(lambda: 1 // 0) + 1),
    ]


@briefly("frozendict", loads="other")
def frozendict(seed):
    from frozendict import frozendict

    made = frozendict({"a": seed, "b": 2})
    return [dict(made.set("c", 3)), pickled(made) == made, raised(TypeError, lambda: made.__setitem__("a", 1))[:10]]


@briefly("immutables")
def immutables(seed):
    import immutables

    made = immutables.Map({f"k{i}": i * seed for i in range(50)})
    with made.mutate() as change:
        change["new"] = 1
        del change["k1"]
        after = change.finish()
    return [len(made), len(after), pickled(after) == after, sum(after.values()), raised(KeyError, lambda: after["k1"])]


@briefly("multidict")
def multidict(seed):
    from multidict import CIMultiDict

    made = CIMultiDict([("A", 1), ("a", seed), ("b", 3)])
    return [made.getall("a"), sorted(pickled(made).items()), raised(KeyError, made.getone, "c")]


@briefly("frozenlist")
def frozenlist(seed):
    from frozenlist import FrozenList

    made = FrozenList([seed, 2])
    made.append(3)
    made.freeze()
    return [list(made), hash(made) == hash((seed, 2, 3)), raised(RuntimeError, made.append, 4)]


@briefly("propcache")
def propcache(seed):
    from propcache.api import cached_property, under_cached_property

    class Thing:
        def __init__(self):
            self._cache = {}

        @under_cached_property
        def one(self):
            return [seed]

        @cached_property
        def two(self):
            return [seed + 1]

    thing = Thing()
    return [
        thing.one is thing.one,
        thing.two is thing.two,
        thing.one + thing.two,
        raised(AttributeError, setattr, thing, "one", 1),
    ]


@briefly("lru-dict")
def lru(seed):
    from lru import LRU

    gone = []
    made = LRU(5, callback=lambda key, value: gone.append(key))
    for i in range(20):
        made[i * (seed + 1) % 11] = i
    return [made.keys(), gone, made.get_stats() is not None, raised(KeyError, lambda: made["none"])]


@briefly("cachebox")
def cachebox(seed):
    import cachebox

    made = cachebox.LRUCache(5)
    for i in range(20):
        made[i * (seed + 1) % 11] = i
    return [sorted(made.items()), sorted(pickled(made).items()), raised(KeyError, lambda: made["none"])]


@briefly("cytoolz")
def cytoolz(seed):
    import cytoolz

    return [
        cytoolz.groupby(lambda x: x % 3, range(seed, seed + 10)),
        list(cytoolz.sliding_window(2, [1, 2, seed])),
        cytoolz.pipe(seed, lambda x: x + 1, str),
        pickled(cytoolz.curry(max))(1)(2) if seed < 0 else cytoolz.frequencies("abca"),
        raised(IndexError, cytoolz.nth, 5, [1]) if seed < 0 else raised(KeyError, cytoolz.get, "a", {}),
    ]


@briefly("zope.interface")
def zope_interface(seed):
    from zope.interface import Interface, implementer
    from zope.interface.adapter import AdapterRegistry

    class IThing(Interface):
        pass

    class IShown(Interface):
        pass

    @implementer(IThing)
    class Thing:
        pass

    registry = AdapterRegistry()
    registry.register([IThing], IShown, "", lambda thing: seed)
    shown = registry.queryAdapter(Thing(), IShown)
    return [
        shown,
        IThing.providedBy(Thing()),
        IThing in list(IThing.__iro__),
        raised(TypeError, IShown, Thing()).partition("<")[0][:20],
    ]


@briefly("zope.proxy")
def zope_proxy(seed):
    from zope.proxy import ProxyBase, getProxiedObject

    made = ProxyBase([seed, 2])
    made.append(3)
    return [len(made), getProxiedObject(made), made[0] + 1, raised(AttributeError, lambda: made.none)]


@briefly("zope.security")
def zope_security(seed):
    from zope.security.checker import ForbiddenAttribute, NamesChecker, ProxyFactory

    class Thing:
        shown, hidden = seed, 2

    made = ProxyFactory(Thing(), NamesChecker(["shown"]))
    return [made.shown, raised(ForbiddenAttribute, lambda: made.hidden).partition("<")[0][:24]]


@briefly("ExtensionClass")
def extension_class(seed):
    from ComputedAttribute import ComputedAttribute
    from ExtensionClass import Base

    class Thing(Base):
        double = ComputedAttribute(lambda self: self.n * 2)

        def __init__(self, n):
            self.n = n

    return [Thing(seed).double, raised(AttributeError, lambda: Thing(1).none)]


@briefly("persistent")
def persistent(seed):
    from persistent import TimeStamp
    from persistent.mapping import PersistentMapping

    made = PersistentMapping(a=seed)
    made["b"] = 2
    stamp = TimeStamp.TimeStamp(2020, 1, seed % 20 + 1)
    return [sorted(made.items()), made._p_changed, stamp.raw().hex(), str(stamp), raised(KeyError, lambda: made["c"])]


@briefly("BTrees")
def btrees(seed):
    from BTrees.IIBTree import union
    from BTrees.OOBTree import OOBTree

    made = OOBTree({f"k{i * (seed + 1) % 97:02}": i for i in range(80)})
    del made[min(made)]
    from BTrees.IIBTree import IISet

    merged = list(union(IISet([1, seed]), IISet([2])))
    return [
        len(made),
        list(made.keys("k10", "k14")),
        merged,
        raised(KeyError, lambda: made["none"]),
        len(pickled(made)),
    ]


@briefly("zodbpickle")
def zodbpickle(seed):
    from zodbpickle import binary, pickle

    value = {"a": [seed, binary(b"raw")], "b": "é"}
    data = pickle.dumps(value, 3)
    assert pickle.loads(data) == value
    return [digest(data), raised(Exception, pickle.loads, b"\x80\x03garbage.")]


@briefly("dependency-injector")
def dependency_injector(seed):
    from dependency_injector import containers, providers

    class Box(containers.DeclarativeContainer):
        config = providers.Configuration()
        made = providers.Singleton(dict, n=config.n.as_int())
        lists = providers.Factory(list, providers.List(1, 2))

    box = Box(config={"n": str(seed)})
    return [box.made(), box.made() is box.made(), box.lists(), raised(Exception, providers.Factory(int, "x"))]


@briefly("fastuuid")
def fastuuid(seed):
    import fastuuid

    space = fastuuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    made = fastuuid.uuid5(space, b"n%d" % seed)
    return [str(made), str(fastuuid.uuid3(space, b"x")), made.version, raised(ValueError, fastuuid.UUID, "no")]


@briefly("uuid-utils")
def uuid_utils(seed):
    import uuid_utils

    made = uuid_utils.uuid5(uuid_utils.NAMESPACE_DNS, f"n{seed}")
    return [str(made), pickled(made) == made, uuid_utils.uuid7().version, raised(ValueError, uuid_utils.UUID, "no")]


@briefly("pyroaring")
def pyroaring(seed):
    from pyroaring import BitMap

    a, b = BitMap(range(seed, 5000, 3)), BitMap(range(0, 5000, 5))
    return [
        len(a & b),
        len(a | b),
        (a ^ b)[7],
        pickled(a) == a,
        digest(a.serialize()),
        raised(IndexError, lambda: a[99999]),
    ]


@briefly("intbitset")
def intbitset(seed):
    from intbitset import intbitset

    a, b = intbitset(range(seed, 900, 3)), intbitset(range(0, 900, 5))
    return [
        len(a & b),
        (a | b)[5],
        pickled(a) == a,
        a.fastdump().hex()[:2] == "78",
        raised(IndexError, lambda: a[9999]),
    ]


@briefly("rbloom")
def rbloom(seed):
    from rbloom import Bloom

    made = Bloom(1000, 0.01, lambda value: hash(value) * 1_000_003 % (1 << 127))
    made.update(range(seed, seed + 100))
    return [seed + 5 in made, round(made.approx_items), raised(OverflowError, Bloom, -1, 0.1)]


@briefly("datasketches", "numpy")
def datasketches(seed):
    import datasketches

    counted = datasketches.hll_sketch(12)
    spread = datasketches.kll_ints_sketch(200)
    for i in range(2000):
        counted.update(i * (seed + 1))
    for i in range(100):
        spread.update(i)
    return [
        round(counted.get_estimate(), 2),
        spread.get_quantile(0.5),
        raised(Exception, datasketches.kll_ints_sketch, 1)[:10],
    ]
