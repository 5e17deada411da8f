"""Other packages that take an executor, show progress, or run tests."""

import asyncio
import concurrent.futures
import contextlib
import importlib.metadata
import importlib.util
import io
import logging
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

import owngil
import work


def needs(*names):
    """Skips, with a word about what is missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing, f"needs {', '.join(missing)}")


class Asyncio(unittest.TestCase):
    def test_loop_runs_calls_on_it(self):
        async def main(executor):
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(loop.run_in_executor(executor, work.double, i) for i in range(5)))

        with owngil.Executor(2) as executor:
            self.assertEqual(asyncio.run(main(executor)), [0, 2, 4, 6, 8])


@needs("dask")
class Dask(unittest.TestCase):
    def test_schedulers_use_it_as_their_pool(self):
        import dask

        parts = [dask.delayed(work.whoami)() for _ in range(8)]
        total = dask.delayed(sum)([dask.delayed(work.double)(i) for i in range(8)])
        with owngil.Executor(2) as executor:
            for scheduler in "threads", "processes":
                with self.subTest(scheduler), dask.config.set(pool=executor, scheduler=scheduler):
                    found, *workers = dask.compute(total, *parts)
                    self.assertEqual(found, 56)
                    self.assertLessEqual({number for number, _ in workers}, {0, 1})


@needs("distributed")
class Cluster(unittest.TestCase):
    def setUp(self):
        # Importing it sets up its loggers.
        importlib.import_module("distributed")
        for name in "distributed", "tornado":
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def test_workers_run_their_tasks_on_it(self):
        found = asyncio.run(self.run_cluster())
        self.assertEqual(found["values"], [0, 2, 4, 6, 8, 10])
        self.assertEqual(found["lambda"], 81)
        self.assertEqual(found["of two"], 6)
        self.assertIsInstance(found["error"], ZeroDivisionError)
        # Each task ran in the one worker of an executor.
        self.assertEqual({number for number, _ in found["workers"]}, {0})

    async def run_cluster(self):
        from distributed import Client, Scheduler, Worker

        async with contextlib.AsyncExitStack() as stack:
            scheduler = await stack.enter_async_context(Scheduler(port=0, dashboard=False))
            for name in "a", "b":
                worker = Worker(scheduler.address, name=name, nthreads=1, executor=owngil.Executor(1), dashboard=False)
                await stack.enter_async_context(worker)
            client = await stack.enter_async_context(Client(scheduler.address, asynchronous=True))
            doubled = client.map(work.double, range(6))
            return {
                "values": await client.gather(doubled),
                "lambda": await client.submit(lambda x: x**2, 9),
                "of two": await client.submit(work.add, doubled[1], doubled[2]),
                "error": await client.submit(divmod, 1, 0).exception(),
                "workers": await client.gather(client.map(_whoami, range(4), pure=False)),
            }


def _whoami(_):
    return work.whoami()


@needs("tqdm")
class Progress(unittest.TestCase):
    def test_bar_of_tqdm_goes_around_a_map(self):
        from tqdm import tqdm

        shown = io.StringIO()
        self.assertEqual(list(tqdm(owngil.map(work.double, range(5)), total=5, file=shown)), [0, 2, 4, 6, 8])
        with owngil.Executor(2) as executor:
            futures = [executor.submit(work.double, i) for i in range(5)]
            ended = list(tqdm(concurrent.futures.as_completed(futures), total=5, file=shown))
        self.assertEqual(sorted(future.result() for future in ended), [0, 2, 4, 6, 8])
        self.assertEqual(shown.getvalue().count("5/5"), 2)


CELERY_APP = """
    import os
    from celery import Celery

    here = os.path.dirname(os.path.abspath(__file__))
    app = Celery("jobs", broker="filesystem://", backend=f"file://{here}/results")
    app.conf.broker_transport_options = {
        "data_folder_in": here + "/queue", "data_folder_out": here + "/queue", "control_folder": here + "/control",
    }

    @app.task
    def add(x, y): return x + y

    @app.task
    def fail(): raise KeyError("no")

    @app.task(time_limit=1)
    def spin():
        while True: pass

    @app.task(bind=True)
    def who(self):
        import owngil
        return owngil.worker_id(), self.name
"""

CELERY_CLIENT = """
    import jobs

    def outcome(task, *arguments):
        try:
            return task.delay(*arguments).get(timeout=60)
        except Exception as error:
            return type(error).__name__

    print([outcome(jobs.add, i, i) for i in range(3)], outcome(jobs.fail), outcome(jobs.spin), outcome(jobs.who))
