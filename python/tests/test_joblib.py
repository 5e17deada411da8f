"""The backend for joblib."""

import importlib.util
import multiprocessing
import os
import subprocess
import sys
import threading
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
        # In processes, whose numbers follow those of the interpreters, where numpy was not tested.
        numbers = {number for number, _ in found}
        self.assertTrue(numbers <= {0, 1} or numbers <= {2, 3}, numbers)

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

    def test_error_leaves_the_workers_and_the_calls_of_others(self):
        backend = owngil.joblib.OwngilBackend(backend="process")
        with joblib.parallel_config(backend=backend, n_jobs=2):
            # A worker that is still importing is not kept.
            numbers = set()
            while len(numbers) < 2:
                calls = (joblib.delayed(work.whoami_after)(0.1) for _ in range(4))
                numbers = {number for number, _ in joblib.Parallel(batch_size=1)(calls)}
            executor = owngil.joblib._kept[1]
            others = []

            def run():
                backend = owngil.joblib.OwngilBackend(backend="process")
                with joblib.parallel_config(backend=backend, n_jobs=2):
                    others.extend(joblib.Parallel()(joblib.delayed(work.nap)(0.5) for _ in range(2)))

            thread = threading.Thread(target=run)
            thread.start()
            while not owngil.joblib._kept[1].stats()["queue_len"] and not others and not self.is_napping():
                pass
            with self.assertRaises(ZeroDivisionError):
                joblib.Parallel()(joblib.delayed(divmod)(1, i) for i in range(3))
            thread.join()
            self.assertEqual(others, [0.5, 0.5])
            joblib.Parallel()(joblib.delayed(work.double)(i) for i in range(8))
        self.assertIs(owngil.joblib._kept[1], executor)
        self.assertEqual([worker["n_restarts"] for worker in executor.stats()["workers"]], [0, 0])

    def is_napping(self):
        return "nap" in owngil.joblib._kept[1].stacks()

    def test_error_stops_what_runs(self):
        with joblib.parallel_config(backend="owngil", n_jobs=2), self.assertRaises(LookupError):
            joblib.Parallel(batch_size=1)(
                joblib.delayed(call)(*one) for one in [(work.spin,), (work.fail, LookupError)]
            )
        # The worker that span is free again.
        with joblib.parallel_config(backend="owngil", n_jobs=2):
            self.assertEqual(joblib.Parallel()(joblib.delayed(work.double)(i) for i in range(4)), [0, 2, 4, 6])

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


def call(function, *arguments):
    return function(*arguments)


@unittest.skipUnless(importlib.util.find_spec("sklearn"), "needs scikit-learn")
class ScikitLearn(unittest.TestCase):
    def test_models_are_the_same_as_without_workers(self):
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, cross_val_score
        from sklearn.svm import SVC

        inputs, classes = load_iris(return_X_y=True)

        def train(n_jobs):
            search = GridSearchCV(SVC(), {"C": [0.1, 1], "gamma": [0.1, 1]}, n_jobs=n_jobs).fit(inputs, classes)
            scores = cross_val_score(LogisticRegression(max_iter=500), inputs, classes, n_jobs=n_jobs)
            forest = RandomForestClassifier(8, random_state=0, n_jobs=n_jobs).fit(inputs, classes)
            return search.best_params_, search.best_score_, list(scores), forest.predict_proba(inputs).tolist()

        alone = train(1)
        with joblib.parallel_config(backend="owngil"):
            self.assertEqual(train(2), alone)


@unittest.skipUnless(os.environ.get("OWNGIL_TEST_JOBLIB"), "takes ten minutes; set OWNGIL_TEST_JOBLIB=1, and install pytest")
class JoblibsOwnTests(unittest.TestCase):
    def test_they_pass_but_for_those_that_do_not_apply(self):
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "joblib_suite", "--pyargs", "joblib.test.test_parallel"],
            capture_output=True,
            text=True,
            timeout=3600,
            cwd=os.path.dirname(os.path.abspath(__file__)),
        )
        self.assertEqual(ended.returncode, 0, ended.stdout[-4000:] + ended.stderr[-2000:])
        self.assertRegex(ended.stdout, r"\d\d\d passed")


def nested(i):
    return joblib.Parallel(n_jobs=2)(joblib.delayed(work.double)(j) for j in (0, i))


if __name__ == "__main__":
    unittest.main()
