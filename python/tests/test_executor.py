"""`Executor` and `Future`: what they do beyond what CPython's tests ask."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import copy
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import unittest
import weakref
from fractions import Fraction

import interrupts as interrupts
import owngil
import work

BACKENDS = "interpreter", "process", "auto"


class Submit(unittest.TestCase):
    def test_call_has_its_arguments_on_each_backend(self):
        for backend in (*BACKENDS, "thread"):
            with self.subTest(backend), owngil.Executor(2, backend=backend) as executor:
                self.assertEqual(executor.submit(work.add, 1, 2, 3, z=4).result(), 10)
                self.assertEqual(executor.submit(len, "abc").result(), 3)
                self.assertEqual(executor.submit(work.mirrored, work.Point(1, 2)).result(), work.Point(2, 1))

    def test_future_is_one_of_the_standard_library(self):
        with owngil.Executor(1) as executor:
            future = executor.submit(work.double, 2)
            self.assertIsInstance(future, concurrent.futures.Future)
            self.assertIsInstance(executor, concurrent.futures.Executor)
            done, _ = concurrent.futures.wait([future])
            self.assertEqual(done, {future})
            called = threading.Event()
            future.add_done_callback(lambda _: called.set())
            self.assertTrue(called.wait(10))

    def test_text_of_a_future_has_its_state(self):
        with owngil.Executor(1) as executor:
            running = executor.submit(work.spin)
            while not running.running():
                time.sleep(0.001)
            queued = executor.submit(work.double, 1)
            self.assertIn("state=running", repr(running))
            self.assertIn("state=pending", repr(queued))
            running.interrupt()
            queued.result()
            self.assertIn("state=finished", repr(queued))

    def test_many_threads_submit_at_once(self):
        with owngil.Executor(2) as executor:
            totals = []

            def submit():
                totals.append(sum(future.result() for future in [executor.submit(work.double, i) for i in range(200)]))

            threads = [threading.Thread(target=submit) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(totals, [sum(range(200)) * 2] * 4)

    def test_callback_may_submit(self):
        with owngil.Executor(1) as executor:
            chained = concurrent.futures.Future()

            def go_on(future):
                executor.submit(work.double, future.result()).add_done_callback(lambda f: chained.set_result(f.result()))

            executor.submit(work.double, 1).add_done_callback(go_on)
            self.assertEqual(chained.result(30), 4)

    def test_outcomes_arrive_whatever_one_future_does(self):
        def leave(future):
            sys.exit(3)

        def interrupt(future):
            raise KeyboardInterrupt

        with owngil.Executor(1) as executor, self.assertLogs("concurrent.futures", "ERROR"):
            for callback in leave, interrupt:
                future = executor.submit(work.spin)
                future.add_done_callback(callback)
                while not future.running():
                    time.sleep(0.001)
                future.interrupt()
            of_others = executor.submit(work.spin)
            of_others.set_result(9)
            of_others.interrupt()
            cancelled = executor.submit(work.double, 1)
            cancelled.cancel()
            with contextlib.suppress(RuntimeError):
                # Unless the executor has done so already.
                cancelled.set_running_or_notify_cancel()
            failed = executor.submit(work.fail, work.Leaving)
            self.assertIsInstance(failed.exception(30), owngil.RemoteError)
            self.assertEqual(executor.submit(work.double, 2).result(30), 4)
        self.assertEqual(of_others.result(), 9)

    def test_argument_that_cannot_be_pickled_fails_its_future(self):
        with owngil.Executor(1) as executor:
            future = executor.submit(work.double, threading.Lock())
            self.assertIsInstance(future.exception(), TypeError)
            self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def test_note_says_which_argument_cannot_be_pickled(self):
        with owngil.Executor(1) as executor:
            error = executor.submit(work.double, multiprocessing.Lock()).exception()
        self.assertIsInstance(error, RuntimeError)
        # Those before it are pickle's own, from 3.14 on.
        self.assertEqual(error.__notes__[-1], "args[0] (multiprocessing.synchronize.Lock): cannot be pickled")

    def test_functions_that_look_at_their_caller_work(self):
        for backend in BACKENDS:
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                self.assertEqual(executor.submit(eval, "1 + 1").result(), 2)
                self.assertIsNone(executor.submit(exec, "x = 1").result())
                self.assertEqual(list(executor.map(eval, ["1", "2"])), [1, 2])
                self.assertIsInstance(executor.submit(dir).result(), list)

    def test_result_that_cannot_be_pickled_fails_its_future(self):
        with owngil.Executor(1) as executor:
            self.assertIsInstance(executor.submit(threading.Lock).exception(), (TypeError, pickle.PicklingError))

    def test_function_that_is_not_there_is_a_load_error(self):
        with owngil.Executor(1) as executor:
            gone = type(work)("module_that_no_worker_finds")
            exec("def f(): pass", vars(gone))
            import sys

            sys.modules[gone.__name__] = gone
            self.addCleanup(sys.modules.pop, gone.__name__)
            error = executor.submit(gone.f).exception()
            self.assertIsInstance(error, owngil.LoadError)
            self.assertIn("module_that_no_worker_finds", str(error))

    def test_context_and_results_are_not_held(self):
        with owngil.Executor(1) as executor:
            future = executor.submit(work.Point, 1, 2)
            result = weakref.ref(future.result())
            del future
            gc.collect()
            self.assertIsNone(result())

    def test_executor_that_is_dropped_finishes_its_calls(self):
        executor = owngil.Executor(1)
        futures = [executor.submit(work.double, i) for i in range(10)]
        del executor
        gc.collect()
        self.assertEqual([future.result(30) for future in futures], [2 * i for i in range(10)])

    def test_contextvars_stay_behind_as_with_processes(self):
        variable = contextvars.ContextVar("variable")
        variable.set(1)
        with owngil.Executor(1) as executor:
            self.assertEqual(executor.submit(len, "a").result(), 1)
        self.assertEqual(variable.get(), 1)

    def test_it_is_an_executor_for_asyncio(self):
        async def run():
            loop = asyncio.get_running_loop()
            with owngil.Executor(2) as executor:
                return await asyncio.gather(*(loop.run_in_executor(executor, work.double, i) for i in range(8)))

        self.assertEqual(asyncio.run(run()), [2 * i for i in range(8)])


class Errors(unittest.TestCase):
    def test_exception_has_the_remote_traceback_as_its_cause(self):
        for backend in BACKENDS:
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                error = executor.submit(work.fail_deep, "x").exception()
                self.assertIs(type(error), LookupError)
                self.assertEqual(error.args, ("x",))
                self.assertIs(type(error.__cause__), owngil.RemoteTraceback)
                self.assertIn("raise LookupError(x)  # where it happened", str(error.__cause__))

    def test_exception_that_cannot_be_pickled_keeps_its_text(self):
        with owngil.Executor(1) as executor:
            error = executor.submit(work.fail, work.Unpicklable, "some text").exception()
            self.assertIsInstance(error, owngil.RemoteError)
            self.assertIn("Unpicklable", str(error))
            self.assertIn("some text", str(error))

    def test_exit_of_a_call_is_its_exception(self):
        with owngil.Executor(1) as executor:
            with self.assertRaises(SystemExit):
                executor.submit(work.fail, SystemExit, 3).result()
            self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def test_worker_that_dies_fails_its_call_alone(self):
        with owngil.Executor(1, backend="process") as executor:
            with self.assertRaises(owngil.WorkerLost):
                executor.submit(work.exit_process, None).result()
            self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def test_initializer_that_raises_breaks_the_executor(self):
        with self.assertLogs("concurrent.futures", "CRITICAL") as logged:
            with owngil.Executor(1, initializer=work.fail_to_initialize) as executor:
                with self.assertRaises(owngil.BrokenPool) as caught:
                    executor.submit(work.double, 1).result()
                self.assertIn("no worker for you", str(caught.exception))
                with self.assertRaises(concurrent.futures.BrokenExecutor):
                    executor.submit(work.double, 1)
        for text in str(caught.exception.__cause__), logged.output[0]:
            self.assertRegex(text, r"in fail_to_initialize\n.*no worker for you")

    def test_settings_that_are_none_are_refused(self):
        for options in {"backend": "gpu"}, {"timeout": -1.0}, {"max_workers": 0}, {"extensions": "some"}:
            with self.subTest(options), self.assertRaises(ValueError):
                owngil.Executor(**options)
        for options in {"initializer": 1}, {"max_workers": 1.5}, {"timeout": "1"}:
            with self.subTest(options), self.assertRaises(TypeError):
                owngil.Executor(**options)

    def test_settings_are_whatever_python_takes_for_numbers(self):
        for timeout in Fraction(60), 60, float("inf"), 1e20:
            with self.subTest(timeout), owngil.Executor(1, timeout=timeout) as executor:
                self.assertEqual(executor.submit(abs, -1).result(), 1)
                self.assertEqual(list(executor.map(abs, [-1, 2], timeout=timeout, chunksize=Index(1))), [1, 2])

    def test_map_without_time_left_times_out(self):
        with owngil.Executor(1) as executor, self.assertRaises(TimeoutError):
            list(executor.map(work.nap, [0.5], timeout=-0.1))

    def test_copy_that_goes_leaves_the_executor(self):
        with owngil.Executor(1) as executor:
            copy.copy(executor)
            self.assertEqual(executor.submit(abs, -1).result(), 1)


class Index:
    """A number as packages have them."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


