"""`Executor.map` and its siblings, `owngil.map` and `owngil.amap`."""

import asyncio
import collections
import concurrent.futures
import gc
import importlib.util
import itertools
import os
import tempfile
import time
import unittest
import warnings

import owngil
import work


class ExecutorMap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executor = owngil.Executor(2)
        cls.addClassCleanup(cls.executor.shutdown)

    def test_results_are_in_order(self):
        self.assertEqual(list(self.executor.map(work.double, range(10_000))), [2 * i for i in range(10_000)])

    def test_several_iterables_end_with_the_shortest(self):
        self.assertEqual(list(self.executor.map(work.add, [1, 2, 3], itertools.count(10))), [11, 13, 15])

    @unittest.skipUnless(importlib.util.find_spec("cloudpickle"), "needs cloudpickle")
    def test_functions_by_value_take_several_iterables(self):
        self.assertEqual(list(self.executor.map(lambda x, y: x - y, [5, 6], [1, 2])), [4, 4])

    def test_tuple_is_one_argument(self):
        self.assertEqual(list(self.executor.map(len, [(1, 2), (3,)])), [2, 1])

    def test_starmap_takes_tuples_apart(self):
        self.assertEqual(list(self.executor.starmap(work.add, [(1, 2), [3, 4, 5]])), [3, 12])

    def test_unordered_yields_what_is_ready(self):
        found = list(self.executor.map_unordered(work.nap, [1.0, 0.0], chunksize=1))
        self.assertEqual(found, [0.0, 1.0])

    def test_exception_ends_the_map(self):
        results = self.executor.map(int, ["1", "x", "3"])
        self.assertEqual(next(results), 1)
        with self.assertRaises(ValueError) as caught:
            next(results)
        self.assertIs(type(caught.exception.__cause__), owngil.RemoteTraceback)
        self.assertEqual(list(results), [])

    def test_calls_run_though_no_result_is_asked_for(self):
        with tempfile.TemporaryDirectory() as folder, owngil.Executor(2) as executor:
            paths = [os.path.join(folder, str(i)) for i in range(50)]
            executor.map(work.touch, paths)
            gc.collect()
            executor.shutdown()
            self.assertEqual(len(os.listdir(folder)), 50)

    def test_buffersize_bounds_what_is_taken(self):
        inputs = itertools.count()
        results = self.executor.map(work.double, inputs, buffersize=5)
        self.assertEqual(next(inputs), 5)
        self.assertEqual(next(results), 0)
        self.assertLessEqual(next(inputs), 7)
        results.close()

    def test_executor_that_is_dropped_serves_the_map_to_its_end(self):
        for size in 4, None:
            with self.subTest(size):
                results = owngil.Executor(2).map(abs, range(500), buffersize=size)
                gc.collect()
                self.assertEqual(list(results), list(range(500)))

    def test_time_is_for_the_whole_map(self):
        begun = time.monotonic()
        with self.assertRaises(TimeoutError):
            list(self.executor.map(work.nap, [1.0] * 20, timeout=0.3, chunksize=1))
        self.assertLess(time.monotonic() - begun, 3)

    def test_settings_that_are_none_are_refused(self):
        with self.assertRaises(ValueError):
            self.executor.map(work.double, [1], chunksize=0)
        with self.assertRaises(ValueError):
            self.executor.map(work.double, [1], buffersize=0)
        with self.assertRaises(TypeError):
            self.executor.map(work.double, [1], buffersize="a")

    def test_inputs_that_raise_raise_here(self):
        def inputs():
            yield 1
            raise LookupError("no more")

        with self.assertRaises(LookupError):
            list(self.executor.map(work.double, inputs()))

    def test_shutdown_that_cancels_ends_the_map(self):
        executor = owngil.Executor(1)
        results = executor.map(work.nap, [0.05] * 200, chunksize=1)
        next(results)
        executor.shutdown(cancel_futures=True)
        with self.assertRaises(concurrent.futures.CancelledError):
            list(results)

    def test_large_values_cross(self):
        blobs = [bytes([i]) * 1_000_000 for i in range(5)]
        self.assertEqual(list(self.executor.map(bytes.upper, blobs)), [blob.upper() for blob in blobs])


