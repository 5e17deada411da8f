"""Runs in the namespace of bootstrap.py, after it: the interpreter's standard streams.

The host gives `write(number, data)`, a Rust function that takes the output of the task at hand:
number is 1 for sys.stdout and 2 for sys.stderr, data is str, bytes, or None to flush; and `descriptor(number)`,
which gives what stands for that descriptor in a child process of that task, or None.
"""

import _io
import os
import posix
import sys


def _runs_script():
    return getattr(sys.modules["_owngil_worker"]._own, "runs_script", False)


def _to_descriptor(fd):
    """Stands for the host's `write` where output goes past it."""
    write = posix.write

    def write_all(number, data):
        if data is not None:
            rest = memoryview(data.encode() if isinstance(data, str) else data)
            while rest:
                rest = rest[write(fd, rest) :]

    return write_all


# As io.TextIOWrapper has it.
_CLOSED = "I/O operation on closed file."


class _Binary(_io._BufferedIOBase):
    """sys.stdout.buffer"""

    # The abstract classes of `io` know it by that: importing `io` takes as long as all else here.
    __class__ = property(lambda self: _io.BufferedWriter)

    def __init__(self, number, name, write, descriptor, text):
        self._number = number
        self._write = write
        self._descriptor = descriptor
        self._text = text
        self.given = None
        self.name = name
        self.mode = "wb"

    @property
    def raw(self):
        """What is written has no buffer."""
        return self

    def writable(self):
        return True

    def write(self, data):
        if self.closed:
            raise ValueError("write to closed file")
        data = bytes(memoryview(data))
        self._write(self._number, data)
        return len(data)

    def flush(self):
        self._write(self._number, None)

    def fileno(self):
        """Of a pipe that becomes the task's output too, where that is caught; else the process's own."""
        descriptor = self._descriptor(self._number)
        self.given = self._number if descriptor is None else descriptor
        return self.given

    def close(self):
        """Of a function it stays open, since the next call prints here too; the next script has another."""
        if _runs_script() and not self.closed:
            _io._BufferedIOBase.close(self)
            self._text.look()


class _Text(_io._TextIOBase):
    """sys.stdout or sys.stderr: each piece goes to the host at once, which costs less than a buffer."""

    __class__ = property(lambda self: _io.TextIOWrapper)
    encoding = "utf-8"
    line_buffering = False
    write_through = True
    newlines = None
    _is_plain = True
    _newline = "\n"
    # Why it takes nothing more.
    _ended = None

    def __init__(self, number, name, errors, write, descriptor):
        self._number = number
        self._write = self._host = write
        self._errors = errors
        self.name = name
        self.mode = "w"
        self.buffer = _Binary(number, name, write, descriptor, self)

    @property
    def errors(self):
        return self._errors

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not self._is_plain:
            self._check()
            self._write(self._number, text.replace("\n", self._newline).encode(self.encoding, self._errors))
            return len(text)
        try:
            self._write(self._number, text)
            return len(text)
        except UnicodeEncodeError:
            pass
        # Not above: an error here has nothing to do with that one.
        self._write(self._number, text.encode("utf-8", self._errors))
        return len(text)

    def fileno(self):
        self._check()
        return self.buffer.fileno()

    def send_to(self, descriptor):
        """Has output go there; None: to the host."""
        self._write = self.buffer._write = self._host if descriptor is None else _to_descriptor(descriptor)

    def flush(self):
        self._check()
        self._write(self._number, None)

    def isatty(self):
        self._check()
        return False

    def reconfigure(self, *, encoding=None, errors=None, newline="", line_buffering=None, **others):
        """Takes what io.TextIOWrapper takes."""
        self._check()
        if encoding is not None:
            "".encode(encoding)
            self.encoding, self._errors = encoding, errors or "strict"
        elif errors is not None:
            self._errors = errors
        if newline is None or newline:
            self._newline = newline or os.linesep
        if line_buffering is not None:
            self.line_buffering = bool(line_buffering)
        self.look()

    def look(self):
        """Finds out whether text goes to the host as it is."""
        encoding = self.encoding.lower().replace("_", "-")
        self._is_plain = encoding in ("utf-8", "utf8") and self._newline == "\n" and not self.closed

    @property
    def closed(self):
        return self._ended is not None or self.buffer.closed

    def _check(self):
        if self._ended is not None:
            raise ValueError(self._ended)
        if self.buffer.closed:
            raise ValueError(_CLOSED)

    def _end(self, why):
        if _runs_script():
            self._ended = why
            self.look()

    def detach(self):
        self._check()
        self._end("underlying buffer has been detached")
        return self.buffer

    def close(self):
        """Of a function it stays open, since the next call prints here too."""
        if self._ended is None:
            self._end(_CLOSED)
            self.buffer.close()

    def renew(self, errors):
        """As it was before a script, with another buffer: what it has wrapped around that may still close it."""
        for name in "encoding", "line_buffering":
            vars(self).pop(name, None)
        self._newline, self._is_plain, self._errors, self._ended = "\n", True, errors, None
        before = self.buffer
        self.buffer = _Binary(self._number, self.name, self._write, before._descriptor, self)
        self.buffer.given = before.given


