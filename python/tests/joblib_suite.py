"""A plugin for pytest that runs joblib's own tests of `Parallel` with our backend in the place of its default, loky.

    python -m pytest -p joblib_suite --pyargs joblib.test.test_parallel

What does not apply is expected to fail: where it passes, the run fails, and the list below is wrong.
"""

import joblib.parallel
import pytest

import owngil.joblib

# Why a test does not apply, by how its name begins.
NOT_APPLICABLE = {
    "test_auto_memmap_on_arrays_from_generator": "arrays cross in memory, and not as files that are mapped",
    "test_backend_context_manager": "compares the backend's class with that of loky",
    "test_backend_hinting_and_constraints": "compares the backend's class with that of loky",
    "test_memmapping_leaks": "looks into loky's folder of mapped files",
    "test_multiple_generator_call_separated_gc": "wants loky's error where ours goes on",
    "test_nested_parallel_warnings": "calls in threads and workers may have workers, so there is no warning",
    "test_nested_parallelism_limit": "compares the backend's class with that of loky",
    "test_parallel_pickling": "wants PicklingError, where `concurrent.futures` and owngil give what `__reduce__` raised",
    "test_threadpool_limitation_in_child_context": "native threads of workers are limited to one each, as a rule",
    "test_threadpool_limitation_in_child_override": "workers that stay keep the variables that they started with",
}

# They run what joblib has besides its default: named in the parameters, by scripts of their own, or in workers, which
# have loky itself.
OTHERS = "back_compat_backend", "multiprocessing", "sequential", "threading"
NOT_OURS = (
    "test_parallel_with_interactively_defined",
    "test_parallel_with_unpicklable",
    "test_thread_bomb_mitigation",
)

joblib.parallel.BACKENDS["loky"] = owngil.joblib.OwngilBackend


def pytest_collection_modifyitems(config, items):
    dropped = [item for item in items if not _is_ours(item.name)]
    items[:] = [item for item in items if _is_ours(item.name)]
    config.hook.pytest_deselected(items=dropped)
    for item in items:
        for start, reason in NOT_APPLICABLE.items():
            if item.name.startswith(start):
                item.add_marker(pytest.mark.xfail(reason=reason))


def _is_ours(name):
    if name.startswith(NOT_OURS):
        return False
    _, _, parameters = name.partition("[")
    return "loky" in parameters or not any(other in parameters for other in OTHERS)