class Control(unittest.TestCase):
    def test_call_whose_time_is_up_raises(self):
        for backend in "interpreter", "process":
            with self.subTest(backend), owngil.Executor(1, backend=backend, timeout=0.2) as executor:
                for _ in range(20):
                    error = executor.submit(work.spin).exception(timeout=30)
                    self.assertIsInstance(error, owngil.TimedOut)
                    self.assertIsInstance(error, TimeoutError)
                    # On a busy machine it may come without.
                    if error.stack:
                        break
                self.assertIn("spin", error.stack)
                self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def test_error_of_a_c_function_says_nothing_of_its_place(self):
        with owngil.Executor(1, grace=0.2) as executor:
            future = executor.submit(time.sleep, 1)
            self._until(future.running)
            future.interrupt()
            with self.assertRaises(owngil.Interrupted) as caught:
                future.result(timeout=30)
            self.assertEqual((str(caught.exception), caught.exception.stack), ("the task was cancelled", ""))

    def test_options_hold_for_their_calls_alone(self):
        with owngil.Executor(1) as executor:
            hurried = executor.with_options(timeout=0.1)
            self.assertIsInstance(hurried.submit(work.nap, 60).exception(timeout=30), owngil.TimedOut)
            self.assertEqual(executor.submit(work.nap, 0.3).result(), 0.3)

    def test_running_call_is_interrupted(self):
        for backend in "interpreter", "process":
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                future = executor.submit(work.spin)
                self._until(future.running)
                self.assertFalse(future.cancel())
                self.assertTrue(future.interrupt())
                with self.assertRaises(owngil.Interrupted):
                    future.result(timeout=30)
                self.assertFalse(future.interrupt())
                self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def test_call_that_swallows_interrupts_ends_all_the_same(self):
        with owngil.Executor(1, grace=0.2) as executor:
            future = executor.submit(work.swallow)
            self._until(future.running)
            future.interrupt()
            with self.assertRaises(concurrent.futures.CancelledError):
                future.result(timeout=30)
            self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def test_queued_call_is_cancelled(self):
        with owngil.Executor(1) as executor:
            blocking = executor.submit(work.spin)
            self._until(blocking.running)
            waiting = executor.submit(work.double, 1)
            self.assertTrue(waiting.cancel())
            self.assertTrue(waiting.cancelled())
            blocking.interrupt()
            done, _ = concurrent.futures.wait([blocking, waiting], timeout=30)
            self.assertEqual(done, {blocking, waiting})

    def test_memory_limit_ends_one_call(self):
        with owngil.Executor(1, backend="interpreter", memory_limit=64 << 20) as executor:
            self.assertIsInstance(executor.submit(work.hoard, 200).exception(), MemoryError)
            self.assertEqual(executor.submit(work.hoard, 10).result(), 10)

    def test_kill_workers_stops_all_at_once(self):
        executor = owngil.Executor(2)
        running = [executor.submit(work.spin) for _ in range(2)]
        queued = [executor.submit(work.double, 1) for _ in range(10)]
        # A worker that is only just ready could still make one of those.
        for future in running:
            self._until(future.running)
        executor.kill_workers()
        for future in running + queued:
            self.assertTrue(future.done())
            with self.assertRaises(concurrent.futures.CancelledError):
                future.result(timeout=0)
        with self.assertRaises(RuntimeError):
            executor.submit(work.double, 1)

    def test_kill_workers_ends_a_shutdown_that_waits(self):
        executor = owngil.Executor(1, grace=0.2)
        stuck = executor.submit(work.swallow)
        self._until(stuck.running)
        timer = threading.Timer(0.3, executor.kill_workers)
        timer.start()
        executor.shutdown(wait=True, cancel_futures=True)
        timer.join()
        self.assertTrue(stuck.cancelled() or isinstance(stuck.exception(), owngil.Interrupted))

    def test_stacks_and_stats_tell_of_the_workers(self):
        with owngil.Executor(1) as executor:
            executor.submit(work.double, 1).result()
            future = executor.submit(work.spin)
            self._until(future.running)
            self.assertIn("spin", executor.stacks())
            future.interrupt()
            self.assertEqual(executor.stats()["workers"][0]["n_failed"] >= 0, True)
            self.assertGreaterEqual(executor.stats()["workers"][0]["n_tasks"], 1)

    def test_interrupt_of_the_program_ends_a_wait_and_leaves_the_executor_usable(self):
        with owngil.Executor(1) as executor:
            self.assertEqual(executor.submit(work.double, 1).result(), 2)
            waits = {
                "result": lambda: executor.submit(work.nap, 3).result(),
                "map": lambda: list(executor.map(work.nap, [3])),
            }
            for name, wait in waits.items():
                with self.subTest(name):
                    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
                    timer.start()
                    with self.assertRaises(KeyboardInterrupt):
                        wait()
                    timer.join()
            self.assertEqual(executor.submit(work.double, 4).result(), 8)

    def _until(self, condition):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, "it never came about")
            time.sleep(0.005)


