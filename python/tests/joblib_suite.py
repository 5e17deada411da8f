"""A plugin for pytest that runs joblib's own tests of `Parallel` with our backend in the place of its two of processes.

    python -m pytest -p joblib_suite --pyargs joblib.test.test_parallel
"""

import joblib.parallel
import pytest

import owngil.joblib

# Tests of what only loky or multiprocessing has, by the start of their names.
NOT_APPLICABLE = {}

for name in "loky", "multiprocessing":
    joblib.parallel.BACKENDS[name] = owngil.joblib.OwngilBackend


def pytest_collection_modifyitems(items):
    for item in items:
        for start, reason in NOT_APPLICABLE.items():
            if item.name.startswith(start):
                item.add_marker(pytest.mark.skip(reason=reason))
