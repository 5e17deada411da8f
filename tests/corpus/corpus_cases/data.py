"""Cases of the standard library: numbers and time, data structures, hashes and archives."""

import array
import base64
import binascii
import bisect
import bz2
import calendar
import collections
import copy
import datetime
import decimal
import fractions
import functools
import graphlib
import gzip
import hashlib
import heapq
import hmac
import io
import ipaddress
import itertools
import lzma
import marshal
import numbers
import operator
import pickle
import random
import re
import statistics
import struct
import tarfile
import time
import uuid
import zipfile
import zlib

from . import case
from .classes import Colour, Item, Point


# Numbers and time


@case(("1.10", "3"), ("-0", "7"), ("1E+400", "2.5"), ("NaN", "1"), ("Infinity", "-1"))
def decimals(a, b):
    # A new context: flags that a call sets in the thread's own are still set in the worker's next call.
    with decimal.localcontext(decimal.Context(prec=30)) as context:
        x, y = decimal.Decimal(a), decimal.Decimal(b)
        return [
            x, x + y, x / y, x * y, x.is_signed(), x.as_tuple(), f"{y:.3f}", y.quantize(decimal.Decimal("0.1"), decimal.ROUND_HALF_EVEN),
            y.copy_abs().sqrt(), context.prec, [flag.__name__ for flag, on in context.flags.items() if on and flag is not decimal.Rounded],
        ]


@case()
def decimal_errors():
    found = []
    for left, right in (("1", "0"), ("0", "0"), ("sNaN", "1")):
        try:
            decimal.Decimal(left) / decimal.Decimal(right)
        except decimal.DecimalException as error:
            found.append(type(error).__mro__[0].__name__)
    return found, decimal.getcontext().prec


@case()
def division_by_zero_of_decimals():
    return decimal.Decimal(1) / 0


@case((1, 3), (-10, 4))
def rationals(a, b):
    f = fractions.Fraction(a, b)
    return [f, f + 1, f**2, fractions.Fraction("0.125"), fractions.Fraction(0.1).limit_denominator(10), float(f), isinstance(f, numbers.Rational)]


@case((2024, 2, 29), (1, 1, 1), (9999, 12, 31))
def dates(year, month, day):
    date = datetime.date(year, month, day)
    moment = datetime.datetime(year, month, day, 23, 59, 58, 999999, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))
    return [
        date, moment, moment.time(), date.isoformat(), tuple(date.isocalendar()), date.toordinal(), moment.utcoffset(), moment.isoformat(),
        datetime.datetime.fromisoformat("2024-05-06T07:08:09.5+02:00"), datetime.timedelta(days=-1, microseconds=5) / 3, date.weekday(),
        date.strftime("%j %U %m/%d"), datetime.datetime.strptime("06/05/24 07:08", "%d/%m/%y %H:%M"), moment.replace(fold=1).fold,
    ]


@case()
def date_out_of_range():
    return datetime.date.max + datetime.timedelta(days=1)


# A zone of one rule, as the files of the time zone database have it: the system's may be missing, or change.
ZONE = (
    b"TZif2" + bytes(15) + struct.pack(">6L", 0, 0, 0, 0, 1, 4) + b"\0\0\0\0\0\0" + b"UTC\0"
    + b"TZif2" + bytes(15) + struct.pack(">6L", 0, 0, 0, 0, 1, 4) + b"\0\0\0\0\0\0" + b"UTC\0"
    + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"
)


@case()
def time_zones():
    import zoneinfo

    zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(ZONE), key="Test/Zone")
    winter, summer = (datetime.datetime(2024, month, 15, 12, tzinfo=zone) for month in (1, 7))
    gap = datetime.datetime(2024, 3, 31, 2, 30, tzinfo=zone)
    fold = [datetime.datetime(2024, 10, 27, 2, 30, tzinfo=zone, fold=f).utcoffset() for f in (0, 1)]
    return [winter.isoformat(), summer.isoformat(), summer.tzname(), summer.dst(), gap.utcoffset(), fold, str(zone),
            winter.astimezone(datetime.timezone.utc)]


@case()
def calendars():
    return [
        calendar.TextCalendar(6).formatmonth(2024, 2), calendar.monthrange(2023, 2), calendar.isleap(1900), calendar.timegm((2024, 1, 1, 0, 0, 0)),
        time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(10**9)), time.strptime("30 Nov 00", "%d %b %y")[:3], time.gmtime(0),
        time.monotonic() <= time.monotonic(), time.get_clock_info("monotonic").monotonic,
    ]


