"""CPython's own tests of executors, as far as this Python ships them, with a mixin that makes ours.

What is not run stands in `NOT_APPLICABLE`, and a test holds that nothing else is left out.
"""

import importlib
import multiprocessing.managers
import os
import pickle
import pkgutil
import sys
import time
import unittest
from concurrent.futures import BrokenExecutor

import owngil

PLACE = "test.test_concurrent_futures."

# Why a class of CPython's tests is not run.
NOT_APPLICABLE = {
    "AsyncioTest": "is for pools of threads: a loop takes no other as its default. test_adapters has the rest of it",
    "FailingInitializerResourcesTest": "asks what multiprocessing's queues have left behind",
    "FutureTests": "uses no executor",
    "InterpreterPoolExecutorTest": "wants that pool's errors for what crosses here, such as closures",
    "InterpretersMixin": "is a part of InterpreterPoolExecutorTest",
    "ProcessPoolExecutorTest": "needs multiprocessing's contexts, and a pool that one lost worker breaks",
    "ProcessPoolShutdownTest": "looks into `_processes`",
    "ThreadPoolExecutorTest": "looks into `_threads`",
    "ThreadPoolShutdownTest": "looks into `_threads`",
    "ThreadPoolWaitTests": "shares an event of `threading` with its calls",
}

# The tests that are not run of a class that is, by its name.
LEFT_OUT = {
    "ExecutorDeadlockTest": {
        "test_gh105829_should_not_deadlock_if_wakeup_pipe_full": "looks into the executor's pipe",
        "test_shutdown_deadlock_pickle": "looks into the executor's thread",
    }
}


def _module(name):
    try:
        return importlib.import_module(PLACE + name)
    except ImportError:
        return None


class OwngilExecutor(owngil.Executor):
    """Takes the argument that CPython's tests give to process pools."""

    def __init__(self, max_workers=None, *, mp_context=None, **options):
        super().__init__(max_workers, **options)


class ProcessExecutor(OwngilExecutor):
    """Has processes alone."""

    def __init__(self, max_workers=None, **options):
        super().__init__(max_workers, backend="process", **options)


util = _module("util")
if util is None:
    raise unittest.SkipTest("this Python ships no tests of concurrent.futures")


class _Mixin(util.ExecutorMixin):
    def create_event(self):
        # An event that a process has, and others reach by a socket.
        if not hasattr(self, "sharing"):
            self.sharing = multiprocessing.get_context("spawn").Manager()
            self.addCleanup(self.sharing.shutdown)
        return self.sharing.Event()


class AutoMixin(_Mixin):
    executor_type = OwngilExecutor


class ProcessMixin(_Mixin):
    executor_type = ProcessExecutor


MIXINS = AutoMixin, ProcessMixin


def _stamp(name, *bases, mixins=MIXINS, **attributes):
    for mixin in mixins:
        kind = mixin.__name__.removesuffix("Mixin")
        attributes["__module__"] = __name__
        globals()[kind + name] = type(kind + name, (*bases, mixin, util.BaseTestCase), attributes)


_stamp("ExecutorTest", _module("executor").ExecutorTest)
_stamp("AsCompletedTests", _module("test_as_completed").AsCompletedTests)
_stamp("WaitTests", _module("test_wait").WaitTests)
_stamp("InitializerTest", _module("test_init").InitializerMixin)
_stamp("FailingInitializerTest", _module("test_init").FailingInitializerMixin)


shutdown = _module("test_shutdown")


def _run_with_ours(flag, code, assert_python_ok=shutdown.assert_python_ok):
    for executor in OwngilExecutor, ProcessExecutor:
        code = code.replace(f"from concurrent.futures import {executor.__name__}", f"from {__name__} import {executor.__name__}")
    path = os.pathsep.join([os.path.dirname(__file__), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    return assert_python_ok(flag, code, PYTHONPATH=path)


shutdown.assert_python_ok = _run_with_ours


class _Shutdowns(shutdown.ExecutorShutdownTest):
    def test_cancel_futures(self):
        # Some calls are to have begun when the others are cancelled, and a worker takes a moment to start.
        shut_down = self.executor.shutdown

        def shut_down_when_one_runs(**options):
            while not any(future.running() for future in list(self.executor._delivery._waiting.values())):
                time.sleep(0.001)
            del self.executor.shutdown
            shut_down(**options)

        self.executor.shutdown = shut_down_when_one_runs
        super().test_cancel_futures()


_stamp("ShutdownTest", _Shutdowns)


deadlock = _module("test_deadlock")
# What CPython's executor breaks by, ours fails one call by.
deadlock.BrokenProcessPool = BrokenExecutor


class _Deadlocks(deadlock.ExecutorDeadlockTest):
    TIMEOUT = 30

    def get_context(self):
        return None

    def _fail_on_deadlock(self, executor):
        executor.kill_workers()
        self.fail("executor deadlock")

    def assert_fails(self, error, function, *arguments):
        self.addCleanup(setattr, sys, "stderr", sys.stderr)
        check = getattr(self, "_check_error", None) or self._check_crash
        check(error, function, *arguments)

    # Arguments and results that cannot be pickled or unpickled fail their call alone, whatever else was raised there.

    def test_error_at_task_unpickle(self):
        self.assert_fails(pickle.PickleError, id, deadlock.ErrorAtUnpickle())

    def test_error_during_result_unpickle_in_result_handler(self):
        self.assert_fails(pickle.PickleError, deadlock._return_instance, deadlock.ErrorAtUnpickle)

    def test_exit_at_task_unpickle(self):
        self.assert_fails(pickle.PickleError, id, deadlock.ExitAtUnpickle())

    def test_exit_during_result_pickle_on_worker(self):
        self.assert_fails(pickle.PickleError, deadlock._return_instance, deadlock.ExitAtPickle)

    def test_exit_during_result_unpickle_in_result_handler(self):
        self.assert_fails(pickle.PickleError, deadlock._return_instance, deadlock.ExitAtUnpickle)


for name in LEFT_OUT["ExecutorDeadlockTest"]:
    setattr(_Deadlocks, name, None)

# A crash in an interpreter ends the program, so crashes are for processes alone.
_stamp("DeadlockTest", _Deadlocks, mixins=[ProcessMixin])
AutoDeadlockTest = type(
    "AutoDeadlockTest",
    (_Deadlocks, AutoMixin, util.BaseTestCase),
    {name: None for name in dir(_Deadlocks) if name.startswith("test") and "crash" in name}
    | {"test_shutdown_deadlock": None, "__module__": __name__},
)


class Completeness(unittest.TestCase):
    def test_each_class_is_run_or_listed(self):
        run = {base.__name__ for one in globals().values() if isinstance(one, type) for base in one.__mro__}
        there = set()
        for found in pkgutil.iter_modules(importlib.import_module(PLACE.rstrip(".")).__path__):
            module = _module(found.name)
            for one in vars(module).values() if module else ():
                if isinstance(one, type) and any(name.startswith("test") for name in vars(one)):
                    there.add(one.__name__)
        self.assertLessEqual(there, run | set(NOT_APPLICABLE))
        self.assertFalse(run & set(NOT_APPLICABLE))


def setUpModule():
    util.setup_module()


if __name__ == "__main__":
    unittest.main()