# As Python has it for its own, by the locale.
_stdin_encoding = getattr(sys.stdin, "encoding", None) or "utf-8"
_stdin_errors = getattr(sys.stdin, "errors", None) or "surrogateescape"


def _input(descriptor, closefd):
    """sys.stdin for that descriptor, as Python/pylifecycle.c, create_stdio, has it."""
    file = _io.open(descriptor, "rb", closefd=closefd)
    file.raw.name = "<stdin>"
    text = _io.TextIOWrapper(file, _stdin_encoding, _stdin_errors, newline="\n")
    text.mode = "r"
    return text


def _empty_input():
    """Of descriptor 0, where that is empty."""
    descriptor = 0 if same_file(0, os.devnull) else os.open(os.devnull, os.O_RDONLY)
    return _input(descriptor, descriptor != 0)


def _holders(stream):
    """How many objects hold its buffer."""
    return sys.getrefcount(stream.buffer)


def renew_input(is_changed):
    """Gives the interpreter another sys.stdin where a script has changed it or its descriptor, or wrapped its buffer."""
    kept = sys._owngil_streams[0]
    if sys._owngil_holders is None:
        return
    try:
        is_new = not is_changed and not kept.closed and _holders(kept) == sys._owngil_holders
        is_new = is_new and (kept.encoding, kept.errors) == (_stdin_encoding, _stdin_errors)
    except ValueError:
        is_new = False  # It is detached.
    if not is_new:
        sys.stdin = sys.__stdin__ = _empty_input()
        sys._owngil_streams = sys.stdin, *sys._owngil_streams[1:]


def install_streams(write, descriptor, keeps_stdin):
    """Gives the interpreter its streams, once: workers that share one find them there.

    They are never replaced, since print() only borrows sys.stdout while another thread may drop it.
    """
    with _loading:
        if "_owngil_streams" in vars(sys):
            return
        # By the locale and PYTHONIOENCODING, as Python has it for its own.
        errors = getattr(sys.stdout, "errors", None) or "surrogateescape"
        sys.stdout = _Text(1, "<stdout>", errors, write, descriptor)
        sys.stderr = _Text(2, "<stderr>", "backslashreplace", write, descriptor)
        if not keeps_stdin:
            # Tasks that read it would take lines from one another and from the host; as in
            # multiprocessing, they find it empty.
            sys.stdin = _empty_input()
        # What a finished run puts back, should a task have replaced them.
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
        sys._owngil_streams = sys.stdin, sys.stdout, sys.stderr
        # None where it is the host's.
        sys._owngil_holders = None if keeps_stdin else _holders(sys.stdin)
