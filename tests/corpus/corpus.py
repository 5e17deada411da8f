"""The corpus: functions whose outcome must be the same wherever owngil runs them.

The test calls `outcome`, `value` and the like in workers, and runs `baseline` in a plain `python` process.
"""

import dataclasses
import enum
import json
import os
import re
import struct
import subprocess
import sys
import warnings

from corpus_cases import CASES, classes, data, errors, language, refused, system, text  # noqa: F401


def names():
    """Each case, with how many inputs it has."""
    return [(name, len(inputs)) for name, (_, inputs) in CASES.items()]


def python():
    return sys.executable


def call(name, number):
    function, inputs = CASES[name]
    return function(*inputs[number])


def run(name, number):
    """The canonical text of what a case returns."""
    return canonical(call(name, number))


def arguments(name, number):
    """The arguments of a case, for the host to hand on."""
    return CASES[name][1][number]


def run_with(name, given):
    """The canonical text of what a case returns for arguments that came from the host."""
    return canonical(CASES[name][0](*given))


def identity(value):
    return value


def import_all():
    """Each module of the standard library, with why it cannot be imported, or an empty text."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(sys.stdlib_module_names):
            # These open windows, print, or are tests.
            if not name.startswith(("antigravity", "this", "idlelib", "turtle", "test", "_test", "_xx", "xx")):
                found[name] = _why_not(name)
    return found


def _why_not(name):
    try:
        __import__(name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def canonical(value):
    """A text that two values share only if they are alike in every way that Python can tell.

    Types, order, signs of zero, bits of NaN, and which containers are one object: all are in it. Addresses and the
    order of sets, which differ from run to run, are not.
    """
    parts = []
    _write(value, parts.append, {})
    return "".join(parts)


def canonical_tree(value):
    """The same without which containers are one object, but for those that hold themselves."""
    parts = []
    _write(value, parts.append, {}, True)
    return "".join(parts)


def _write(value, write, seen, tree=False):
    kind = type(value)
    if kind is float:
        write(value.hex() if value == value else f"nan:{struct.pack('>d', value).hex()}")
        return
    if kind is complex:
        write("complex(")
        _write(value.real, write, seen)
        write(", ")
        _write(value.imag, write, seen)
        write(")")
        return
    if value is None or kind in (bool, int, str, bytes, range, slice):
        write(hex(value) if kind is int else ascii(value))
        return
    if kind in (set, frozenset) or isinstance(value, (set, frozenset)):
        write(_name(kind) + "{" + ", ".join(sorted(map(canonical, value))) + "}")
        return
    items = _items(value)
    if items is None:
        write(_name(kind) + " " + _without_addresses(ascii(value)))
        return
    # An empty tuple is one object everywhere, and the sharing of constants is the compiler's affair.
    if kind is not tuple:
        if id(value) in seen:
            write(f"<the object #{seen[id(value)][0]}>")
            return
        # Holding the value keeps its address from being used again.
        seen[id(value)] = len(seen), value
    write(("" if kind in (list, tuple, dict) else _name(kind)) + ("(" if kind is tuple else "["))
    for label, item in items:
        if label is not None:
            _write(label, write, seen, tree)
            write(": ")
        _write(item, write, seen, tree)
        write(", ")
    if tree and kind is not tuple:
        # What comes later and is this very object is written again.
        del seen[id(value)]
    write(")" if kind is tuple else "]")


def _items(value):
    """What a value consists of, as pairs of a label and an item; None for what has only its text."""
    if isinstance(value, enum.Enum):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, BaseException):
        args = [(None, value.args), ("notes", getattr(value, "__notes__", None))]
        return args + ([("exceptions", value.exceptions)] if isinstance(value, BaseExceptionGroup) else [])
    state = [("attributes", vars(value))] if type(value).__flags__ & 1 << 9 and getattr(value, "__dict__", None) else []
    if isinstance(value, dict):
        return [*value.items(), *state]
    if isinstance(value, (list, tuple)):
        return [(None, item) for item in value] + state
    return None


def _name(kind):
    # On 3.12 an interpreter with its own GIL has datetime in Python, not in C.
    module = "datetime" if kind.__module__ == "_pydatetime" else kind.__module__
    return f"{module}.{kind.__qualname__}"


def _without_addresses(text):
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x...", text)


def baseline(path):
    """Runs every case in this process, and writes what became of each to a file, as JSON."""
    outcomes = []
    for name, n_inputs in names():
        for number in range(n_inputs):
            outcomes.append({"name": name, "number": number, **_outcome(name, number)})
    with open(path, "w", encoding="ascii") as file:
        json.dump({"outcomes": outcomes, "imports": import_all()}, file)


def _outcome(name, number):
    import contextlib
    import io

    stdout, stderr = io.StringIO(), io.StringIO()
    outcome = {"value": None, "tree": None, "exception": None}
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            outcome["value"] = run(name, number)
            # Not counted in the output: it is another call.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                outcome["tree"] = canonical_tree(call(name, number))
        except BaseException as error:
            outcome["exception"] = _described(error)
    return {**outcome, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


def _described(error):
    import traceback

    # Without this module's own frame, which the host has none of.
    trace = error.__traceback__.tb_next
    report = traceback.TracebackException(type(error), error, trace)
    try:
        text = str(error)
    except BaseException:
        text = "<exception str() failed>"
    notes = getattr(error, "__notes__", [])
    return {
        "type_name": _chain_name(error),
        "message": _encodable(text),
        "notes": [str(note) for note in notes] if isinstance(notes, list) else [],
        "chain": _chain(error),
        "traceback": _encodable("".join(report.format())),
        "exit_status": _exit_status(error) if isinstance(error, SystemExit) else None,
    }


def _encodable(text):
    """As the host has it: what UTF-8 cannot hold is replaced."""
    return text.encode("utf-8", "backslashreplace").decode()


def _chain(error):
    seen, chain = {id(error)}, []
    while True:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is None or id(error) in seen:
            return chain
        seen.add(id(error))
        chain.append(_chain_name(error))


def _chain_name(error):
    kind = type(error)
    return kind.__qualname__ if kind.__module__ in (None, "builtins") else _name(kind)


def _exit_status(error):
    """What a process really ends with."""
    code = f"raise SystemExit({error.code!r})"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    # Under its own name, as workers import it: what it defines is then found by the same name.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import corpus

    corpus.baseline(sys.argv[1])
