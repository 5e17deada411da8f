"""Runs last in an interpreter: what CPython's finalization does for the user's data.

The main interpreter is never finalized here, and CPython ends others without flushing their files. So the user's own
modules are released while all others are whole, and what is open after that is flushed or closed. From the standard
library and from installed packages nothing is taken away.

The host takes `n_daemons`, the number of threads that run on: where there are any, everything stays, and is flushed.
"""

import _io
import gc
import sys
import _weakref

# What is in memory, and what the interpreter itself prints to.
HARMLESS = {_io.BytesIO, _io.StringIO, type(sys.stdout), type(getattr(sys.stdout, "buffer", None))}
STANDARD = {id(stream) for stream in (sys.stdin, sys.__stdin__, sys.stdout, sys.__stdout__)}
# Text first: each before what it writes to. The others of their kind are layers, such as gzip's.
BUFFERS = {_io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom, _io.BufferedRWPair}

STORES = ("zipfile", "ZipFile"), ("shelve", "Shelf")


def daemons():
    """How many threads run on and are not waited for."""
    threading = sys.modules.get("threading")
    return 0 if threading is None else sum(thread.daemon for thread in threading.enumerate())


def is_open(file):
    try:
        return id(file) not in STANDARD and not file.closed and file.writable()
    except Exception:
        return False


def open_files():
    """Those that are open for writing: texts, layers, buffers."""
    objects = gc.get_objects()
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, _io._IOBase)} - HARMLESS
    files = [found for found in objects if type(found) in kinds and is_open(found)]
    texts = [file for file in files if isinstance(file, _io._TextIOBase)]
    layers = [file for file in files if isinstance(file, _io._BufferedIOBase) and type(file) not in BUFFERS]
    buffers = [file for file in files if type(file) in BUFFERS]
    return texts, layers, buffers


def have_last_words():
    """Whether there are objects that do something when they are destroyed."""
    for kind in set(map(type, gc.get_objects())):
        last_words = getattr(kind, "__del__", None)
        if hasattr(last_words, "__code__") and kind.__module__ != "threading":
            return True
    return False


def users():
    """The user's own modules by name, those that were imported last first."""
    found = []
    for name, module in reversed(list(sys.modules.items())):
        names = getattr(module, "__dict__", None)
        top = name.partition(".")[0]
        if type(names) is not dict or top in sys.stdlib_module_names or top in ("owngil", "__main__"):
            continue
        file = names.get("__file__")
        if not isinstance(file, str) or not ("site-packages" in file or "dist-packages" in file):
            found.append(name)
    return found


def clear(names):
    """As _PyModule_ClearDict does (Objects/moduleobject.c): private names first."""
    for is_private in (True, False):
        for name in list(names):
            if name != "__builtins__" and is_private == (name[:1] == "_" != name[1:2]):
                names[name] = None


def release(names):
    """Destroys the objects that only these modules reach: first those that go by themselves, as they are."""
    references = []
    for name in names:
        try:
            references.append(_weakref.ref(sys.modules.pop(name)))
        except TypeError:
            pass
    gc.collect()
    for reference in references:
        if (module := reference()) is not None:
            clear(module.__dict__)
            del module
    gc.collect()


def quietly(call):
    try:
        call()
    except Exception:
        pass


def stores():
    """What writes more when it is closed, to files of its own."""
    kinds = [getattr(sys.modules.get(module), name, None) for module, name in STORES]
    kinds = tuple(kind for kind in kinds if kind is not None)
    return [found for found in gc.get_objects() if issubclass(type(found), kinds)] if kinds else []


def finish():
    files = texts, layers, buffers = open_files()
    if not n_daemons and (any(files) or have_last_words()):
        # Held meanwhile: the collector would take a buffer before the text that writes to it, and lose what that holds.
        held = stores()
        release(users())
        for store in held:
            quietly(store.close)
        texts, layers, buffers = open_files()
    for file in texts:
        # Not closed, since a descriptor may be the process's, unless a layer such as gzip's has more to write then.
        is_layered = not n_daemons and type(getattr(file, "buffer", None)) not in BUFFERS
        quietly(file.close if is_layered else file.flush)
    for file in layers:
        quietly(file.flush if n_daemons else file.close)
    for file in buffers:
        quietly(file.flush)


n_daemons = daemons()
finish()
