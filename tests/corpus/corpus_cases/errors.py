"""Cases that raise: what arrives is compared with what Python itself would print."""

import asyncio
import concurrent.futures
import json
import subprocess
import sys
import threading
import traceback

from . import case, one_at_a_time


@case(("no such thing",), ("ünïcödé 🐍",), ("two\nlines",), ("nul\0inside",), ("",), ("x" * 100_000,), ("\ud800",))
def value_error(message):
    raise ValueError(message)


@case()
def value_error_with_notes():
    error = ValueError("bad value")
    error.add_note("first note")
    error.add_note("second note\nof two lines, ünïcödé")
    raise error


@case()
def notes_that_are_no_list():
    error = ValueError("odd notes")
    error.__notes__ = "just text"
    raise error


@case()
def note_that_is_no_text():
    error = ValueError("odd note")
    error.__notes__ = [1, None, "text"]
    raise error


@case(("abc",), (None,))
def chained_by_cause(text):
    try:
        int(text)
    except (ValueError, TypeError) as error:
        raise RuntimeError("could not read") from error


@case()
def chained_by_context():
    try:
        {}["missing"]
    except KeyError:
        return [][0]


@case()
def chain_suppressed():
    try:
        1 / 0
    except ZeroDivisionError:
        raise LookupError("the cause is hidden") from None


@case((3,), (60,))
def long_chain(n):
    if n == 0:
        raise ValueError("the first")
    try:
        long_chain(n - 1)
    except Exception as error:
        raise RuntimeError(f"number {n}") from error


@case()
def chain_in_a_circle():
    first, second = ValueError("first"), KeyError("second")
    first.__cause__ = second
    second.__context__ = first
    raise first


class Unpicklable(Exception):
    def __init__(self, message, *, required):
        super().__init__(message)
        self.lock = threading.Lock()
        self.required = required


@case()
def exception_that_cannot_be_pickled():
    raise Unpicklable("holds a lock", required=lambda: None)


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


class OddTextError(Exception):
    def __str__(self):
        return 42


class UnreprableError(ValueError):
    def __repr__(self):
        raise RuntimeError("no repr")


class Disguised(Exception):
    """Its class says that it is another."""

    __class__ = KeyError


class ExitInText(Exception):
    def __str__(self):
        raise SystemExit("in str")


class Outer:
    class Inner(LookupError):
        pass


class NoModule(Exception):
    __module__ = None


class BaseOnly(BaseException):
    pass


@case((SilentError,), (OddTextError,), (UnreprableError,), (Disguised,), (ExitInText,), (Outer.Inner,), (NoModule,), (BaseOnly,))
def odd_exception_class(kind):
    raise kind("argument", 2)


@case()
def exception_defined_inside():
    class LocalError(Exception):
        pass

    raise LocalError("of a local class")


@case()
def exception_that_is_raised_twice():
    error = ValueError("once more")
    try:
        raise error
    except ValueError:
        pass
    raise error


@case()
def exception_group():
    errors = [ValueError("one")]
    try:
        raise TypeError("two") from errors[0]
    except TypeError as error:
        errors.append(error)
    errors.append(ExceptionGroup("inner", [KeyError("three"), OSError(2, "No such file or directory", "name")]))
    group = ExceptionGroup("several", errors)
    group.add_note("a note on the group")
    raise group


@case()
def exception_group_in_part():
    try:
        raise ExceptionGroup("mixed", [ValueError("caught"), ExceptionGroup("deep", [ValueError("too"), KeyError("left")])])
    except* ValueError as caught:
        assert len(caught.exceptions) == 2


@case()
def base_exception_group():
    raise BaseExceptionGroup("with an interrupt", [KeyboardInterrupt(), SystemExit(3)])


@case((None,), (0,), (3,), (300,), (-1,), (True,), ("a message",), (2.5,))
def system_exit(code):
    sys.exit(code)


@case()
def builtin_exit():
    raise SystemExit


@case()
def keyboard_interrupt():
    raise KeyboardInterrupt


@case()
def generator_exit():
    raise GeneratorExit("outside of a generator")


@case()
def memory_error_raised():
    raise MemoryError("not really")


@case()
def memory_error_of_the_system():
    return [0] * (1 << 60)


@case()
def overflow_error():
    return 10.0**1000


@case()
def recursion_without_end():
    def down(n):
        return down(n + 1) + 1

    return down(0)


@case()
def recursion_between_functions():
    def ping(n):
        return pong(n + 1)

    def pong(n):
        return ping(n + 1)

    ping(0)


@case()
def recursion_in_repr():
    """Each level goes through Python code, so that it is Python's own limit that is met."""

    class Nested:
        def __repr__(self):
            return f"<{Nested()!r}>"

    return repr(Nested())


@case()
def recursion_in_a_comparison():
    left, right = [], []
    for _ in range(200_000):
        left, right = [left], [right]
    return left == right


@case()
def recursion_in_json():
    deep = []
    for _ in range(200_000):
        deep = [deep]
    return json.dumps(deep)


@case()
def recursion_that_is_caught():
    def down():
        try:
            return down()
        except RecursionError as error:
            return type(error).__name__

    return down()


