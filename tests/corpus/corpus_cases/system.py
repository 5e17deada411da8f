"""Cases of the standard library: files, processes, threads, asyncio and foreign functions."""

import asyncio
import concurrent.futures
import io
import mmap
import os
import pathlib
import queue
import re
import selectors
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading

from . import case


# Files, processes and the system


@case()
def files_and_paths():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "sub" / "deep").mkdir(parents=True)
        (root / "a.txt").write_text("one\ntwo ünï\n", "utf-8")
        (root / "sub" / "b.txt").write_bytes(b"\r\n\0")
        shutil.copy(root / "a.txt", root / "sub" / "c.txt")
        os.symlink("a.txt", root / "link")
        with open(root / "a.txt", "r+", encoding="utf-8") as file:
            file.seek(4)
            rest, where = file.read(), file.tell()
        found = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        walked = sorted((os.path.relpath(place, root), sorted(files)) for place, _, files in os.walk(root))
        stat = (root / "a.txt").stat()
        result = [found, walked, rest, where, stat.st_size, (root / "link").readlink(), (root / "sub" / "b.txt").read_text(), (root / "no").exists()]
    pure = pathlib.PurePosixPath("/a/b/../c.tar.gz")
    return result, root.exists(), pure, pure.suffixes, pure.relative_to("/a"), pathlib.PureWindowsPath("C:\\x\\y").as_posix()


@case()
def streams():
    raw = io.BytesIO()
    wrapped = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-16", newline="\r\n")
    wrapped.write("línea\n")
    wrapped.flush()
    lines = io.StringIO("a\nb\rc\r\nd", newline=None)
    with tempfile.TemporaryFile("w+b", buffering=0) as file:
        file.write(b"0123456789")
        position = file.seek(-3, os.SEEK_END)
        tail = file.read()
        piece = os.pread(file.fileno(), 2, 1)
    return raw.getvalue(), list(lines), position, tail, piece


@case()
def memory_maps():
    with tempfile.TemporaryFile() as file:
        file.write(b"hello mapped world")
        file.flush()
        with mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:5] = b"HELLO"
            found = mapped.find(b"world"), mapped[6:12], len(mapped), re.search(rb"w\w+", mapped).group()
        file.seek(0)
        content = file.read()
    with mmap.mmap(-1, 16) as anonymous:
        anonymous.write(b"anon")
        return found, content, anonymous[:6]


@case()
def databases():
    connection = sqlite3.connect(":memory:")
    connection.create_function("twice", 1, lambda n: n * 2)
    connection.create_aggregate("longest", 1, type("Longest", (), {
        "__init__": lambda self: setattr(self, "best", ""),
        "step": lambda self, word: setattr(self, "best", max(self.best, word, key=len)),
        "finalize": lambda self: self.best,
    }))
    connection.row_factory = sqlite3.Row
    with connection:
        connection.execute("create table t (id integer primary key, name text unique, data blob, x real)")
        rows = [("one", b"\0\1", 1.5), ("three", None, float("inf")), ("zwölf", b"", -0.0)]
        connection.executemany("insert into t (name, data, x) values (?, ?, ?)", rows)
    try:
        with connection:
            connection.execute("insert into t (name) values ('four')")
            connection.execute("insert into t (name) values ('one')")
    except sqlite3.IntegrityError as error:
        failure = str(error)
    rows = [tuple(row) for row in connection.execute("select name, twice(id), data, x from t order by name")]
    longest = connection.execute("select longest(name) as best, count(*) from t").fetchone()
    connection.close()
    return rows, failure, longest["best"], longest.keys()


@case()
def database_error():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("select * from nothing")


@case()
def child_processes():
    code = "import sys; data = sys.stdin.read(); print(data.upper()); print('err', file=sys.stderr); sys.exit(3)"
    done = subprocess.run([sys.executable, "-c", code], input="in ünï", capture_output=True, text=True, encoding="utf-8")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        echoed = child.communicate(b"through a pipe")[0]
    environment = subprocess.check_output(["/bin/sh", "-c", "echo $OWNGIL_CORPUS"], env={"OWNGIL_CORPUS": "set"})
    try:
        subprocess.run(["sleep", "30"], timeout=0.05)
    except subprocess.TimeoutExpired as error:
        timeout = error.cmd
    return done.returncode, done.stdout, done.stderr, echoed, child.returncode, environment, timeout


@case()
def missing_program():
    subprocess.run(["/nonexistent/program"])


@case()
def sockets():
    left, right = socket.socketpair()
    with left, right, selectors.DefaultSelector() as selector:
        selector.register(right, selectors.EVENT_READ, "right")
        quiet = selector.select(0)
        left.sendall(b"hello ")
        left.shutdown(socket.SHUT_WR)
        ready = [(key.data, events == selectors.EVENT_READ) for key, events in selector.select(5)]
        buffer = bytearray(3)
        count = right.recv_into(buffer)
        rest = right.makefile("rb").read()
    return quiet, ready, count, buffer, rest, socket.inet_aton("192.0.2.1"), socket.htons(1) in (1, 256), socket.AF_UNIX


@case()
def tls_contexts():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError as error:
        wants = type(error).__name__
    return context.check_hostname, context.verify_mode, wants, outgoing.read(3), ssl.RAND_status(), len(ssl.RAND_bytes(4))


@case()
def own_environment():
    """What a task sets is there for it and its children; the name is put back."""
    name = f"OWNGIL_CORPUS_{threading.get_ident()}"
    os.environ[name] = "välue"
    try:
        child = subprocess.check_output(["/bin/sh", "-c", f"printf %s ${name}"])
    finally:
        del os.environ[name]
    return child.decode(), name in os.environ, os.path.expandvars("$NOT_SET_ANYWHERE/x")


