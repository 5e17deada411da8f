"""What tests/extensions.rs runs: extension modules made by it, in the package `pack` beside this file."""

import importlib
import importlib.util
import pickle
import sys
import threading
import time


def single(n):
    from pack import single

    number, references = single.bump(n)
    assert single.__name__ == single.__spec__.name == "pack.single"
    assert single.__file__.endswith("single.so") and single.__spec__.origin == single.__file__
    assert single.bump.__module__ == "pack.single"
    assert single.finds_itself()
    assert pickle.loads(pickle.dumps(single.Point(7))).x == 7
    assert pickle.loads(pickle.dumps(single.bump)) is single.bump
    return number, references


def older(seconds):
    from pack import older

    # There is one of each in the whole process.
    shared = [0, 7, None, True, ..., (), b"", b"a", "", "a", "__init__", int, str, ValueError]
    zero, found = 0, 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for one in shared:
            older.hold(one, 1000)
        for seven in [7] * 1000:
            # The multiplication drops its references to the factors, and frees a factor if they were the last.
            found += zero * seven
            shared = list(shared)
    return found


def multi(name):
    module = importlib.import_module(f"pack.{name}")
    assert module.__name__ == f"pack.{name}" and module.Thing.__module__.startswith("pack.")
    assert module.Thing().finds_module()
    return module.number_of_references()


def inner():
    from pack import inner

    # Such modules come with 3.15.
    if sys.version_info >= (3, 15):
        assert inner.of_slots.answer() == 42
    return inner.inside.answer()


def capsules():
    from pack import provider
    from pack import consumer

    seen = [consumer.next() for _ in range(3)]
    assert provider.value() == seen[-1]
    return seen[-1]


def point(x):
    from pack.single import Point

    return Point(x)


def x_of(point):
    return point.x


def calls_back(n):
    import owngil
    from pack import threaded

    # Objects come and go, so that a thread of another interpreter would be noticed.
    seen = {}

    def function(i):
        seen[i] = [str(i)] * 3
        return owngil.worker_id() * 1_000_000 + int(seen[i][0])

    return threaded.call(function, n)


def attaches(how):
    import owngil
    from pack import states

    mine = owngil.worker_id()

    def function():
        # In the interpreter that it belongs to, with objects of its own.
        return 1 if owngil.worker_id() == mine and len([object() for _ in range(10)]) == 10 else 1_000_000

    return [states.run(function, how) for _ in range(50)][-1]


def adds_pending():
    from pack import states

    return states.add_pending()


def gives():
    """What another interpreter's thread needs in order to call into this one."""
    import owngil
    from pack import states

    mine = owngil.worker_id()
    seen = []

    def function():
        seen.append([str(mine)] * 3)
        return 1

    return states.keep(function), *states.ways()


def calls_into(given):
    from pack import states

    for address, ensured, counted in given:
        for _ in range(20):
            states.call_at(address, ensured)
    return True


def was_called():
    from pack import states

    return states.counts()


def where_it_is():
    from pack import states

    return states.where(), states.keep(lambda: 1), *states.ways()


def calls_into_ended(address, ensured):
    from pack import states

    return states.call_ended(address, ensured)


def releases(where):
    from pack import states

    states.release_only(where)


def raises(name):
    importlib.import_module(f"pack.{name}")


def again():
    """Imports again: by reload, after it was forgotten, and under another name."""
    from pack import multi, single

    assert importlib.reload(single) is single and importlib.reload(multi) is multi
    del sys.modules["pack.single"]
    again = importlib.import_module("pack.single")
    assert again.Point is single.Point and again.finds_itself()
    spec = importlib.util.spec_from_file_location("elsewhere.multi", multi.__file__)
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    assert other.__name__ == "elsewhere.multi" and other.Thing().finds_module()
    assert other.Thing is not multi.Thing
    # One copy serves both, so its guard sees one interpreter.
    assert multi.Thing().finds_module()
    return True


def at_once():
    """Threads of one interpreter that import the same at once."""
    n = 8
    barrier = threading.Barrier(n)
    found = []

    def load():
        barrier.wait()
        found.append(importlib.import_module("pack.late"))

    threads = [threading.Thread(target=load) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(found), len({id(module) for module in found})


def falls_back():
    from pack import fallback

    return fallback.kind


def stand_ins():
    import faulthandler

    faulthandler.enable()
    return faulthandler.is_enabled()


def readline():
    import readline
