"""Networks: HTTP and WebSocket, event loops, messages, remote calls."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from brief import briefly
from exercise import digest, pickled, raised


@briefly("aiohttp")
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


@briefly("yarl")
def yarl(seed):
    from yarl import URL

    made = URL(f"http://user@example.org:80/é {seed}?a=1&b=ü#c") / "more"
    assert pickled(made) == made
    return [str(made), made.human_repr(), dict(made.query), raised(ValueError, URL, "http://[::1")]


@briefly("httptools")
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


@briefly("websockets")
def websockets(seed):
    from websockets.frames import Frame, Opcode
    from websockets.speedups import apply_mask

    masked = apply_mask(b"text %d" % seed * 20, b"mask")
    return [
        digest(masked),
        digest(Frame(Opcode.TEXT, b"%d" % seed).serialize(mask=False)),
        raised(Exception, apply_mask, b"a", b"b"),
    ]


@briefly("uvloop")
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


@briefly("gevent")
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


@briefly("greenlet")
def greenlet(seed):
    from greenlet import getcurrent, greenlet

    found = []

    def inside(value):
        while True:
            found.append(value)
            value = getcurrent().parent.switch(value * 2)

    other = greenlet(inside)
    values = [other.switch(seed + i) for i in range(20)]
    return [sum(values), len(found), raised(ZeroDivisionError, greenlet(lambda: 1 // 0).switch)]


@briefly("geventhttpclient", "gevent")
def geventhttpclient(seed):
    from geventhttpclient._parser import HTTPResponseParser
    from geventhttpclient.response import HTTPResponse

    made = HTTPResponse()
    made.feed(b"HTTP/1.1 200 OK\r\nX: %d\r\nContent-Length: 2\r\n\r\nab" % seed)
    broken = HTTPResponse()
    return [
        made.status_code,
        made["x"],
        issubclass(HTTPResponse, HTTPResponseParser),
        raised(Exception, broken.feed, b"no http\r\n\r\n")[:10],
    ]


@briefly("tornado")
def tornado(seed):
    import asyncio

    from tornado import httpclient, httpserver, speedups, testing, web

    class Answer(web.RequestHandler):
        def get(self):
            self.write({"seed": seed})

    async def both():
        socket, port = testing.bind_unused_port()
        server = httpserver.HTTPServer(web.Application([("/", Answer)]))
        server.add_socket(socket)
        response = await httpclient.AsyncHTTPClient(force_instance=True).fetch(f"http://127.0.0.1:{port}/")
        server.stop()
        await server.close_all_connections()
        return response.body.decode()

    return [
        asyncio.run(both()),
        digest(speedups.websocket_mask(b"mask", b"text" * 9)),
        raised(ValueError, speedups.websocket_mask, b"m", b"t"),
    ]


@briefly("falcon")
def falcon(seed):
    import falcon
    from falcon import testing

    class Thing:
        def on_get(self, request, response, name):
            response.media = {"name": name, "q": request.get_param_as_int("q", required=True)}

    app = falcon.App()
    app.add_route("/{name}", Thing())
    client = testing.TestClient(app)
    return [
        client.simulate_get("/x", params={"q": str(seed)}).json,
        client.simulate_get("/x").status,
        client.simulate_get("/a/b").status,
    ]


@briefly("granian", threads=False)
def granian(seed):
    from granian import _granian

    return [
        len([name for name in dir(_granian) if "Worker" in name]) > 3,
        raised(TypeError, _granian.RSGIWorker, seed)[:9],
    ]


@briefly("grpcio")
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


@briefly("grpcio-tools")
def grpc_tools(seed):
    import os
    import tempfile

    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "x.proto"), "w") as file:
            file.write(f'syntax = "proto3"; message M {{ int32 n = {seed + 1}; }}')
        status = protoc.main(["protoc", f"-I{folder}", f"--python_out={folder}", os.path.join(folder, "x.proto")])
        with open(os.path.join(folder, "x_pb2.py")) as file:
            return [status, digest(file.read())]


@briefly("pyzmq")
def zmq(seed):
    import threading

    import zmq

    with zmq.Context() as context, context.socket(zmq.PAIR) as here, context.socket(zmq.PAIR) as there:
        port = here.bind_to_random_port("tcp://127.0.0.1")
        there.connect(f"tcp://127.0.0.1:{port}")
        echo = threading.Thread(target=lambda: there.send_multipart(there.recv_multipart()[::-1]))
        echo.start()
        here.send_multipart([b"a", b"%d" % seed])
        found = [part.decode() for part in here.recv_multipart()]
        echo.join()
        return [found, raised(zmq.ZMQError, here.bind, "none://x")]


@briefly("pynng")
def pynng(seed):
    import pynng

    with pynng.Pair0(listen=f"inproc://x{id(object())}{seed}", recv_timeout=5000) as here:
        with pynng.Pair0(dial=here.listeners[0].url, recv_timeout=5000) as there:
            there.send(b"text %d" % seed)
            found = here.recv().decode()
        here.recv_timeout = 10
        return [found, raised(pynng.Timeout, here.recv)]


@briefly("confluent-kafka")
def confluent_kafka(seed):
    import confluent_kafka

    lost = []
    made = confluent_kafka.Producer(
        {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 50, "log_level": 0, "error_cb": lambda error: None}
    )
    for i in range(3):
        made.produce("t", b"%d" % (i * seed), on_delivery=lambda error, message: lost.append(error.name()))
    made.flush(5)
    return [lost, raised(confluent_kafka.KafkaException, confluent_kafka.Producer, {"none": 1})[:30]]


@briefly("aiokafka")
def aiokafka(seed):
    from aiokafka.record._crecords import DefaultRecordBatch, DefaultRecordBatchBuilder

    made = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 10_000)
    for i in range(5):
        made.append(i, 1_600_000_000_000, b"k", b"%d" % (i * seed), [])
    data = bytes(made.build())
    batch = DefaultRecordBatch(bytearray(data))
    return [
        batch.validate_crc(),
        [record.value.decode() for record in batch],
        raised(Exception, made.append, "a", 1, b"", b"", [])[:9],
    ]


@briefly("zeroconf")
def zeroconf(seed):
    from zeroconf import DNSIncoming, DNSOutgoing, DNSQuestion

    made = DNSOutgoing(0)
    made.add_question(DNSQuestion(f"x{seed}._http._tcp.local.", 12, 1))
    data = made.packets()[0]
    back = DNSIncoming(data)
    return [
        back.questions[0].name,
        back.valid,
        DNSIncoming(b"no").valid,
        raised(TypeError, DNSQuestion, 3, "a", None)[:9],
    ]


@briefly("dbus-fast")
def dbus_fast(seed):
    from dbus_fast import Message, MessageType, Variant
    from dbus_fast._private.marshaller import Marshaller

    made = Message(
        path="/a", interface="a.b", member="c", signature="a{sv}as", body=[{"k": Variant("i", seed)}, ["x"]], serial=1
    )
    return [
        digest(bytes(made._marshall(False))),
        MessageType.SIGNAL.name,
        raised(Exception, Marshaller("i", ["no"]).marshall)[:14],
    ]


@contextlib.contextmanager
def answering():
    """The address of a server that answers one request, with its path."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        once = threading.Thread(target=server.handle_request)
        once.start()
        yield f"http://127.0.0.1:{server.server_port}"
        once.join()


