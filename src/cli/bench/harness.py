"""Runs after loaded.py: measures a function inside an interpreter: what it takes there, with nothing crossing.

The host calls `find`, then `add` for each input, then `measure` as often as it likes.
"""

import marshal
import time
from itertools import cycle

_MUTABLE = (list, dict)

# Calls between two looks at the clock: so many at most, and so many bytes of fresh arguments.
_N_CALLS_MAX = 4096
_N_BYTES_MAX = 16 << 20

_arguments = []
_results = []


def find(reference):
    """The function is loaded already. Returns whether it keeps its results, as lru_cache does."""
    global _function
    _function = loaded(reference)
    return hasattr(_function, "cache_info")


def add(argument, result):
    """Takes one more input, and what the function returned for it."""
    global _take
    _arguments.append(argument)
    _results.append(result)
    _take = cycle(_results).__next__


def replay(argument):
    """Stands in for the function: the same values cross, and nothing is done."""
    return _take()


def measure(seconds, stands_in, each):
    """Calls the function, or its stand-in, in a plain loop for about so long.

    Returns the number of calls, their time and processor time in seconds, and with `each` the
    time of every call in nanoseconds.
    """
    function = replay if stands_in else _function
    # What the function may change must be fresh for each call, as it is when it crosses.
    is_fresh = not stands_in and any(isinstance(value, _MUTABLE) for value in _arguments)
    frozen = marshal.dumps(_arguments) if is_fresh else b""
    n_passes_max = max(1, _N_CALLS_MAX // len(_arguments))
    if is_fresh:
        n_passes_max = max(1, min(n_passes_max, _N_BYTES_MAX // len(frozen)))
    n_passes, n_calls, elapsed, used, durations = 1, 0, 0.0, 0.0, []
    clock = time.perf_counter
    end = clock() + seconds
    while True:
        if is_fresh:
            batch = [value for _ in range(n_passes) for value in marshal.loads(frozen)]
        else:
            batch = _arguments * n_passes
        cpu_start, start = time.thread_time(), clock()
        (_run_each if each else _run)(function, batch, durations)
        now = clock()
        used += time.thread_time() - cpu_start
        elapsed += now - start
        n_calls += len(batch)
        if now >= end:
            cost = _clock_cost() if each else 0
            return n_calls, elapsed, used, [max(0, duration - cost) for duration in durations]
        if now - start < seconds / 20:
            n_passes = min(2 * n_passes, n_passes_max)


def _run(function, batch, _durations):
    for value in batch:
        function(value)


def _run_each(function, batch, durations):
    clock, keep = time.perf_counter_ns, durations.append
    for value in batch:
        start = clock()
        function(value)
        keep(clock() - start)


def _clock_cost():
    """What `_run_each` finds for a call that takes no time."""
    clock = time.perf_counter_ns
    costs = []
    for _ in range(501):
        start = clock()
        costs.append(clock() - start)
    return sorted(costs)[250]