# Concurrency within a task


@case((8,))
def threads(n):
    lock, barrier, order = threading.Lock(), threading.Barrier(n), []
    local = threading.local()

    def work(i):
        local.value = i
        barrier.wait()
        with lock:
            order.append(local.value)

    running = [threading.Thread(target=work, args=(i,), name=f"work-{i}") for i in range(n)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    condition = threading.Condition()
    with condition:
        waited = condition.wait(0.001)
    event, timer = threading.Event(), []
    later = threading.Timer(0.001, lambda: (timer.append("fired"), event.set()))
    later.start()
    return sorted(order), waited, event.wait(10), timer, hasattr(local, "value")


@case()
def thread_pools():
    with concurrent.futures.ThreadPoolExecutor(4, initializer=lambda: None) as pool:
        squares = list(pool.map(lambda n: n * n, range(20)))
        futures = {pool.submit(divmod, 17, n): n for n in range(3)}
        done = {futures[f]: f.exception() or f.result() for f in concurrent.futures.as_completed(futures)}
    try:
        pool.submit(print)
    except RuntimeError as error:
        return squares, sorted(done.items()), str(error)


@case()
def queues():
    q, out = queue.Queue(2), []

    def consume():
        while (item := q.get()) is not None:
            out.append(item)
            q.task_done()
        q.task_done()

    thread = threading.Thread(target=consume)
    thread.start()
    for item in [*range(10), None]:
        q.put(item)
    q.join()
    thread.join()
    priority = queue.PriorityQueue()
    for item in (3, 1, 2):
        priority.put(item)
    try:
        queue.SimpleQueue().get_nowait()
    except queue.Empty:
        return out, [priority.get() for _ in range(3)]


@case()
def asyncio_tasks():
    async def work(name, delay):
        await asyncio.sleep(delay)
        return name

    async def never():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main():
        gathered = await asyncio.gather(work("slow", 0.002), work("fast", 0), never_ends(), return_exceptions=True)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work(i, 0)) for i in range(3)]
        try:
            async with asyncio.timeout(0.001):
                await never()
        except TimeoutError:
            log.append("timeout")
        q = asyncio.Queue()
        producer = asyncio.create_task(q.put("queued"))
        got = await q.get()
        await producer
        return gathered, [task.result() for task in tasks], got

    async def never_ends():
        raise ValueError("gathered")

    log = []
    return asyncio.run(main()), log


@case()
def asyncio_and_threads():
    async def main():
        loop = asyncio.get_running_loop()
        in_thread = await asyncio.gather(*(asyncio.to_thread(pow, 2, n) for n in range(5)))
        event = asyncio.Event()
        timer = threading.Timer(0.001, lambda: loop.call_soon_threadsafe(event.set))
        timer.start()
        await asyncio.wait_for(event.wait(), 10)
        timer.join()
        return in_thread, await loop.run_in_executor(None, str.upper, "x")

    return asyncio.run(main())


@case()
def asyncio_child_processes():
    async def main():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(input()[::-1]); raise SystemExit(4)", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        out, _ = await child.communicate(b"abc\n")
        shell = await asyncio.create_subprocess_shell("exit 5")
        return out, child.returncode, await shell.wait()

    return asyncio.run(main())


@case()
def asyncio_streams():
    async def main():
        left, right = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=left)
        peer_reader, peer_writer = await asyncio.open_connection(sock=right)
        writer.write(b"line one\nrest")
        writer.write_eof()
        line, rest = await peer_reader.readline(), await peer_reader.read()
        peer_writer.close()
        writer.close()
        await writer.wait_closed()
        return line, rest

    return asyncio.run(main())


@case()
def context_of_asyncio_tasks():
    from .language import VARIABLE

    async def child(n):
        VARIABLE.set(n)
        await asyncio.sleep(0)
        return VARIABLE.get()

    async def main():
        VARIABLE.set("main")
        return await asyncio.gather(child(1), child(2)), VARIABLE.get()

    return asyncio.run(main())


# Foreign code


@case()
def foreign_functions():
    import ctypes

    libc = ctypes.CDLL(None)
    libc.strlen.restype = ctypes.c_size_t
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    libc.qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), compare)

    class Packet(ctypes.BigEndianStructure):
        _pack_ = 1
        _layout_ = "ms"
        _fields_ = [("kind", ctypes.c_uint8), ("size", ctypes.c_uint16)]

    packet = Packet.from_buffer_copy(b"\x01\x02\x03")
    buffer = ctypes.create_string_buffer(b"abc", 8)
    return libc.strlen(b"four"), libc.abs(-5), list(numbers), (packet.kind, packet.size), buffer.raw, ctypes.c_uint8(300).value


@case()
def builtin_functions_in_a_class():
    import copy
    import fcntl
    import inspect
    import pickle
    import signal

    class Held:
        close, kill, chdir, alarm, lockf, leave = os.close, os.kill, os.chdir, signal.alarm, fcntl.lockf, os._exit

    held = Held()
    held.close(os.open(os.devnull, os.O_RDONLY))
    held.kill(os.getppid(), 0)
    functions = [held.close, held.kill, held.chdir, held.alarm, held.lockf, held.leave, os.write, os.fork, os.system]
    return [
        (
            function.__name__,
            repr(function),
            str(inspect.signature(function)),
            function.__module__,
            pickle.loads(pickle.dumps(function)) is function,
            copy.deepcopy(function) is function,
            function in os.supports_fd,
        )
        for function in functions
    ]


@case()
def size_of_a_terminal_that_is_none():
    try:
        return os.get_terminal_size()
    except OSError:
        return shutil.get_terminal_size()