@briefly("pycurl")
def pycurl(seed):
    import io

    import pycurl

    kept, made = io.BytesIO(), pycurl.Curl()
    with answering() as address:
        made.setopt(made.URL, f"{address}/x{seed}")
        made.setopt(made.WRITEFUNCTION, kept.write)
        made.perform()
        status = made.getinfo(made.RESPONSE_CODE)
        made.setopt(made.URL, "http://127.0.0.1:1/")
        wrong = raised(pycurl.error, made.perform)[:9]
        made.close()
        return [kept.getvalue().decode(), status, wrong]


@briefly("curl_cffi")
def curl_cffi(seed):
    from curl_cffi import requests

    with answering() as address:
        found = requests.get(f"{address}/x{seed}", timeout=20).text
    return [found, raised(Exception, requests.get, "http://127.0.0.1:1/", timeout=5)[:14]]


@briefly("primp")
def primp(seed):
    import primp

    made = primp.Client(timeout=5)
    return [raised(Exception, made.get, f"http://127.0.0.1:1/{seed}")[:12], raised(Exception, made.get)[:9]]


@briefly("awscrt")
def awscrt(seed):
    from awscrt import auth, checksums, common, http, io

    loop = io.EventLoopGroup(1)
    del loop
    kept = http.HttpHeaders([("A", "1"), ("b", str(seed))])
    made = auth.AwsCredentials("key", f"secret{seed}")
    return [
        checksums.crc32c(b"text"),
        sorted(kept),
        made.secret_access_key,
        common.get_cpu_group_count() > 0,
        raised(Exception, auth.AwsCredentials, 3, 4)[:9],
    ]


