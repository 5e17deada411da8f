"""Packages that the table has and the tests have not: a few lines for each, over its native part.

Each function imports for itself, so that no package depends on another's being there.
"""

from exercise import digest, pickled, raised

WORKLOADS = {}


class Workload:
    def __init__(self, distribution, names, work):
        self.DISTRIBUTION, self._names, self.work = distribution, names, work

    def native(self):
        return self._names


def briefly(distribution, *names):
    """Registers a workload: what is installed, and the extension modules that must be loaded."""

    def register(work):
        WORKLOADS[work.__name__] = Workload(distribution, list(names), work)
        return work

    return register


@briefly("aiohttp", "aiohttp._http_parser", "aiohttp._websocket.mask", "multidict._multidict")
def aiohttp(seed):
    import asyncio

    from aiohttp import ClientSession, web

    async def answer(request):
        return web.json_response({"name": request.match_info["name"], "seed": seed})

    async def both():
        app = web.Application()
        app.router.add_get("/{name}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/x{seed}") as response:
            found = await response.json()
        await runner.cleanup()
        return found

    return asyncio.run(both())


@briefly("asyncpg", "asyncpg.protocol.protocol", "asyncpg.pgproto.pgproto")
def asyncpg(seed):
    import asyncio

    import asyncpg

    async def refused():
        try:
            await asyncpg.connect(host="127.0.0.1", port=1, user="a", database="b", timeout=5)
        except OSError as error:
            return type(error).__name__

    return [asyncio.run(refused()), str(asyncpg.Range(seed, seed + 3)), str(asyncpg.Point(seed, 2))]


@briefly("blake3", "blake3.blake3")
def blake3(seed):
    import blake3

    return [blake3.blake3(b"%d" % seed * 1000).hexdigest(), raised(TypeError, blake3.blake3, "text")]


@briefly("Bottleneck", "bottleneck.move", "bottleneck.reduce")
def bottleneck(seed):
    import bottleneck as bn
    import numpy as np

    data = np.arange(40.0) * seed
    return [float(bn.move_mean(data, 4)[7]), float(bn.nansum(data)), raised(TypeError, bn.move_mean, data, "a")]


@briefly("cbor2", "cbor2._cbor2")
def cbor2(seed):
    import cbor2

    value = {"a": [seed, 1.5, None, "é"], "b": b"raw", 3: {"deep": [True] * 5}}
    assert cbor2.loads(cbor2.dumps(value)) == value
    return [digest(cbor2.dumps(value)), raised(Exception, cbor2.loads, b"\x81")]


@briefly("cffi", "_cffi_backend")
def cffi(seed):
    import cffi

    made = cffi.FFI()
    made.cdef(
        "int abs(int); struct point { int x; double y; };"
        "void qsort(void *, size_t, size_t, int (*)(const void *, const void *));"
    )
    library = made.dlopen(None)
    ints = made.new("int[]", [(i * 7 + seed) % 50 for i in range(30)])

    @made.callback("int(const void *, const void *)")
    def compare(a, b):
        return made.cast("int *", a)[0] - made.cast("int *", b)[0]

    library.qsort(ints, 30, 4, compare)
    point = made.new("struct point *", {"x": seed, "y": 0.5})
    return [list(ints), library.abs(-seed), point.x, made.sizeof("struct point"), raised(IndexError, lambda: ints[30])]


@briefly("charset-normalizer", "charset_normalizer.md")
def charset_normalizer(seed):
    from charset_normalizer import from_bytes

    found = from_bytes(("Ein schöner Tag für alle Bären und Füchse. " * (seed + 2)).encode("cp1252")).best()
    return [digest(str(found)), found.language]


@briefly("contourpy", "contourpy._contourpy")
def contourpy(seed):
    import contourpy
    import numpy as np

    z = np.sin(np.arange(100).reshape(10, 10) * (seed + 1) / 9)
    return [
        len(contourpy.contour_generator(z=z).lines(0.2)),
        raised(TypeError, contourpy.contour_generator, None, None, [[1]]),
    ]


@briefly("duckdb", "_duckdb")
def duckdb(seed):
    import duckdb

    with duckdb.connect() as base:
        base.execute("create table t as select i, i * ? % 17 as k from range(1000) r(i)", [seed + 1])
        rows = base.execute("select k, count(*), sum(i) from t group by k order by k").fetchall()
        return [digest(rows), raised(duckdb.CatalogException, base.execute, "select * from nowhere")]


@briefly("frozenlist", "frozenlist._frozenlist")
def frozenlist(seed):
    from frozenlist import FrozenList

    made = FrozenList([seed, 2])
    made.append(3)
    made.freeze()
    return [list(made), hash(made) == hash((seed, 2, 3)), raised(RuntimeError, made.append, 4)]


