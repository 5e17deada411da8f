"""Functions and classes as people have them, and how they reach a worker."""

import functools
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

import owngil
import work

try:
    import cloudpickle  # noqa: F401
except ImportError:
    has_cloudpickle = False
else:
    has_cloudpickle = True

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([os.path.dirname(owngil.__path__[0]), os.environ.get("PYTHONPATH", "")]),
}


def run(*arguments, text=None, **options):
    """What a program prints; fails if it fails."""
    ended = subprocess.run(
        [sys.executable, *arguments], input=text, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, **options
    )
    if ended.returncode:
        raise AssertionError(f"status {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return ended.stdout


@functools.cache
def cached(x):
    return x + 1


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return "decorated", function(*args)

    return wrapper


@decorated
def with_decorator(x):
    return x


class Callable:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return x + self.by


class ByReference(unittest.TestCase):
    def test_what_a_module_names_needs_no_help(self):
        calls = {
            "a function": (work.double, (2,), 4),
            "a built-in function": (len, ("ab",), 2),
            "a type": (int, ("3",), 3),
            "a class": (work.Point, (1, 2), work.Point(1, 2)),
            "a bound method": (work.Point(1, 2).moved, (1,), work.Point(2, 3)),
            "a class method": (work.Point.origin, (), work.Point(0, 0)),
            "a static method": (work.Point.norm, (3, 4), 5.0),
            "a method of a value": ("-".join, (["a", "b"],), "a-b"),
            "a partial": (functools.partial(work.add, 1, z=2), (3,), 6),
            "an instance": (Callable(2), (3,), 5),
            "a cached function": (cached, (1,), 2),
            "a decorated function": (with_decorator, (1,), ("decorated", 1)),
        }
        with owngil.Executor(2) as executor:
            for name, (function, arguments, expected) in calls.items():
                with self.subTest(name):
                    self.assertEqual(executor.submit(function, *arguments).result(), expected)
                    if len(arguments) == 1:
                        self.assertEqual(list(executor.map(function, arguments * 3)), [expected] * 3)


class ByValue(unittest.TestCase):
    @unittest.skipUnless(has_cloudpickle, "needs cloudpickle")
    def test_lambdas_closures_and_local_classes_cross(self):
        by = 3

        def closure(x):
            return x + by

        class Local:
            def __init__(self, x):
                self.x = x

            def twice(self):
                return Local(2 * self.x)

        for backend in "interpreter", "process":
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                self.assertEqual(executor.submit(lambda x: x + 1, 1).result(), 2)
                self.assertEqual(executor.submit(closure, 1).result(), 4)
                self.assertEqual(executor.submit(functools.partial(closure), 1).result(), 4)
                found = executor.submit(Local(4).twice).result()
                self.assertIs(type(found), Local)
                self.assertEqual(found.x, 8)
                self.assertEqual(list(executor.map(lambda x: [x, closure(x)], range(3))), [[0, 3], [1, 4], [2, 5]])
                self.assertEqual(executor.submit(sorted, [3, 1], key=lambda x: -x).result(), [3, 1])

    @unittest.skipUnless(has_cloudpickle, "needs cloudpickle")
    def test_each_submitted_call_has_a_function_of_its_own(self):
        seen = []

        def note(x):
            seen.append(x)
            return len(seen)

        with owngil.Executor(1) as executor:
            self.assertEqual([executor.submit(note, i).result() for i in range(3)], [1, 1, 1])
        self.assertEqual(seen, [])

    def test_without_cloudpickle_the_error_names_it(self):
        program = """
            import sys
            sys.modules["cloudpickle"] = None
            import owngil
            with owngil.Executor(1) as executor:
                try:
                    executor.submit(lambda: 1).result()
                except Exception as error:
                    print(type(error).__name__, *error.__notes__)
        """
        self.assertIn("hint: install cloudpickle", run("-c", textwrap.dedent(program)))


SCRIPT = """
    import sys
    import owngil

    print("imported as", __name__)

    class Point:
        def __init__(self, x):
            self.x = x
        def moved(self):
            return Point(self.x + 1)

    class Trouble(Exception):
        pass

    def make(x):
        return Point(x)

    def fail(x):
        raise Trouble(x)

    if __name__ == "__main__":
        for backend in "interpreter", "process":
            with owngil.Executor(1, backend=backend) as executor:
                point = executor.submit(make, 1).result()
                assert type(point) is Point, type(point)
                moved = executor.submit(point.moved).result()
                assert type(moved) is Point and moved.x == 2
                assert [p.x for p in executor.map(Point, range(3))] == [0, 1, 2]
                assert type(executor.submit(fail, 1).exception()) is Trouble
        print("done", sys.argv[1:])
"""


class Main(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def script(self, text, name="script.py"):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def test_classes_and_functions_of_a_script_cross_both_ways(self):
        printed = run(self.script(SCRIPT), "a", "b")
        self.assertIn("imported as __mp_main__", printed)
        self.assertIn("done ['a', 'b']", printed)

    def test_script_that_is_run_as_a_module(self):
        self.script("", "package/__init__.py")
        self.script(SCRIPT, "package/job.py")
        printed = run("-m", "package.job", cwd=self.folder)
        self.assertIn("done []", printed)

    def test_script_without_a_guard_runs_functions_of_modules(self):
        path = self.script("""
            import json, owngil
            with owngil.Executor(1) as executor:
                print(executor.submit(json.loads, "[1]").result())
        """)
        self.assertEqual(run(path), "[1]\n")

    def test_script_without_a_guard_learns_what_it_lacks(self):
        path = self.script("""
            import owngil
            def f(): return 1
            with owngil.Executor(1) as executor:
                print(executor.submit(f).exception())
        """)
        self.assertIn('under `if __name__ == "__main__":`', run(path))

    @unittest.skipUnless(has_cloudpickle, "needs cloudpickle")
    def test_lambdas_and_arguments_have_the_same_classes(self):
        path = self.script("""
            import enum, owngil
            class C: pass
            class E(enum.Enum): A = 1
            def f(o): return isinstance(o, C)
            if __name__ == "__main__":
                class Only: pass
                for backend in "interpreter", "process":
                    with owngil.Executor(1, backend=backend) as executor:
                        print(
                            *executor.map(lambda o: isinstance(o, C), [1, C()]),
                            *executor.map(lambda o: f(o), [C()]),
                            *executor.map(lambda o: o is E.A, [E.A]),
                            executor.submit(lambda o: {E.A: 1}.get(o), E.A).result(),
                            type(executor.submit(lambda: C()).result()) is C,
                            # Workers do not have this one.
                            executor.submit(lambda o: Only.__name__, C()).result(),
                        )
        """)
        self.assertEqual(run(path), "False True True True 1 True Only\n" * 2)

    def test_name_that_the_script_has_only_as_main_is_missed(self):
        path = self.script("""
            import owngil
            if __name__ == "__main__":
                def f(): return 1
                with owngil.Executor(1) as executor:
                    print(type(executor.submit(f).exception()).__name__)
        """)
        self.assertEqual(run(path), "LoadError\n")

    @unittest.skipUnless(has_cloudpickle, "needs cloudpickle")
    def test_interactive_session_sends_what_it_defines(self):
        program = """
            import owngil
            class Point:
                def __init__(self, x): self.x = x

            def make(x): return Point(x)

            executor = owngil.Executor(1)
            point = executor.submit(make, 5).result()
            print(type(point) is Point, point.x, list(executor.map(lambda p: p.x, [point] * 2)))
            executor.shutdown()
        """
        program = textwrap.dedent(program)
        self.assertEqual(run("-", text=program), "True 5 [5, 5]\n")
        self.assertEqual(run("-c", program), "True 5 [5, 5]\n")
        self.assertIn("True 5 [5, 5]", run("-i", "-q", text=program))

    def test_objects_of_managers_are_shared_with_workers_that_were_there_before(self):
        path = self.script("""
            import owngil
            def put(shared, key): shared[key] = key * key
            def check(manager):
                from multiprocessing.managers import DictProxy
                return type(manager) is DictProxy
            if __name__ == "__main__":
                for backend in "interpreter", "process", "thread":
                    with owngil.Executor(1, backend=backend) as executor:
                        executor.submit(abs, 1).result()
                        from multiprocessing import Manager
                        with Manager() as manager:
                            shared = manager.dict()
                            executor.submit(put, shared, 3).result()
                            back = executor.submit(dict, [("shared", shared)]).result()["shared"]
                            print(back, check(back))
        """)
        self.assertEqual(run(path), "{3: 9} True\n" * 3)

    def test_time_limits_leave_out_what_a_worker_imports(self):
        self.script("import time\ntime.sleep(0.8)\ndef f(): pass", "slow_function.py")
        self.script("import time\ntime.sleep(0.8)\nclass C: pass", "slow_value.py")
        path = self.script("""
            import time, owngil
            if __name__ != "__main__": time.sleep(0.8)
            class C: pass
            def f(x): return x
            def spin():
                while True: pass
            if __name__ == "__main__":
                import slow_function, slow_value
                for backend in "auto", "process":
                    for call in [slow_function.f], [f, 1], [id, C()], [id, [slow_value.C()]]:
                        with owngil.Executor(1, backend=backend, timeout=0.4) as executor:
                            print(type(executor.submit(*call).exception()).__name__, end=" ")
                            print(type(executor.submit(spin).exception()).__name__)
        """)
        self.assertEqual(run(path), "NoneType TimedOut\n" * 8)

    @unittest.skipUnless(has_cloudpickle, "needs cloudpickle")
    def test_time_limits_leave_out_what_a_lambda_imports(self):
        self.script("import time\ntime.sleep(0.8)\n", "slow.py")
        path = self.script("""
            import owngil, slow
            if __name__ == "__main__":
                for backend in "auto", "process":
                    with owngil.Executor(1, backend=backend, timeout=0.4) as executor:
                        print(executor.submit(lambda: slow.__name__).result(), *executor.map(lambda x: (slow, x)[1], [1]))
        """)
        self.assertEqual(run(path), "slow 1\n" * 2)

    def test_script_that_fails_in_a_worker_says_where(self):
        path = self.script("""
            import owngil
            if __name__ != "__main__":
                1 / 0  # here
            class C: pass
            def f(): pass
            if __name__ == "__main__":
                for backend in "auto", "process":
                    with owngil.Executor(1, backend=backend) as executor:
                        for error in executor.submit(f).exception(), executor.submit(id, C()).exception():
                            print(type(error).__name__, "1 / 0  # here" in str(error.__cause__), error)
        """)
        printed = run(path)
        for start in "LoadError True", "PicklingError True":
            self.assertEqual(printed.count(start), 2, printed)

    def test_folder_of_the_script_is_searched_for_modules(self):
        self.script("def f(x): return x + 1", "helper.py")
        path = self.script("""
            import owngil, helper
            if __name__ == "__main__":
                for backend in "interpreter", "process":
                    with owngil.Executor(1, backend=backend) as executor:
                        print(executor.submit(helper.f, 1).result())
        """)
        self.assertEqual(run(path, cwd="/"), "2\n2\n")

    def test_options_of_the_interpreter_reach_the_workers(self):
        path = self.script("""
            import owngil, sys
            def f(): return __debug__, sys.warnoptions, sys.flags.optimize
            if __name__ == "__main__":
                for backend in "interpreter", "process":
                    with owngil.Executor(1, backend=backend) as executor:
                        print(*executor.submit(f).result())
        """)
        self.assertEqual(run("-O", "-W", "ignore", path), "False ['ignore'] 1\n" * 2)


if __name__ == "__main__":
    unittest.main()
