"""The end of a program in every state that its workers can be in, by every way out.

`OWNGIL_EXIT_RUNS=20` repeats each combination; once is the default.
"""

import concurrent.futures
import itertools
import os
import signal
import subprocess
import sys
import time
import unittest

import interrupts as interrupts

RUNS = int(os.environ.get("OWNGIL_EXIT_RUNS", "1"))

# Seconds: the grace of the pool, and a start under load.
LIMIT = 2 + float(os.environ.get("OWNGIL_EXIT_SLACK", "4"))

PROGRAM = """
import faulthandler, os, signal, sys, threading, time
sys.path[:0] = {path!r}
import owngil, work

def state(executor):
    {state}

def leave():
    print("all of it", flush={flush})
    {leave}

def make():
    return owngil.Executor(2, backend="interpreter", daemon=True, grace=0.3)

{holder}
"""

STATES = {
    "idle": "executor.submit(work.double, 1).result()",
    "busy": "executor.submit(work.spin); time.sleep(0.2)",
    "napping": "executor.submit(work.nap_for_ever); time.sleep(0.2)",
    "stuck": "executor.submit(sum, range(10**12)); time.sleep(0.2)",
    "aside": """
    future = executor.with_options(timeout=0.1).submit(sum, range(10**12))
    assert future.exception() is not None
    time.sleep(0.5)
    """,
    "daemon": "executor.submit(work.leave_a_daemon).result()",
}

ENDINGS = {
    "status": ("sys.exit(3)", 3),
    "exception": ("raise ValueError('uncaught')", 1),
    "interrupt": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(5)", -signal.SIGINT),
    "at once": ("sys.stdout.flush(); os._exit(4)", 4),
    "return": ("pass", 0),
}

HOLDERS = {
    "global": "executor = make(); state(executor); leave()",
    "forgotten": "def run():\n    state(make())\nrun(); leave()",
    "thread": """
def run():
    state(make())
thread = threading.Thread(target=run)
thread.start()
thread.join()
leave()
""",
    "with": """
with make() as executor:
    state(executor)
    leave()
""",
}


def end(state: str, ending: str, holder: str) -> "str | None":
    """Runs a program to its end; what was wrong with it."""
    here = os.path.dirname(os.path.abspath(__file__))
    leave, status = ENDINGS[ending]
    program = PROGRAM.format(
        path=[here, os.path.dirname(here)] if os.path.isdir(os.path.join(here, "..", "owngil")) else [here],
        state=STATES[state].strip(),
        leave=leave,
        flush=ending == "at once",
        holder=HOLDERS[holder],
    )
    start = time.monotonic()
    try:
        ended = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-c", program], capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    took = time.monotonic() - start
    if ended.returncode != status:
        return f"status {ended.returncode}, not {status}: {ended.stderr[-300:]}"
    if ended.stdout != "all of it\n":
        return f"printed {ended.stdout!r}"
    said = {"exception": "ValueError: uncaught", "interrupt": "KeyboardInterrupt"}.get(ending, "")
    if said not in ended.stderr or (not said and ended.stderr):
        return f"said {ended.stderr!r}"
    if took > LIMIT:
        return f"took {took:.1f} s"
    return None


class Exit(unittest.TestCase):
    maxDiff = None

    def test_program_ends_with_its_status_and_all_of_its_output(self) -> None:
        # A `with` waits for its calls, which these never end.
        endless = {"busy", "napping", "stuck"}
        combinations = [
            combination
            for combination in itertools.product(STATES, ENDINGS, HOLDERS)
            if not (combination[2] == "with" and combination[0] in endless and combination[1] != "at once")
        ]
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("OWNGIL_EXIT_JOBS", "2"))) as threads:
            runs = [(c, threads.submit(end, *c)) for _ in range(RUNS) for c in combinations]
            wrong = [f"{' / '.join(c)}: {run.result()}" for c, run in runs if run.result() is not None]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
