"""Runs once in the main interpreter, before there is any other.

Below 3.14 the first import of a C extension of the standard library must not happen in a
sub-interpreter: static objects then belong to whichever interpreter came first, and the heap is
corrupted when that one, or another, frees them (gh-117953, gh-119213, gh-136421, gh-136423). From 3.14
on that is fixed but for two tables that are filled without a lock (gh-140260, gh-116738).
"""

import sys

import _signal

# The table of signal handlers is one for the process, but its objects have the main interpreter's reference
# counts: getsignal(SIGINT), which asyncio.run calls, would count on default_int_handler from all interpreters
# at once, until it is freed (Modules/signalmodule.c). SIG_DFL is an immortal int. The host puts the
# disposition back afterwards. In a process that is another's, its handler stays: `hosted/handlers.rs` sees to it.
if not is_hosted and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def names():
    if is_alone or "t" in sys.abiflags:
        # There is no other interpreter, and none at all on a free-threaded build.
        return []
    if sys.version_info >= (3, 14):
        return ["_struct", "cmath"] if sys.version_info < (3, 14, 2) else []
    import os

    found = set(sys.builtin_module_names)
    for folder in sys.path:
        if os.path.basename(folder) == "lib-dynload" and os.path.isdir(folder):
            found.update(name.partition(".")[0] for name in os.listdir(folder))
    # Before its extension `_asyncio`, whose initialisation imports it: the other way around asyncio finds the extension
    # half made, and tasks then count as running in one of the two and not in the other.
    return ["asyncio", *sorted(found)]


# They need a terminal or a display, or are tests, or no interpreter but the main one may have them.
SKIPPED = ("_tkinter", "_curses", "readline", "nis", "_gdbm", "_dbm", "ossaudiodev", "_xx", "xx")
SKIPPED += ("_test", "_ctypes_test", "_tracemalloc", "faulthandler")


def preimport():
    # `signal` too: its first import in the main interpreter changes what SIGINT does, and the
    # runtime puts that back right after this.
    for name in [*([] if is_hosted else ["signal"]), *names()]:
        if not name.startswith(SKIPPED):
            try:
                __import__(name)
            except BaseException:
                # Not every build can load every one; what main cannot load, no other will.
                pass

    if "t" in sys.abiflags:
        # It shows the stacks of threads; the thread that calls it has a small stack.
        import faulthandler

    # The first simple type of ctypes fills a table of the process without a lock, after it has marked it as filled:
    # another interpreter reads null pointers there (Modules/_ctypes/cfield.c, _ctypes_get_fielddesc).
    if sys.version_info < (3, 14) and "_ctypes" in sys.modules:
        simple = sys.modules["_ctypes"]._SimpleCData
        type(simple)("first", (simple,), {"_type_": "i"})

    # 3.12 keeps one pointer to the table of character names for the whole process, into the interpreter that was the
    # first to ask for one in this way, and follows it when that has ended (gh-111972).
    "\xe9".encode("ascii", "namereplace")


if is_hosted:
    # What is deprecated is no news of the host's.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        preimport()
else:
    preimport()