@case((1,), ("seed",), (2**80,))
def random_numbers(seed):
    r = random.Random(seed)
    deck = list(range(8))
    r.shuffle(deck)
    return [r.random(), r.randint(-5, 5), r.choice("abc"), r.sample(range(100), 3), deck, r.gauss(0, 1), r.randbytes(4), r.getrandbits(70),
            r.choices("xy", [1, 9], k=5), r.expovariate(2), hashlib.sha256(repr(r.getstate()).encode()).hexdigest()]


@case(([1, 2, 2, 3, 10],), ([1.5, 2.5, 4.0, -7.25],))
def statistics_of(data):
    return [
        statistics.mean(data), statistics.fmean(data), statistics.median(data), statistics.mode(data), statistics.stdev(data),
        statistics.quantiles(data, n=4), statistics.linear_regression(range(len(data)), data), statistics.NormalDist(1, 2).cdf(0.5),
    ]


# Data structures and algorithms


@case()
def collections_of():
    d = collections.deque(range(5), 3)
    d.rotate(1)
    chain = collections.ChainMap({"a": 1}, {"a": 2, "b": 3})
    counter = collections.Counter("mississippi")
    ordered = collections.OrderedDict.fromkeys("cab")
    ordered.move_to_end("c")
    grouped = collections.defaultdict(list)
    for word in ("one", "two", "three"):
        grouped[len(word)].append(word)
    return [d, chain["a"], dict(chain), counter, counter.most_common(2), counter - collections.Counter("miss"), ordered, grouped]


@case()
def heaps_and_bisection():
    heap = [5, 1, 8, 3]
    heapq.heapify(heap)
    heapq.heappush(heap, 2)
    return [
        [heapq.heappop(heap) for _ in range(3)], heapq.nlargest(2, [3, 9, 4]), list(heapq.merge([1, 4], [2, 3])),
        bisect.bisect([1, 2, 2, 3], 2), bisect.bisect_left([1, 2, 2, 3], 2), bisect.bisect([(1, "a"), (5, "b")], 3, key=lambda p: p[0]),
    ]


@case()
def iteration_tools():
    return [
        list(itertools.permutations("abc", 2)), list(itertools.combinations_with_replacement("ab", 2)), list(itertools.product("ab", range(2))),
        [(key, list(group)) for key, group in itertools.groupby("aabbbc")], list(itertools.accumulate([1, 2, 3], operator.mul)),
        list(itertools.islice(itertools.count(10, -3), 4)), list(itertools.batched("abcdefg", 3)), list(itertools.pairwise("abc")),
        list(itertools.zip_longest("ab", "xyz", fillvalue="-")), list(itertools.chain.from_iterable(["ab", "c"])),
        list(itertools.takewhile(str.isalpha, "ab1c")), list(itertools.starmap(pow, [(2, 3), (3, 2)])), [list(t) for t in itertools.tee("xy")],
    ]


@case()
def function_tools():
    calls = []

    @functools.lru_cache(maxsize=2)
    def cached(n):
        calls.append(n)
        return n * n

    @functools.singledispatch
    def kind(x):
        return "object"

    @kind.register
    def _(x: int):
        return "int"

    @kind.register(list)
    def _(x):
        return "list"

    class Lazy:
        @functools.cached_property
        def value(self):
            calls.append("computed")
            return 42

    lazy = Lazy()
    return [
        [cached(n) for n in (1, 2, 1, 3, 1)], tuple(cached.cache_info()), [kind(x) for x in (1, [], "")], lazy.value + lazy.value, calls,
        functools.reduce(operator.add, "abc"), functools.partial(divmod, 17)(5),
        operator.itemgetter(1, 0)("xy"), operator.attrgetter("real")(3), operator.methodcaller("upper")("a"),
    ]


@case()
def topological_order():
    order = list(graphlib.TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"b"}}).static_order())
    try:
        graphlib.TopologicalSorter({1: {2}, 2: {1}}).prepare()
    except graphlib.CycleError as error:
        return order, error.args[0]


