"""Describes an exception as plain values. Runs in every interpreter, at its first exception."""

import collections
import traceback


def _text(value):
    try:
        return str(value)
    except BaseException:
        return "<exception str() failed>"


def _name(kind):
    name = getattr(kind, "__qualname__", kind.__name__)
    module = getattr(kind, "__module__", None)
    return name if module in (None, "builtins") else f"{module}.{name}"


def _notes(exception):
    notes = getattr(exception, "__notes__", None)
    if not isinstance(notes, (list, tuple)):
        return []
    return [note if isinstance(note, str) else _text(note) for note in notes]


def _kind(exception):
    for kind in (SystemExit, KeyboardInterrupt, MemoryError, RecursionError, SyntaxError, ImportError):
        if isinstance(exception, kind):
            return kind.__name__
    return ""


def _status(exception):
    """What the process would have ended with: Python/pythonrun.c, handle_system_exit."""
    if not isinstance(exception, SystemExit):
        return None
    code = exception.code
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1
    # What no C long holds is -1 there.
    return code & 0xFF if -(2**63) <= code < 2**63 else 255


def _own_frames(trace):
    """The traceback from the user's first frame on: our loader and importlib's are no news."""
    start = trace
    while start is not None:
        filename = start.tb_frame.f_code.co_filename
        if not filename.startswith(("<owngil", "<frozen importlib", "<frozen runpy")):
            _pass_own(start)
            return start
        start = start.tb_next
    return None if trace is None else start


def _pass_own(trace):
    """Takes frames of ours out that stand between the user's and a function of the standard library."""
    while trace is not None:
        following = trace.tb_next
        while following is not None and following.tb_frame.f_code.co_filename.startswith("<owngil "):
            following = following.tb_next
        if following is not trace.tb_next:
            trace.tb_next = following
        trace = following


def _frames(exception):
    """(file, line, function) of the innermost 200 frames, innermost last."""
    frames = collections.deque(maxlen=200)
    trace = _own_frames(exception.__traceback__)
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, trace.tb_lineno or 0, code.co_qualname))
        trace = trace.tb_next
    return list(frames)


def _report(exception):
    try:
        trace = _own_frames(exception.__traceback__)
        return "".join(traceback.format_exception(type(exception), exception, trace))
    except BaseException as failure:
        return f"(no traceback: formatting it raised {_name(type(failure))})\n"


def _describe(exception, seen, top):
    seen.add(id(exception))
    cause = exception.__cause__
    context = None if exception.__suppress_context__ else exception.__context__
    deeper = len(seen) < 32

    def inner(other):
        if other is None or id(other) in seen or not deeper:
            return None
        return _describe(other, seen, False)

    return (
        _name(type(exception)),
        _text(exception),
        _report(exception) if top else "",
        _notes(exception),
        inner(cause),
        inner(context),
        _status(exception),
        _kind(exception),
        _frames(exception),
    )


def describe(exception):
    """That of a script was described when it was raised: meanwhile what it refers to has gone."""
    known = vars(exception).pop("__owngil_description__", None)
    return known if type(known) is tuple else _describe(exception, set(), True)