"""


@needs("celery")
class Celery(unittest.TestCase):
    def test_tasks_of_a_worker_run_in_its_pool(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in "results", "queue", "control":
                os.mkdir(os.path.join(folder, name))
            for name, text in ("jobs.py", CELERY_APP), ("client.py", CELERY_CLIENT):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(textwrap.dedent(text))
            root = os.path.dirname(owngil.__path__[0])
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([root, folder, os.environ.get("PYTHONPATH", "")]),
                "CELERY_CUSTOM_WORKER_POOL": "owngil.celery:TaskPool",
            }
            options = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "text": True}
            command = [sys.executable, "-m", "celery", "-A", "jobs", "worker", "-P", "custom", "-c", "2", "-l", "INFO"]
            with subprocess.Popen(command, stderr=subprocess.STDOUT, **options) as worker:
                try:
                    client = subprocess.run(
                        [sys.executable, "client.py"], stderr=subprocess.PIPE, timeout=200, check=False, **options
                    )
                finally:
                    worker.terminate()
                    log, _ = worker.communicate(timeout=60)
        self.assertRegex(
            client.stdout, r"^\[0, 2, 4\] KeyError TimeLimitExceeded \[[01], 'jobs.who'\]$", client.stderr + log
        )
        self.assertRegex(log, r"Task jobs.add\S* succeeded in")


PLAIN_TESTS = """
    import os, pytest, sys
    import owngil

    def test_passes(number, tmp_path, capsys):
        print(number)
        assert capsys.readouterr().out == "3\\n"

    def test_fails():
        assert [1, 2] == [1, 3], "a difference"

    @pytest.mark.parametrize("x", [1, "a b"])
    def test_of(x):
        assert owngil.worker_id() is not None and "_owngil_worker" in sys.modules
        assert os.getpid() == int(os.environ["OWNGIL_TEST_PROCESS"])

    @pytest.mark.skip(reason="no need")
    def test_skipped(): pass

    def test_error(no_such_fixture): pass
"""

FORKING_TESTS = """
    import os

    def test_forks(capfd):
        if os.fork() == 0:
            os._exit(0)
        assert os.wait()[1] == 0
"""

CRASHING_TESTS = """
    import os, signal

    def test_crashes():
        os.kill(os.getpid(), signal.SIGKILL)
"""


@needs("pytest")
class Pytest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.write("conftest.py", """
            import os, pytest
            os.environ.setdefault("OWNGIL_TEST_PROCESS", str(os.getpid()))
            number = pytest.fixture(scope="session")(lambda: 3)
        """)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def run_pytest(self, *options):
        is_installed = importlib.metadata.entry_points(group="pytest11", name="owngil")
        plugin = [] if is_installed else ["-p", "owngil.pytest"]
        command = [sys.executable, "-m", "pytest", *plugin, "--own-gil", "-rA", *options]
        root = os.path.dirname(owngil.__path__[0])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        ended = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, env=environment, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    def test_tests_run_in_workers_and_are_reported(self):
        self.write("test_plain.py", PLAIN_TESTS)
        self.write("test_forking.py", FORKING_TESTS)
        status, printed = self.run_pytest()
        self.assertEqual(status, 1, printed)
        for text in (
            "1 failed, 4 passed, 1 skipped, 1 error",
            "PASSED test_plain.py::test_of[a b]",
            "PASSED test_forking.py::test_forks",
            "At index 1 diff: 2 != 3",
            "fixture 'no_such_fixture' not found",
        ):
            self.assertIn(text, printed)

    def test_options_choose_tests_and_end_early(self):
        self.write("test_plain.py", PLAIN_TESTS)
        status, printed = self.run_pytest("-k", "passes or of", "test_plain.py", "-v", "--junit-xml=report.xml")
        self.assertEqual(status, 0, printed)
        self.assertIn("3 passed, 3 deselected", printed)
        with open(os.path.join(self.folder, "report.xml"), encoding="utf-8") as file:
            self.assertIn('tests="3"', file.read())
        status, printed = self.run_pytest("-x", "test_plain.py::test_fails", "test_plain.py::test_passes")
        self.assertIn("stopping after 1 failures", printed)

    def test_test_that_ends_its_process_fails(self):
        self.write("test_crashing.py", CRASHING_TESTS)
        self.write("test_plain.py", PLAIN_TESTS)
        status, printed = self.run_pytest("-k", "crashes or passes", "--own-gil-backend=process")
        self.assertEqual(status, 1, printed)
        self.assertIn("1 failed, 1 passed", printed)
        self.assertIn("WorkerLost", printed)


if __name__ == "__main__":
    unittest.main()
