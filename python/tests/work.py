"""Functions that the tests call in workers."""

import os
import sys
import time
import warnings


def double(x):
    return 2 * x


def add(x, y=0, *rest, **more):
    return x + y + sum(rest) + sum(more.values())


def fail(kind, *arguments):
    raise kind(*arguments)


def fail_deep(x):
    def inner():
        raise LookupError(x)  # where it happened

    inner()


def spin():
    while True:
        pass


def swallow():
    """Takes no interrupt for an answer."""
    while True:
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass


def exit_process(status):
    os.kill(os.getpid(), 9) if status is None else os._exit(status)


def whoami():
    import owngil

    return owngil.worker_id(), os.getpid()


def whoami_after(seconds):
    nap(seconds)
    return whoami()


def count():
    """How often this worker was asked."""
    import owngil

    owngil.state.count = getattr(owngil.state, "count", 0) + 1
    return owngil.state.count


def initialize(value):
    global initialized
    initialized = value


def get_initialized():
    return initialized


def fail_to_initialize():
    raise ValueError("no worker for you")


def hoard(n):
    return len([bytearray(1_000_000) for _ in range(n)])


def argv():
    return sys.argv


def warn(text):
    warnings.warn(text, stacklevel=1)
    return list(sys.warnoptions)


def touch(path):
    with open(path, "a"):
        pass
    return path


def map_in_workers(backend):
    import owngil

    with owngil.Executor(2, backend=backend) as executor:
        return str(list(executor.map(double, [0.5, 1]))).replace(".0", "").replace(" ", "")


def nap(seconds):
    time.sleep(seconds)
    return seconds


class Unpicklable(Exception):
    """Cannot cross as itself."""

    def __reduce__(self):
        raise TypeError("not me")


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    __hash__ = None

    def moved(self, by):
        return Point(self.x + by, self.y + by)

    @classmethod
    def origin(cls):
        return cls(0, 0)

    @staticmethod
    def norm(x, y):
        return (x * x + y * y) ** 0.5


def mirrored(point):
    return Point(point.y, point.x)


def call(function):
    return function()


def nap_for_ever():
    """Takes no interrupt for an answer, and asks for its GIL all the time."""
    while True:
        try:
            while True:
                time.sleep(0.0005)
        except KeyboardInterrupt:
            pass


def leave_a_daemon():
    import threading

    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def share(name, i):
    """Writes into shared memory of that name, and into some of its own, whose name it returns."""
    from multiprocessing.shared_memory import SharedMemory

    theirs, mine = SharedMemory(name=name), SharedMemory(create=True, size=4)
    theirs.buf[i] = mine.buf[0] = i
    theirs.close()
    mine.close()
    return mine.name


def nest():
    """What an executor in a worker fails by."""
    import owngil

    try:
        owngil.Executor(1)
    except RuntimeError as error:
        return type(error).__name__


def trace_memory():
    """Imports a module that refuses interpreters on every version."""
    import tracemalloc

    tracemalloc.start()


def traces_memory():
    return sys.modules["tracemalloc"].is_tracing()


def frames():
    """The functions in which the threads of this worker are."""
    return sorted(frame.f_code.co_name for frame in sys._current_frames().values())


def frames_beside_a_thread():
    import threading

    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        return len(frames()), len(sys._current_exceptions())
    finally:
        end.set()
        thread.join()


def recurse(depth):
    """Comes and goes with many frames; 2 to the power of the depth."""
    return 1 if depth == 0 else sum(recurse(depth - 1) for _ in range(2))


class Leaving(Exception):
    """Ends the program that reads it."""

    def __reduce__(self):
        return sys.exit, (5,)