class Workers(unittest.TestCase):
    def test_initializer_runs_in_each_worker_before_its_calls(self):
        for backend in BACKENDS:
            options = {"backend": backend, "initializer": work.initialize, "initargs": (7,)}
            with self.subTest(backend), owngil.Executor(2, **options) as executor:
                self.assertEqual([executor.submit(work.get_initialized).result() for _ in range(4)], [7] * 4)

    def test_worker_knows_its_number_and_keeps_its_state(self):
        with owngil.Executor(1) as executor:
            number, process = executor.submit(work.whoami).result()
            self.assertEqual((number, process), (0, os.getpid()))
            self.assertEqual([executor.submit(work.count).result() for _ in range(3)], [1, 2, 3])
        self.assertIsNone(owngil.worker_id())

    def test_worker_processes_are_others(self):
        with owngil.Executor(1, backend="process") as executor:
            number, process = executor.submit(work.whoami).result()
            self.assertEqual(number, 0)
            self.assertNotEqual(process, os.getpid())

    def test_worker_is_replaced_after_its_calls(self):
        with owngil.Executor(1, max_tasks_per_child=2) as executor:
            self.assertEqual([executor.submit(work.count).result() for _ in range(4)], [1, 2, 1, 2])

    def test_worker_looks_at_the_frames_of_its_own_threads(self):
        for backend in BACKENDS:
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                self.assertEqual(executor.submit(work.frames).result()[-1:], ["frames"])
        with owngil.Executor(1) as executor:
            n_frames, n_exceptions = executor.submit(work.frames_beside_a_thread).result()
            self.assertGreaterEqual(min(n_frames, n_exceptions), 2)

    def test_initializer_that_is_refused_moves_the_calls(self):
        with owngil.Executor(2, initializer=work.trace_memory) as executor:
            self.assertTrue(executor.submit(work.traces_memory).result())
            self.assertEqual(list(executor.map(work.double, range(10))), [2 * i for i in range(10)])
            self.assertIn("work:traces_memory", executor.stats()["moved"])

    def test_environment_is_that_of_the_first_call(self):
        self.addCleanup(os.environ.pop, "OWNGIL_TEST_VARIABLE", None)
        for backend in BACKENDS:
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                os.environ["OWNGIL_TEST_VARIABLE"] = backend
                self.assertEqual(executor.submit(os.getenv, "OWNGIL_TEST_VARIABLE").result(), backend)
                os.environ["OWNGIL_TEST_VARIABLE"] = "later"
                self.assertEqual(executor.submit(os.getenv, "OWNGIL_TEST_VARIABLE").result(), backend)

    def test_workers_have_the_arguments_of_the_program(self):
        import sys

        for backend in BACKENDS:
            with self.subTest(backend), owngil.Executor(1, backend=backend) as executor:
                self.assertEqual(executor.submit(work.argv).result(), sys.argv)


if __name__ == "__main__":
    unittest.main()
