"""What is imported, going by the source, and where it is found: nothing that is looked at runs."""

import ast
import os
import sys
from importlib import util

#: Exceptions whose handler says that a script goes on without what it imports.
_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def survey_script(path):
    """Of the imports that are written in a script."""
    path = os.path.abspath(os.fsdecode(path))
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except (SyntaxError, ValueError) as error:
        return _report(trouble=("syntax", f"{type(error).__name__}: {error}"))
    except OSError as error:
        return _report(trouble=("file", error.strerror or str(error)))
    folder = os.path.dirname(path)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)
    visitor = _Visitor()
    visitor.visit(tree)
    return _report(_imports(visitor.found))


def survey_modules(names):
    """Of modules that are named."""
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return _report(_imports([_Found(name, (), 0) for name in names]))


def survey_all():
    """Of every installed distribution that has extension modules."""
    from importlib import metadata

    imports = {}
    for distribution in metadata.distributions():
        files = {}
        for file in distribution.files or ():
            parts = file.parts
            if len(parts) < 2 and not file.name.endswith(".so") or ".." in parts:
                continue
            if file.name.endswith(".so") and not parts[0].endswith((".libs", ".data", ".dist-info")):
                files.setdefault(parts[0].split(".")[0], []).append(file)
        for top, members in sorted(files.items()):
            found = imports.setdefault(top, _row(top, [top]))
            found["distribution"] = f"{distribution.metadata['Name']} {distribution.version}"
            found["files"] += [_native(file.parts, distribution.locate_file(file)) for file in members]
    return _report(sorted(imports.values(), key=lambda row: row["distribution"].lower()))


def _native(parts, path):
    """The name of the module that a file is, and the file."""
    return ".".join([*parts[:-1], parts[-1].split(".")[0]]), os.path.abspath(path)


def _report(imports=(), trouble=None):
    kind, message = trouble or ("", "")
    return {
        "version": sys.version,
        "executable": sys.executable or "",
        "paths": [path for path in sys.path if isinstance(path, str)],
        "imports": list(imports),
        "trouble": kind,
        "message": message,
    }


class _Found:
    """An import as it is written."""

    def __init__(self, module, names, line, is_lazy=False, is_optional=False):
        self.module, self.names, self.line = module, tuple(names), line
        self.is_lazy, self.is_optional = is_lazy, is_optional


class _Visitor(ast.NodeVisitor):
    """Collects the imports that a run may come to."""

    def __init__(self):
        self.found = []
        self._n_functions = self._n_guards = 0

    def _add(self, node, module, names=()):
        self.found.append(_Found(module, names, node.lineno, self._n_functions > 0, self._n_guards > 0))

    def visit_Import(self, node):
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node):
        if node.level == 0 and node.module and node.module != "__future__":
            self._add(node, node.module, [alias.name for alias in node.names])

    def visit_Call(self, node):
        name = _name(node.func)
        first = node.args[0] if node.args else None
        if name in ("__import__", "import_module") and isinstance(getattr(first, "value", None), str):
            if first.value and not first.value.startswith("."):
                self._add(node, first.value)
        self.generic_visit(node)

    def _visit_function(self, node):
        self._n_functions += 1
        self.generic_visit(node)
        self._n_functions -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function

    def visit_If(self, node):
        if _name(node.test) == "TYPE_CHECKING":
            # Only type checkers come there.
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Try(self, node):
        guards = any(_catches(handler.type) for handler in node.handlers)
        self._n_guards += guards
        for child in node.body:
            self.visit(child)
        self._n_guards -= guards
        # What is tried in place of it may be what the script needs.
        for child in [*node.handlers, *node.orelse, *node.finalbody]:
            self.visit(child)

    visit_TryStar = visit_Try

    def visit_With(self, node):
        guards = any(
            isinstance(item.context_expr, ast.Call)
            and _name(item.context_expr.func) == "suppress"
            and any(_catches(argument) for argument in item.context_expr.args)
            for item in node.items
        )
        self._n_guards += guards
        self.generic_visit(node)
        self._n_guards -= guards


def _name(node):
    """The last name of `a.b.c`, or of `c`."""
    return getattr(node, "attr", None) or getattr(node, "id", None)


def _catches(node):
    if node is None:
        return True
    if isinstance(node, ast.Tuple):
        return any(_catches(element) for element in node.elts)
    return _name(node) in _CAUGHT


def _row(name, targets):
    kind, path, files = _find(name)
    return {
        "name": name,
        "targets": targets,
        "kind": kind,
        "path": path,
        "files": files,
        "lines": [],
        "is_lazy": False,
        "is_optional": False,
        "distribution": "",
    }


def _imports(found):
    """A row for each package, in the order in which they are first named."""
    packages = {}
    for one in found:
        packages.setdefault(one.module.partition(".")[0], []).append(one)
    rows = []
    for name, members in packages.items():
        targets = {}
        for one in members:
            known = targets.setdefault(one.module, [])
            known += [attribute for attribute in one.names if attribute not in known]
        row = _row(name, [" ".join([module, *names]) for module, names in targets.items()])
        row["lines"] = sorted({one.line for one in members if one.line})
        row["is_lazy"] = all(one.is_lazy for one in members)
        row["is_optional"] = all(one.is_optional for one in members)
        rows.append(row)
    return rows


def _find(name):
    """What a top-level module is (empty where there is none), its file, and the extension files that are with it."""
    try:
        spec = util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        spec = None
        if name in sys.builtin_module_names or name in sys.modules:
            return "builtin", "", []
    if spec is None:
        return "", "", []
    is_standard = name in sys.stdlib_module_names
    origin = spec.origin if spec.has_location and spec.origin else ""
    files = []
    if origin.endswith(".so"):
        files.append((name, origin))
    elif not is_standard:
        for folder in spec.submodule_search_locations or ():
            files += _extensions(name, folder)
    if is_standard:
        return ("standard" if origin else "builtin"), origin, files
    return "installed", origin, files


def _extensions(name, folder):
    found = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        inside = os.path.relpath(place, folder)
        parts = [] if inside == "." else inside.split(os.sep)
        found += [_native([name, *parts, file], os.path.join(place, file)) for file in sorted(files) if file.endswith(".so")]
    return found
