"""Runs after loaded.py: measures a function inside an interpreter: what it takes there, with nothing crossing.

The host calls `find`, then `add` for each input and `add_result` for what it gave, then `measure` as often
as it likes.
"""

import marshal
import sys
import time
from itertools import cycle

_MUTABLE = (list, dict)

# Calls between two looks at the clock: so many at most, and so many bytes of fresh arguments.
_N_CALLS_MAX = 4096
_N_BYTES_MAX = 16 << 20

_calls = []
_results = []


def find(reference):
    """The function is loaded already. Returns whether it keeps its results, as lru_cache does."""
    global _function
    _function = loaded(reference)
    return hasattr(_function, "cache_info")


def add(*arguments, **named):
    """Takes one more input, as the function does."""
    _calls.append((arguments, named))


def add_result(result):
    """Takes what the function returned for the input that came last."""
    global _take
    _results.append(result)
    # A free-threaded Python of version 3.13 crashes where threads share an iterator of itertools.
    _take = _next_result if "t" in sys.abiflags else cycle(_results).__next__


_n_taken = 0


def _next_result():
    """As `cycle` does; where threads come together, in any order."""
    global _n_taken
    _n_taken += 1
    return _results[_n_taken % len(_results)]


def replay(*_arguments, **_named):
    """Stands in for the function: the same values cross, and nothing is done."""
    return _take()


def measure(seconds, stands_in, each):
    """Calls the function, or its stand-in, in a plain loop for about so long.

    Returns the number of calls, their time and processor time in seconds, and with `each` the
    time of every call in nanoseconds.
    """
    function = replay if stands_in else _function
    is_plain = all(len(arguments) == 1 and not named for arguments, named in _calls)
    calls = [arguments[0] for arguments, _ in _calls] if is_plain else _calls
    run = _RUNS[is_plain, each]
    # What the function may change must be fresh for each call, as it is when it crosses.
    is_fresh = not stands_in and any(map(_holds_mutable, _calls))
    frozen = marshal.dumps(calls) if is_fresh else b""
    n_passes_max = max(1, _N_CALLS_MAX // len(calls))
    if is_fresh:
        n_passes_max = max(1, min(n_passes_max, _N_BYTES_MAX // len(frozen)))
    n_passes, n_calls, elapsed, used, durations = 1, 0, 0.0, 0.0, []
    clock = time.perf_counter
    end = clock() + seconds
    while True:
        if is_fresh:
            batch = [call for _ in range(n_passes) for call in marshal.loads(frozen)]
        else:
            batch = calls * n_passes
        cpu_start, start = time.thread_time(), clock()
        run(function, batch, durations)
        now = clock()
        used += time.thread_time() - cpu_start
        elapsed += now - start
        n_calls += len(batch)
        if now >= end:
            cost = _clock_cost() if each else 0
            return n_calls, elapsed, used, [max(0, duration - cost) for duration in durations]
        if now - start < seconds / 20:
            n_passes = min(2 * n_passes, n_passes_max)


def _holds_mutable(call):
    arguments, named = call
    return any(isinstance(value, _MUTABLE) for value in (*arguments, *named.values()))


# A loop of its own for each kind of call: what else it would do were counted as the function's time.


def _run(function, batch, _durations):
    for value in batch:
        function(value)


def _run_each(function, batch, durations):
    clock, keep = time.perf_counter_ns, durations.append
    for value in batch:
        start = clock()
        function(value)
        keep(clock() - start)


def _run_all(function, batch, _durations):
    for arguments, named in batch:
        function(*arguments, **named)


def _run_each_of_all(function, batch, durations):
    clock, keep = time.perf_counter_ns, durations.append
    for arguments, named in batch:
        start = clock()
        function(*arguments, **named)
        keep(clock() - start)


# By whether each call has one argument, and whether each is timed.
_RUNS = {
    (True, False): _run,
    (True, True): _run_each,
    (False, False): _run_all,
    (False, True): _run_each_of_all,
}


def _clock_cost():
    """What `_run_each` finds for a call that takes no time."""
    clock = time.perf_counter_ns
    costs = []
    for _ in range(501):
        start = clock()
        costs.append(clock() - start)
    return sorted(costs)[250]