class Map(unittest.TestCase):
    def test_it_is_lazy_and_takes_endless_inputs(self):
        taken = []

        def inputs():
            for i in itertools.count():
                taken.append(i)
                yield i

        results = owngil.map(work.double, inputs())
        self.assertEqual(taken, [])
        self.assertEqual(list(itertools.islice(results, 100)), [2 * i for i in range(100)])
        results.close()

    def test_exceptions_may_be_results(self):
        one, error, three = owngil.map(int, ["1", "x", "3"], return_exceptions=True)
        self.assertEqual((one, three), (1, 3))
        self.assertIsInstance(error, ValueError)

    def test_unordered(self):
        self.assertEqual(sorted(owngil.map(work.double, range(100), ordered=False)), [2 * i for i in range(100)])

    def test_executor_of_others_is_refused_at_once(self):
        with self.assertRaisesRegex(TypeError, "owngil.Executor, not ThreadPoolExecutor"):
            owngil.map(abs, [1], executor=concurrent.futures.ThreadPoolExecutor(1))

    def test_executor_that_is_shut_down_takes_no_more_inputs(self):
        executor = owngil.Executor(1)
        results = owngil.map(work.double, itertools.count(), executor=executor)
        self.assertEqual(next(results), 0)
        executor.shutdown()
        with self.assertRaisesRegex(RuntimeError, "cannot schedule new futures after shutdown"):
            collections.deque(results, maxlen=0)

    def test_it_runs_on_an_executor_of_yours(self):
        with owngil.Executor(1, backend="process") as executor:
            (_, process), = owngil.map(work.call, [work.whoami], executor=executor)
            self.assertNotEqual(process, os.getpid())

    def test_progress_shows_or_says_what_is_missing(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.assertEqual(list(owngil.map(work.double, [1, 2], progress=True)), [2, 4])
        try:
            import tqdm  # noqa: F401
        except ImportError:
            self.assertIn("tqdm", str(caught[0].message))


class AsyncMap(unittest.TestCase):
    def test_results_are_in_order(self):
        async def run():
            return [result async for result in owngil.amap(work.double, range(50))]

        self.assertEqual(asyncio.run(run()), [2 * i for i in range(50)])

    def test_inputs_may_be_asynchronous(self):
        async def inputs():
            for i in range(5):
                await asyncio.sleep(0)
                yield i

        async def run():
            return [result async for result in owngil.amap(work.double, inputs())]

        self.assertEqual(asyncio.run(run()), [0, 2, 4, 6, 8])

    def test_result_does_not_wait_for_the_next_input(self):
        async def run():
            first = asyncio.Event()

            async def inputs():
                yield 1
                # Ends if the result of 1 is seen before there is another input.
                await asyncio.wait_for(first.wait(), 30)
                yield 2

            async for result in owngil.amap(work.double, inputs()):
                first.set()
            return result

        self.assertEqual(asyncio.run(run()), 4)

    def test_inputs_are_bounded(self):
        taken = 0

        def inputs():
            nonlocal taken
            for taken in itertools.count(1):
                yield taken

        async def run():
            results = owngil.amap(work.double, inputs(), ahead=3)
            self.assertEqual(await anext(results), 2)
            await results.aclose()

        asyncio.run(run())
        self.assertLessEqual(taken, 6)

    def test_exception_of_a_call_and_of_the_inputs_is_raised(self):
        def inputs():
            yield "1"
            raise LookupError

        async def run(inputs, kind):
            with self.assertRaises(kind):
                async for _ in owngil.amap(int, inputs):
                    pass

        asyncio.run(run(["1", "x"], ValueError))
        asyncio.run(run(inputs(), LookupError))


if __name__ == "__main__":
    unittest.main()