@briefly("gevent", "gevent._gevent_c_hub_local", "greenlet._greenlet")
def gevent(seed):
    import gevent
    from gevent import queue

    line = queue.Queue()

    def give(n):
        for i in range(5):
            line.put(n * 10 + i)
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(give, n + seed) for n in range(3)])
    failed = gevent.spawn(lambda: 1 // 0)
    failed.join()
    return [sorted(line.get() for _ in range(15)), type(failed.exception).__name__]


@briefly("greenlet", "greenlet._greenlet")
def greenlet(seed):
    from greenlet import greenlet, getcurrent

    found = []

    def inside(value):
        while True:
            found.append(value)
            value = getcurrent().parent.switch(value * 2)

    other = greenlet(inside)
    values = [other.switch(seed + i) for i in range(20)]
    return [sum(values), len(found), raised(ZeroDivisionError, greenlet(lambda: 1 // 0).switch)]


@briefly("grpcio", "grpc._cython.cygrpc")
def grpc(seed):
    from concurrent import futures

    import grpc

    def double(request, context):
        return request * 2

    handler = grpc.unary_unary_rpc_method_handler(double)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_registered_method_handlers("s", {"double": handler})
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("s", {"double": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = channel.unary_unary("/s/double")(b"%d" % seed, timeout=30)
    server.stop(None).wait()
    return answer.decode()


@briefly("h5py", "h5py.h5", "h5py.h5d")
def h5py(seed):
    import io

    import h5py
    import numpy as np

    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        file.create_dataset("a/b", data=np.arange(500) * seed, compression="gzip")
        file["a"].attrs["name"] = "é"
    with h5py.File(kept, "r") as file:
        return [int(file["a/b"][10:20].sum()), file["a"].attrs["name"], raised(KeyError, lambda: file["none"])]


@briefly("httptools", "httptools.parser.parser")
def httptools(seed):
    import httptools

    seen = []

    class Protocol:
        def on_url(self, url):
            seen.append(httptools.parse_url(url).path.decode())

        def on_header(self, name, value):
            seen.append(f"{name.decode()}={value.decode()}")

    httptools.HttpRequestParser(Protocol()).feed_data(b"GET /a/%d?b HTTP/1.1\r\nHost: x\r\nA: 1\r\n\r\n" % seed)
    broken = httptools.HttpRequestParser(Protocol())
    return [seen, raised(httptools.HttpParserError, broken.feed_data, b"no http\r\n\r\n")]


@briefly("jiter", "jiter.jiter")
def jiter(seed):
    import jiter

    return [
        jiter.from_json(b'{"a": [1, %d, null, "\\u00e9"], "b": 1.5e3}' % seed),
        raised(ValueError, jiter.from_json, b"[1"),
    ]


@briefly("kiwisolver", "kiwisolver._cext")
def kiwisolver(seed):
    import kiwisolver

    x, y = kiwisolver.Variable("x"), kiwisolver.Variable("y")
    solver = kiwisolver.Solver()
    for constraint in (x + y == 10 + seed, x >= 3, (y >= 5) | "weak"):
        solver.addConstraint(constraint)
    solver.updateVariables()
    return [
        x.value() + y.value(),
        raised(kiwisolver.UnsatisfiableConstraint, solver.addConstraint, x <= 1).split(":")[0],
    ]


@briefly("Levenshtein", "Levenshtein.levenshtein_cpp")
def levenshtein(seed):
    import Levenshtein

    return [
        Levenshtein.distance("interpreter", f"int{seed}erpeter"),
        Levenshtein.ratio("abc", "abd"),
        Levenshtein.editops("ab", "ba"),
    ]


@briefly("lz4", "lz4._version", "lz4.block._block", "lz4.frame._frame")
def lz4(seed):
    import lz4.block
    import lz4.frame

    data = b"text %d" % seed * 500
    assert lz4.frame.decompress(lz4.frame.compress(data)) == data
    return [
        digest(lz4.block.compress(data)),
        raised(RuntimeError, lz4.frame.decompress, b"no frame at all").split(":")[0],
    ]


@briefly("MarkupSafe", "markupsafe._speedups")
def markupsafe(seed):
    from markupsafe import Markup, escape

    return [str(escape(f"<a href='{seed}'>&")), str(Markup("<b>%s</b>") % "<i>")]


@briefly("multidict", "multidict._multidict")
def multidict(seed):
    from multidict import CIMultiDict

    made = CIMultiDict([("A", 1), ("a", seed), ("b", 3)])
    return [made.getall("a"), sorted(pickled(made).items()), raised(KeyError, made.getone, "c")]


@briefly("numexpr", "numexpr.interpreter")
def numexpr(seed):
    import numexpr
    import numpy as np

    a = np.arange(5000.0)
    return [
        round(float(numexpr.evaluate("sum(sin(a) * seed + a ** 2)", {"a": a, "seed": seed})), 3),
        raised(SyntaxError, numexpr.evaluate, "a +"),
    ]


@briefly("opencv-python-headless", "cv2.utils.fs")
def cv2(seed):
    import cv2
    import numpy as np

    picture = np.zeros((60, 80, 3), np.uint8)
    cv2.circle(picture, (40, 30), 10 + seed % 15, (255, 200, 100), -1)
    found, _ = cv2.findContours(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    _, data = cv2.imencode(".png", cv2.GaussianBlur(picture, (5, 5), 0))
    return [len(found[0]), digest(cv2.imdecode(data, 1).tobytes()), raised(cv2.error, cv2.resize, picture, (0, 0))[:20]]


@briefly("propcache", "propcache._helpers_c")
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
    return [thing.one is thing.one, thing.two is thing.two, thing.one + thing.two]


@briefly("protobuf", "google._upb._message")
def protobuf(seed):
    from google.protobuf import descriptor_pb2, json_format, struct_pb2, timestamp_pb2

    made = struct_pb2.Struct()
    made.update({"a": seed, "b": ["é", None, True], "c": {"d": 1.5}})
    back = struct_pb2.Struct.FromString(made.SerializeToString(deterministic=True))
    assert back == made and pickled(made) == made
    file = descriptor_pb2.FileDescriptorProto(name="x.proto")
    file.message_type.add(name="M").field.add(name="f", number=seed + 1)
    when = timestamp_pb2.Timestamp(seconds=seed).ToJsonString()
    return [json_format.MessageToDict(back), when, str(file), raised(Exception, struct_pb2.Struct.FromString, b"\xff")]


@briefly("psutil", "psutil._psutil_linux")
def psutil(seed):
    import os

    import psutil

    here = psutil.Process()
    return [
        here.pid == os.getpid(),
        here.memory_info().rss > 0,
        psutil.cpu_count() > 0,
        raised(psutil.NoSuchProcess, psutil.Process, 1 << 22),
    ]


@briefly("psycopg2-binary", "psycopg2._psycopg")
def psycopg2(seed):
    import psycopg2
    from psycopg2 import extensions

    refused = raised(psycopg2.OperationalError, psycopg2.connect, "host=127.0.0.1 port=1 connect_timeout=5")
    return [
        refused.split(":")[0],
        extensions.adapt("it's").getquoted().decode(),
        extensions.make_dsn(dbname=f"d{seed}"),
    ]


@briefly("pymongo", "bson._cbson", "pymongo._cmessage")
def pymongo(seed):
    import bson
    import pymongo.message  # noqa: F401

    value = {"a": [seed, 1.5, None, "é"], "id": bson.ObjectId(b"%012d" % seed), "d": {"x": b"raw"}}
    assert bson.decode(bson.encode(value)) == value
    return [digest(bson.encode(value)), raised(bson.errors.InvalidDocument, bson.encode, {"a": {1}}), bson.has_c()]


@briefly("PyNaCl", "nacl._sodium")
def nacl(seed):
    import nacl.exceptions
    import nacl.secret
    import nacl.signing

    key = nacl.signing.SigningKey(b"%032d" % seed)
    box = nacl.secret.SecretBox(b"%032d" % seed)
    data = box.encrypt(b"text", b"n" * 24)
    assert box.decrypt(data) == b"text"
    wrong = nacl.secret.SecretBox(b"0" * 32 if seed else b"1" * 32)
    return [digest(key.sign(b"m")), digest(data), raised(nacl.exceptions.CryptoError, wrong.decrypt, data)]


@briefly("pyproj", "pyproj._crs", "pyproj._transformer")
def pyproj(seed):
    import pyproj

    there = pyproj.Transformer.from_crs(4326, 32633, always_xy=True).transform(12 + seed / 10, 50)
    length = pyproj.Geod(ellps="WGS84").inv(0, 0, seed + 1, 1)[2]
    return [
        [round(x, 3) for x in there],
        round(length, 3),
        raised(pyproj.exceptions.CRSError, pyproj.CRS, "nothing").split(":")[0],
    ]


@briefly("RapidFuzz", "rapidfuzz.process_cpp_impl", "rapidfuzz.utils_cpp")
def rapidfuzz(seed):
    from rapidfuzz import fuzz, process

    words = [f"word {i * seed % 13} number" for i in range(30)]
    return [
        process.extract(f"wrd {seed} number", words, limit=3, scorer=fuzz.WRatio),
        fuzz.token_sort_ratio("a b", "b a c"),
    ]


@briefly("rpds-py", "rpds.rpds")
def rpds(seed):
    from rpds import HashTrieMap, HashTrieSet, List

    made = HashTrieMap({"a": seed}).insert("b", 2)
    assert pickled(made) == made
    return [
        sorted(made.items()),
        list(List([1, 2]).push_front(seed)),
        len(HashTrieSet([1, 1, 2])),
        raised(KeyError, lambda: made["c"]),
    ]


@briefly("simplejson", "simplejson._speedups")
def simplejson(seed):
    import simplejson

    value = {"a": [seed, 1.5, None, "é"], "b": {"deep": [True] * 5}}
    assert simplejson.loads(simplejson.dumps(value)) == value
    return [
        simplejson.dumps(value),
        raised(simplejson.JSONDecodeError, simplejson.loads, "[1,"),
        raised(TypeError, simplejson.dumps, {1, 2}),
    ]


@briefly("soundfile", "_cffi_backend")
def soundfile(seed):
    import io

    import numpy as np
    import soundfile

    kept = io.BytesIO()
    tone = np.sin(np.arange(2000) * (seed + 1) / 50)
    soundfile.write(kept, tone, 8000, format="FLAC")
    kept.seek(0)
    back, rate = soundfile.read(kept)
    return [
        rate,
        bool(np.allclose(back, tone, atol=1e-3)),
        raised(soundfile.LibsndfileError, soundfile.read, io.BytesIO(b"no sound"))[:20],
    ]


@briefly("tiktoken", "tiktoken._tiktoken")
def tiktoken(seed):
    from tiktoken import Encoding

    ranks = {bytes([i]): i for i in range(256)} | {b"ab": 256, b"abc": 257}
    made = Encoding("small", pat_str=r"\w+|\W+", mergeable_ranks=ranks, special_tokens={"<end>": 300})
    tokens = made.encode(f"abc ab {seed} é<end>", allowed_special="all")
    return [tokens, made.decode(tokens), raised(ValueError, made.encode, "<end>")[:20]]


@briefly("tokenizers", "tokenizers.tokenizers")
def tokenizers(seed):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(
        [f"low lower lowest {seed}"] * 20, trainers.BpeTrainer(vocab_size=40, special_tokens=["?"], show_progress=False)
    )
    found = made.encode(f"lower {seed} x")
    assert pickled(made).encode("low").ids == made.encode("low").ids
    return [found.tokens, raised(Exception, Tokenizer.from_str, "{")[:20]]


@briefly("ujson", "ujson")
def ujson(seed):
    import ujson

    value = {"a": [seed, 1.5, None, "é"], "b": {"deep": [True] * 5}}
    assert ujson.loads(ujson.dumps(value)) == value
    return [
        ujson.dumps(value),
        raised(ujson.JSONDecodeError, ujson.loads, "[1,"),
        raised(TypeError, ujson.dumps, object()).partition(" object at")[0],
    ]


@briefly("uvloop", "uvloop.loop")
def uvloop(seed):
    import asyncio

    import uvloop

    async def ends():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line %d\n" % seed)
        line = await reader.readline()
        writer.close()
        server.close()
        return line.decode()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(ends())


@briefly("websockets", "websockets.speedups")
def websockets(seed):
    from websockets.frames import Frame, Opcode
    from websockets.speedups import apply_mask

    masked = apply_mask(b"text %d" % seed * 20, b"mask")
    return [
        digest(masked),
        digest(Frame(Opcode.TEXT, b"%d" % seed).serialize(mask=False)),
        raised(Exception, apply_mask, b"a", b"b"),
    ]


@briefly("yarl", "yarl._quoting_c")
def yarl(seed):
    from yarl import URL

    made = URL(f"http://user@example.org:80/é {seed}?a=1&b=ü#c") / "more"
    assert pickled(made) == made
    return [str(made), made.human_repr(), dict(made.query), raised(ValueError, URL, "http://[::1")]


@briefly("zstandard", "zstandard.backend_c")
def zstandard(seed):
    import zstandard

    data = b"text %d" % seed * 500
    packed = zstandard.ZstdCompressor(level=3).compress(data)
    assert zstandard.ZstdDecompressor().decompress(packed) == data
    return [digest(packed), raised(zstandard.ZstdError, zstandard.ZstdDecompressor().decompress, b"no frame")]
