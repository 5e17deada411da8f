"""The program around the executor: how it ends, forks, and is warned."""

import os
import signal
import subprocess
import sys
import textwrap
import unittest

import interrupts as interrupts
import owngil

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([os.path.dirname(owngil.__path__[0]), os.environ.get("PYTHONPATH", "")]),
}


def run(program):
    return subprocess.run(
        # CPython warns of each fork beside threads.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
        cwd=os.path.dirname(__file__),
    )


class Host(unittest.TestCase):
    def assert_prints(self, program, lines, status=0):
        ended = run(program)
        self.assertEqual((ended.returncode, ended.stdout.split(), ended.stderr), (status, lines.split(), ""))

    def test_import_is_light(self):
        program = """
            import sys
            before = set(sys.modules)
            import owngil
            print(*sorted(set(sys.modules) - before))
        """
        self.assert_prints(program, "owngil")

    def test_program_itself_is_no_worker(self):
        program = """
            import owngil
            print(owngil.worker_id(), hasattr(owngil, "state"))
        """
        self.assert_prints(program, "None False")

    def test_end_of_the_program_waits_for_its_calls(self):
        program = """
            import os, owngil, work
            executor = owngil.Executor(1)
            executor.submit(work.nap, 0.5).add_done_callback(lambda future: print("done", flush=True))
        """
        self.assert_prints(program, "done")

    def test_ctrl_c_again_and_again_ends_the_program_by_its_signal(self):
        program = """
            import os, signal, threading, owngil, work
            if __name__ == "__main__":
                for seconds in 1.0, 1.3, 1.6, 1.9, 2.2, 2.5:
                    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
                with owngil.Executor(2, backend=BACKEND) as executor:
                    for future in [executor.submit(work.swallow) for _ in range(4)]:
                        future.result()
        """
        for backend in "interpreter", "process":
            with self.subTest(backend):
                ended = run(textwrap.dedent(program).replace("BACKEND", repr(backend)))
                self.assertEqual(ended.returncode, -signal.SIGINT, ended.stderr)

    def test_end_of_the_program_stops_the_calls_of_a_daemon(self):
        for backend in "interpreter", "process":
            with self.subTest(backend):
                program = f"""
                    import sys, time, owngil, work
                    executor = owngil.Executor(1, backend={backend!r}, daemon=True)
                    future = executor.submit(work.spin)
                    while not future.running(): time.sleep(0.01)
                    print("bye")
                    sys.exit(3)
                """
                self.assert_prints(program, "bye", 3)

    def test_waiting_threads_of_the_program_end_with_it(self):
        program = """
            import threading, owngil, work
            executor = owngil.Executor(1)
            def wait():
                print(executor.submit(work.nap, 0.3).result())
            threading.Thread(target=wait).start()
        """
        self.assert_prints(program, "0.3")

    def test_uncaught_exception_keeps_its_status(self):
        ended = run("""
            import owngil, work
            executor = owngil.Executor(1)
            executor.submit(work.double, 1).result()
            raise LookupError("uncaught")
        """)
        self.assertEqual(ended.returncode, 1)
        self.assertTrue(ended.stderr.endswith("LookupError: uncaught\n"), ended.stderr)

    def test_child_that_is_forked_off_has_no_workers_and_may_start_some(self):
        program = """
            import os, sys, owngil
            executor = owngil.Executor(1)
            executor.submit(len, "a").result()
            child = os.fork()
            if child == 0:
                try:
                    executor.submit(len, "a")
                except RuntimeError as error:
                    print("refused", flush=True)
                with owngil.Executor(1) as own:
                    print(own.submit(len, "ab").result(), flush=True)
                sys.exit(5)
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), executor.submit(len, "abc").result())
        """
        self.assert_prints(program, "refused 2 5 3")

    def test_processes_of_multiprocessing_may_be_forked_off_beside_workers(self):
        program = """
            import multiprocessing, warnings, owngil
            warnings.simplefilter("ignore")
            executor = owngil.Executor(1)
            executor.submit(len, "a").result()
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(*pool.map(abs, [-1, -2]))
            print(executor.submit(len, "abc").result())
        """
        self.assert_prints(program, "1 2 3")

    def test_workers_share_memory_with_the_program_and_leave_it_there(self):
        for backend in "interpreter", "process":
            with self.subTest(backend):
                program = f"""
                    import owngil, work
                    from multiprocessing.shared_memory import SharedMemory
                    mine = SharedMemory(create=True, size=4)
                    theirs = []
                    for i in 1, 2:
                        with owngil.Executor(1, backend={backend!r}) as executor:
                            name = executor.submit(work.share, mine.name, i).result()
                            theirs.append(SharedMemory(name=name))
                    print(*mine.buf[:3], *[memory.buf[0] for memory in theirs])
                    for memory in mine, *theirs:
                        memory.close()
                        memory.unlink()
                """
                self.assert_prints(program, "0 1 2 1 2")

    def test_worker_that_is_refused_an_executor_ends_in_silence(self):
        program = """
            import owngil, work
            with owngil.Executor(1, backend="interpreter", max_tasks_per_child=1) as executor:
                print(executor.submit(work.nest).result(), executor.submit(abs, 1).result())
        """
        self.assert_prints(program, "RuntimeError 1")

    def test_frames_of_the_program_may_be_looked_at_beside_workers(self):
        program = """
            import sys, threading, owngil, work
            executor = owngil.Executor(2, backend="interpreter")
            futures = [executor.submit(work.recurse, 4) for _ in range(200)]
            while not all(future.done() for future in futures):
                frames, exceptions = sys._current_frames(), sys._current_exceptions()
                assert set(frames) <= {thread.ident for thread in threading.enumerate()}, frames
            print(sum(future.result() for future in futures))
        """
        self.assert_prints(program, "3200")

    def test_subprocesses_start_beside_workers(self):
        program = """
            import subprocess, sys, owngil
            executor = owngil.Executor(1)
            executor.submit(len, "a").result()
            subprocess.run([sys.executable, "-c", "print(1)"], check=True)
            subprocess.run([sys.executable, "-c", "print(2)"], check=True, preexec_fn=lambda: None)
        """
        self.assert_prints(program, "1 2")

    def test_worker_process_may_have_workers_of_its_own(self):
        for backend in "auto", "process", "interpreter":
            with self.subTest(backend):
                program = f"""
                    import owngil, work
                    with owngil.Executor(1, backend="process") as executor:
                        print(executor.submit(work.map_in_workers, {backend!r}).result(60))
                """
                self.assert_prints(program, "[1,2]")

    def test_worker_that_is_an_interpreter_is_refused_workers_and_ends_in_silence(self):
        program = """
            import owngil, work
            with owngil.Executor(1, backend="interpreter", max_tasks_per_child=1) as executor:
                print(type(executor.submit(work.map_in_workers, "auto").exception()).__name__)
                print(executor.submit(work.double, 1).result())
        """
        self.assert_prints(program, "RuntimeError 2")

    @unittest.skipUnless(hasattr(sys, "remote_exec"), "3.14 and later have it")
    def test_debugger_meets_the_program_and_no_worker(self):
        # pdb -p does the same.
        program = """
            import os, subprocess, sys, tempfile, time, owngil, work
            executor = owngil.Executor(2, backend="interpreter", daemon=True)
            executor.submit(work.double, 1).result()
            executor.submit(work.spin)
            with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
                print("import owngil, sys; sys.modules['__main__'].met = owngil.worker_id()", file=script, flush=True)
                met = "none"
                subprocess.run(
                    [sys.executable, "-c", f"import sys; sys.remote_exec({os.getpid()}, {script.name!r})"], check=True
                )
                end = time.monotonic() + 30
                while met == "none" and time.monotonic() < end:
                    pass
            print(met)
        """
        ended = run(program)
        if "Operation not permitted" in ended.stderr or "PermissionError" in ended.stderr:
            self.skipTest("this system lets no process debug another")
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "None\n", ""))

    def test_warnings_of_calls_are_shown_as_in_processes(self):
        for backend in "interpreter", "process":
            with self.subTest(backend):
                ended = run(f"""
                    import owngil, work
                    with owngil.Executor(1, backend={backend!r}) as executor:
                        executor.submit(work.warn, "beware").result()
                """)
                self.assertIn("UserWarning: beware", ended.stderr)

    def test_output_of_calls_is_that_of_the_program(self):
        program = """
            import owngil
            with owngil.Executor(1) as executor:
                executor.submit(print, "hello").result()
        """
        self.assert_prints(program, "hello")


if __name__ == "__main__":
    unittest.main()
