"""Other packages that take an executor, or that show progress: they need no code of ours."""

import asyncio
import concurrent.futures
import contextlib
import importlib.util
import io
import logging
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


if __name__ == "__main__":
    unittest.main()