@case()
def copying():
    item = Item("a", 1.0, [["nested"]])
    data = {"item": item, "again": item, "colour": Colour.RED}
    shallow, deep = copy.copy(data), copy.deepcopy(data)
    deep["item"].tags[0].append("changed")
    return [shallow["item"] is item, deep["item"] is deep["again"], deep, item, deep["colour"] is Colour.RED]


@case(*((protocol,) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)))
def pickling(protocol):
    data = [Item("a"), Point(1, 2), Colour.GREEN, {1: (2, 3)}, datetime.date(2024, 1, 2), decimal.Decimal("1.50"), re.compile("a+"), b"x" * 10]
    if protocol < 2:
        # Objects with slots need protocol 2.
        del data[1]
    return pickle.loads(pickle.dumps(data, protocol)) == data, pickle.loads(pickle.dumps(data, protocol))


@case()
def arrays_and_structs():
    a = array.array("d", [1.5, -2.5])
    a.extend([3.5])
    packed = struct.pack("<bHiq3sf?", -1, 65535, -(2**31), 2**62, b"abc", 0.5, True)
    return [a, a.tobytes(), array.array("i", range(3)), packed, struct.unpack("<bHiq3sf?", packed), struct.calcsize("@iq"),
            list(struct.iter_unpack(">H", b"\0\1\0\2")), memoryview(a).cast("B")[:4].tolist()]


@case()
def binary_text():
    data = bytes(range(0, 256, 7))
    return [
        base64.b64encode(data), base64.urlsafe_b64encode(b"\xff\xfe"), base64.b32encode(b"abc"), base64.b85encode(data), base64.a85encode(b"\0\0\0\0x"),
        binascii.crc32(data), binascii.hexlify(b"\x01\xff", "-"), binascii.crc_hqx(b"123456789", 0), base64.b64decode("AAEC"),
    ]


@case()
def marshalling():
    return marshal.loads(marshal.dumps([1, 2.5, "x", (None, {"k": {1}}), 2**100, 1j])), marshal.loads(marshal.dumps(compile("1+2", "", "eval"))).co_consts


# Hashes, compression, archives


@case((b"",), (b"owngil" * 1000,))
def hashes(data):
    found = {name: hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s")}
    return [
        found, hashlib.shake_128(data).hexdigest(8), hmac.new(b"key", data, "sha256").hexdigest(), zlib.adler32(data),
        hmac.compare_digest(b"a", b"a"), hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 10).hex(), hashlib.scrypt(b"pw", salt=b"s", n=2, r=1, p=1).hex()[:8],
    ]


@case((b"",), (b"abc" * 5000,))
def compression(data):
    incremental = zlib.compressobj(9, wbits=-15)
    raw = incremental.compress(data) + incremental.flush()
    with lzma.open(io.BytesIO(lzma.compress(data))) as file:
        first = file.read(4)
    return [
        zlib.decompress(zlib.compress(data)) == data, zlib.decompress(raw, wbits=-15) == data, gzip.decompress(gzip.compress(data, mtime=0)) == data,
        bz2.decompress(bz2.compress(data)) == data, lzma.decompress(lzma.compress(data, format=lzma.FORMAT_ALONE)) == data, first,
        gzip.compress(data, mtime=0)[:4], len(raw) < 100,
    ]


@case()
def damaged_archive():
    return gzip.decompress(gzip.compress(b"data" * 100)[:-6])


@case()
def archives():
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("dir/ä.txt"), "text")
        archive.writestr(zipfile.ZipInfo("b.bin"), b"\0" * 100)
    with zipfile.ZipFile(kept) as archive:
        zipped = [(info.filename, info.file_size, archive.read(info)[:4]) for info in archive.infolist()], archive.testzip()
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        member = tarfile.TarInfo("member")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    kept.seek(0)
    with tarfile.open(fileobj=kept) as archive:
        return zipped, archive.getnames(), archive.extractfile("member").read()


# Identifiers and addresses


@case()
def identifiers():
    u = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
    return [u, str(u), u.version, u.int, uuid.UUID(bytes=b"\1" * 16).urn, uuid.uuid4().version, uuid.uuid3(uuid.NAMESPACE_URL, "x").hex]


@case(("192.0.2.0/24",), ("2001:db8::/126",))
def addresses(text):
    network = ipaddress.ip_network(text)
    return [network, network[1], list(itertools.islice(network.hosts(), 2)), network.num_addresses, network.supernet(), network[0].is_private,
            list(network.subnets(1))[:2], network[1].packed]