@briefly("psutil")
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


@briefly("setproctitle", threads=False)
def setproctitle(seed):
    import setproctitle

    before = setproctitle.getthreadtitle()
    return [
        isinstance(before, str),
        len(setproctitle.getproctitle()) > 0,
        raised(TypeError, setproctitle.setthreadtitle, 3),
    ]


@briefly("watchfiles")
def watchfiles(seed):
    import os
    import tempfile
    import threading

    import watchfiles

    with tempfile.TemporaryDirectory() as folder:
        stop = threading.Event()
        write = threading.Timer(0.1, lambda: open(os.path.join(folder, f"x{seed}"), "w").close())
        write.start()
        for changes in watchfiles.watch(folder, stop_event=stop, debounce=50, step=10, rust_timeout=5000):
            found = sorted({os.path.basename(path) for _, path in changes})
            break
        write.join()
        return [found, raised(FileNotFoundError, lambda: next(watchfiles.watch("/nowhere")))[:17]]


@briefly("xattr")
def xattr(seed):
    import tempfile

    import xattr

    with tempfile.NamedTemporaryFile() as file:
        try:
            xattr.setxattr(file.name, "user.a", b"%d" % seed)
            found = xattr.getxattr(file.name, "user.a").decode()
        except OSError as error:
            found = str(seed) if error.errno == 95 else str(error)
        return [found, raised(OSError, xattr.getxattr, "/nowhere", "user.a")[:17]]


@briefly("posix_ipc")
def posix_ipc(seed):
    import os

    import posix_ipc

    made = posix_ipc.Semaphore(f"/o{os.getpid()}-{os.urandom(6).hex()}", posix_ipc.O_CREX, initial_value=seed)
    made.release()
    made.acquire()
    value = made.value
    made.unlink()
    return [value, raised(posix_ipc.ExistentialError, posix_ipc.Semaphore, "/none-at-all")]


@briefly("sysv_ipc")
def sysv_ipc(seed):
    import sysv_ipc

    made = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=100)
    made.write(b"text %d" % seed)
    found = made.read(6).decode()
    made.detach()
    made.remove()
    return [found, raised(sysv_ipc.ExistentialError, sysv_ipc.SharedMemory, 0x7654321)]


@briefly("hidapi", threads=False)
def hidapi(seed):
    import hid

    return [hid.device() is not None, raised(OSError, hid.device().open, seed, 0xFFFF)[:10]]


@briefly("fastrlock")
def fastrlock(seed):
    from fastrlock.rlock import FastRLock

    lock = FastRLock()
    with lock, lock:
        inside = lock._is_owned()
    return [inside, lock._is_owned(), raised(RuntimeError, lock.release), seed]


@briefly("python-magic", "pylibmagic", loads="ctypes")
def magic(seed):
    import pylibmagic  # noqa: F401
    import magic

    return [
        magic.from_buffer(b"%%PDF-1.%d" % (seed % 7), mime=True),
        magic.from_buffer(b"\x89PNG\r\n\x1a\n", mime=True),
        raised(Exception, magic.from_file, "/nowhere")[:17],
    ]
