"""Runs in a process that may end at any moment: imports something, and tells all that happens.

Each line of the report is a record: its fields are divided by tabs. They go to what was standard output, to which
no other code writes from then on. Nothing is imported here that could be what the trial is about.
"""

import _thread
import os
import sys

#: The longest text of a record: a line that is shorter than a pipe's buffer is written in one piece.
_TEXT_MAX = 600


def prepare():
    """Keeps the process's standard output for records; what is imported prints into nothing."""
    records = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass  # Then a crash leaves a file.
    return records


def trial(records, stage, paths, targets):
    """Imports the targets, each a module's name and those that are taken `from` it, divided by spaces.

    Says whether all were imported.
    """
    recorder = _Recorder(records)
    recorder.tell("stage", stage)
    sys.path[:] = paths
    before, mapped = set(sys.modules), _mapped()
    is_imported = False
    sys.meta_path.insert(0, recorder)
    try:
        for target in targets:
            recorder.tell("target", target.split(" ")[0])
            _import(*target.split(" "))
    except BaseException as error:
        recorder.tell("raised", type(error).__name__, error, getattr(error, "name", None) or "")
    else:
        is_imported = True
    finally:
        if recorder in sys.meta_path:
            sys.meta_path.remove(recorder)
    for name, module in list(sys.modules.items()):
        is_standard = name.partition(".")[0] in sys.stdlib_module_names
        words = ["" if name in before else "new", "standard" if is_standard else ""]
        recorder.tell("module", name, *_whereabouts(module), *words)
    for path in sorted(_mapped() - mapped):
        recorder.tell("mapped", path)
    recorder.tell("done")
    return is_imported


def probe(records, files):
    """Has the policy for own GILs decide on each file (PEP 489, PEP 684), without running the modules."""
    from importlib.machinery import BuiltinImporter, ExtensionFileLoader, ModuleSpec

    recorder = _Recorder(records)
    for entry in files:
        name, path = entry.split(" ", 1)
        recorder.tell("begin", name)
        loader = ExtensionFileLoader(name, path) if path else BuiltinImporter
        try:
            loader.create_module(ModuleSpec(name, loader, origin=path or "built-in"))
        except BaseException as error:
            recorder.tell("failed", name, type(error).__name__, error)
        else:
            recorder.tell("loaded", name)
    recorder.tell("done")


def _mapped():
    """The shared libraries that the process has loaded, by their files."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            lines = maps.read().splitlines()
    except OSError:
        return set()  # Another system.
    paths = {line.split(None, 5)[5] for line in lines if line.split(None, 2)[1].startswith(b"r-x") and b" /" in line}
    return {os.fsdecode(path) for path in paths if b".so" in path}


def _import(name, *names):
    module = __import__(name, {}, {}, names, 0)
    for attribute in names:
        if attribute != "*" and not hasattr(module, attribute):
            raise ImportError(f"cannot import name '{attribute}' from '{name}'", name=name)


def _whereabouts(module):
    """What a module is, and where: `extension`, `builtin`, `source`, or something `other`."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if origin == "built-in":
        return "builtin", ""
    if not isinstance(origin, str) or not getattr(spec, "has_location", False):
        return "other", ""
    return ("extension" if _is_extension(origin) else "source"), origin


def _is_extension(path):
    return path.endswith((".so", ".pyd", ".dylib"))


class _Recorder:
    """Stands before all finders: tells who imports what, and when an extension is loaded."""

    def __init__(self, records):
        self._records = records
        # By the threads that import: a finder may ask all others as well.
        self._asking = set()

    def tell(self, *fields):
        texts = []
        for field in fields:
            try:
                text = str(field)
            except BaseException:
                text = "(it has no text)"
            text = text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"
            text = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
            texts.append(text)
        line = "\t".join(texts) + "\n"
        os.write(self._records, line.encode("utf-8", "replace"))

    def find_spec(self, name, path=None, target=None):
        asking = _thread.get_ident(), name
        if asking in self._asking:
            return None
        self._asking.add(asking)
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                if finder is self or find is None:
                    continue
                spec = find(name, path, target)
                if spec is not None:
                    self._found(spec)
                    return spec
        finally:
            self._asking.discard(asking)
        return None

    def _found(self, spec):
        self.tell("found", spec.name, _importer(sys._getframe(2)))
        origin, loader = spec.origin, spec.loader
        if isinstance(origin, str) and _is_extension(origin):
            try:
                self._watch(spec, loader)
            except AttributeError:
                pass  # A loader that cannot be watched loads all the same.

    def _watch(self, spec, loader):
        create, execute = loader.create_module, loader.exec_module

        def create_module(given):
            return _attempt(self, spec, create, given, begins=True)

        def exec_module(module):
            return _attempt(self, spec, execute, module, begins=False)

        loader.create_module, loader.exec_module = create_module, exec_module


def _attempt(recorder, spec, step, argument, begins):
    if begins:
        recorder.tell("begin", spec.name)
    try:
        result = step(argument)
    except BaseException as error:
        recorder.tell("failed", spec.name, type(error).__name__, error)
        raise
    if not begins:
        recorder.tell("loaded", spec.name)
    return result


def _importer(frame):
    """The module whose code imports, going by the frames; empty for the trial itself."""
    while frame is not None:
        code, namespace = frame.f_code, frame.f_globals
        if code is _attempt.__code__:
            # The extension that runs imports in its own initialisation.
            return frame.f_locals["spec"].name
        if namespace is globals():
            if code is _import.__code__:
                return ""
        elif not code.co_filename.startswith("<frozen importlib") and namespace.get("__name__") != "importlib":
            return str(namespace.get("__name__", ""))
        frame = frame.f_back
    return ""


if __name__ == "__main__":
    # python -c SOURCE N_PATHS PATHS… TARGETS…
    _n_paths = int(sys.argv[1])
    _paths, _targets = sys.argv[2 : 2 + _n_paths], sys.argv[2 + _n_paths :]
    sys.argv[1:] = []
    trial(prepare(), "alone", _paths, _targets)
    os._exit(0)
