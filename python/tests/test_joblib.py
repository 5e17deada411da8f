"""The backend for joblib."""

import multiprocessing
import os
import unittest

try:
    import joblib
except ImportError:
    raise unittest.SkipTest("needs joblib") from None

import owngil
import owngil.joblib
import work


class Joblib(unittest.TestCase):
    def test_calls_run_in_the_workers_of_owngil(self):
        with joblib.parallel_config(backend="owngil", n_jobs=2):
            found = joblib.Parallel()(joblib.delayed(work.whoami)() for _ in range(20))
        self.assertLessEqual({number for number, _ in found}, {0, 1})

    def test_backend_takes_options_of_the_executor(self):
        backend = owngil.joblib.OwngilBackend(backend="process")
        with joblib.parallel_config(backend=backend, n_jobs=2):
            found = joblib.Parallel()(joblib.delayed(work.whoami)() for _ in range(4))
        self.assertNotIn(os.getpid(), {process for _, process in found})

    def test_exception_is_raised_and_the_next_call_works(self):
        with joblib.parallel_config(backend="owngil", n_jobs=2):
            with self.assertRaises(ZeroDivisionError):
                joblib.Parallel()(joblib.delayed(divmod)(1, i) for i in range(3))
            self.assertEqual(joblib.Parallel()(joblib.delayed(work.double)(i) for i in range(3)), [0, 2, 4])

    def test_results_may_come_as_a_generator(self):
        with joblib.parallel_config(backend="owngil", n_jobs=2):
            results = joblib.Parallel(return_as="generator")(joblib.delayed(work.double)(i) for i in range(30))
            self.assertEqual(list(results), [2 * i for i in range(30)])

    def test_call_may_use_joblib_itself(self):
        with joblib.parallel_config(backend="owngil", n_jobs=2):
            found = joblib.Parallel()(joblib.delayed(nested)(i) for i in range(3))
        self.assertEqual(found, [[0, 0], [0, 2], [0, 4]])

    def test_time_is_limited(self):
        with joblib.parallel_config(backend="owngil", n_jobs=2):
            # The name that joblib takes from multiprocessing.
            with self.assertRaises((TimeoutError, multiprocessing.TimeoutError)):
                joblib.Parallel(timeout=0.2)(joblib.delayed(work.nap)(5) for _ in range(2))


def nested(i):
    return joblib.Parallel(n_jobs=2)(joblib.delayed(work.double)(j) for j in (0, i))


if __name__ == "__main__":
    unittest.main()