@case()
def stop_iteration():
    return next(iter(()))


@case()
def stop_iteration_in_a_generator():
    def numbers():
        yield next(iter(()))

    return list(numbers())


@case()
def assertion():
    total = 3
    assert total == 4, f"total is {total}"


@case()
def bare_assertion():
    assert not [1, 2, 3]


@case(
    ("def f(:\n  pass",), ("x = = 1",), ("if True:\nprint()",), ("'unterminated",), ("a\n  b",), ("print 'hello'",), ("\0",),
    ("f'{'",), ("return",), ("x = 1 +\n",), ("é = (]",), ("def f():\n\tif 1:\n        pass",),
)
def syntax_error(source):
    return compile(source, "<the source>", "exec")


@case()
def error_in_compiled_code():
    exec(compile("def inner():\n    return 1 / 0\n\ninner()\n", "<generated>", "exec"), {})


@case(("no_such_module_anywhere",), ("json.no_such_part",))
def import_error(name):
    __import__(name)


@case()
def import_of_a_missing_name():
    from json import no_such_name  # noqa: F401


@case()
def attribute_error():
    return [].appendd


@case()
def attribute_error_of_a_module():
    return json.dump_string


@case()
def name_error():
    some_value = 1
    return some_valu + 1  # noqa: F821


@case()
def unbound_local():
    if len("") > 0:
        value = 1
    return value


@case((1, 2, 3), ())
def type_error(*arguments):
    def takes(one, two):
        return one, two

    return takes(*arguments)


@case(("x", 1), ([], ()), (None, None))
def type_error_of_an_operator(left, right):
    return left - right


@case((b"\xff\xfe text",))
def decode_error(data):
    return data.decode("utf-8")


@case(("snow ☃",), ("\udcff",))
def encode_error(text):
    return text.encode("ascii" if text.isprintable() else "utf-8")


@case(("key",), ((1, "tuple"),), ("two\nlines",))
def key_error(key):
    return {}[key]


@case(("/nonexistent/file",),)
def os_error(path):
    with open(path) as file:
        return file.read()


@case(('{"a": [1, 2,}',), ("",))
def error_in_the_library(text):
    return json.loads(text)


@case()
def error_in_a_child_process():
    subprocess.run([sys.executable, "-c", "raise SystemExit(7)"], check=True)


@case()
def error_through_a_generator():
    def numbers():
        yield 1
        raise ValueError("from the generator")

    return sum(n for n in numbers())


@case()
def error_through_a_callback():
    return sorted([3, 1, 2], key=lambda n: 1 // (n - 2))


@case()
def error_through_finally():
    try:
        raise ValueError("first")
    finally:
        {}["in finally"]


@case()
def error_over_several_lines():
    data = {"a": {"b": None}}
    return (
        data["a"]
        ["b"]
        ["c"]
    )


@case()
def error_through_asyncio():
    async def fail(n):
        await asyncio.sleep(0)
        raise ValueError(f"task {n}")

    async def main():
        await asyncio.gather(fail(1), asyncio.sleep(0))

    asyncio.run(main())


@case()
def error_through_a_task_group():
    async def fail(n):
        raise ValueError(f"task {n}")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(1))
            group.create_task(fail(2))

    asyncio.run(main())


@case()
def error_through_a_thread_pool():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        failing = pool.submit(int, "from a thread")
        # A result that is there already is found on another line of the library.
        concurrent.futures.wait([failing])
        return failing.result()


@case()
@one_at_a_time
def error_in_a_thread():
    """It goes to threading.excepthook, and the call goes on."""

    seen = []
    kept = threading.excepthook
    threading.excepthook = lambda arguments: seen.append((arguments.exc_type.__name__, str(arguments.exc_value)))
    try:
        thread = threading.Thread(target=int, args=("x",))
        thread.start()
        thread.join()
    finally:
        threading.excepthook = kept
    return seen


@case()
@one_at_a_time
def error_in_a_finalizer():
    seen = []

    class Bad:
        def __del__(self):
            raise ValueError("in __del__")

    kept = sys.unraisablehook
    sys.unraisablehook = lambda arguments: seen.append((arguments.exc_type.__name__, str(arguments.exc_value)))
    try:
        Bad()
    finally:
        sys.unraisablehook = kept
    return seen


@case()
def handled_exceptions():
    log = []
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            log.append(sys.exception() is error)
            raise KeyError("outer") from error
        else:
            log.append("never")
        finally:
            log.append("finally")
    except KeyError as error:
        text = traceback.format_exception(error)
        log.append([type(error.__cause__).__name__, text[-1], sum("line" in line for line in text)])
    return log, sys.exception()


@case()
def exception_objects():
    """Exceptions are values too."""
    error = OSError(13, "Permission denied", "/some/file")
    error.add_note("noted")
    return [error, len(error.__notes__), KeyError("k"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), StopIteration(3)]


@case()
def exception_group_as_value():
    return ExceptionGroup("as value", [ValueError(1), TypeError("two")])


@case()
def unpicklable_exception_as_value():
    return {"error": Unpicklable("holds a lock", required=1)}
