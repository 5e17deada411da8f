"""The loop of a peer: reads a request per line, answers each with a line, both JSON."""

import json
import os
import sys
import time


def serve(operations):
    """Answers requests {"do": NAME, argument: value} until the input ends."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": operations[request.pop("do")](**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    # A pool may wait without end for workers that are gone.
    os._exit(0)


def rate(run, seconds, known={}):
    """Runs `run(n)` with an n for which it takes about so long; gives n per second."""
    n = known.get(run, 500)
    while True:
        start = time.perf_counter()
        run(n)
        took = time.perf_counter() - start
        if took >= seconds / 2:
            known[run] = n
            return n / took
        n = int(n * min(8, max(1.5, seconds / max(took, 1e-9))))


def middle(run, n):
    """How long the middle one of n runs takes, in seconds."""
    times = []
    for _ in range(n):
        start = time.perf_counter_ns()
        run()
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[n // 2] / 1e9


def resident():
    """This process's resident memory, in bytes."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def share_of_memory(process):
    """The proportional share of memory that a process has, in bytes."""
    with open(f"/proc/{process}/smaps_rollup") as rollup:
        line = next(line for line in rollup if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
