"""The command, as `python -m owngil` and as the script that pip installs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import unittest

import interrupts as interrupts
import owngil

MODULE = [sys.executable, "-m", "owngil"]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([os.path.dirname(owngil.__path__[0]), os.environ.get("PYTHONPATH", "")]),
}


def run(*arguments, command=MODULE, text="", **options):
    return subprocess.run(
        [*command, *arguments], input=text, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, **options
    )


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.file("work.py", "import time\ndef double(x): return 2 * int(x)\ndef spin(x):\n    while True: pass\n")

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_version_and_help(self):
        self.assertEqual(run("--version").stdout.split()[:2], ["owngil", owngil.__version__])
        self.assertIn("map", run("--help").stdout)
        self.assertEqual(run("--no-such-option").returncode, 2)

    def test_map_prints_a_line_for_each_input(self):
        for backend in "auto", "interpreter", "process":
            with self.subTest(backend):
                inputs = "\n".join(map(str, range(100)))
                ended = run("map", "-k", "--backend", backend, "work.py:double", text=inputs, cwd=self.folder)
                self.assertEqual((ended.returncode, ended.stderr), (0, ""))
                self.assertEqual([json.loads(line) for line in ended.stdout.splitlines()], [2 * i for i in range(100)])

    def test_call_that_fails_shows_in_the_status(self):
        ended = run("map", "-k", "json:loads", text='1\n{\n', cwd=self.folder)
        self.assertEqual(ended.returncode, 1)

    def test_run_runs_a_script_for_each_input(self):
        self.file("script.py", "import sys\nif __name__ == '__main__': print(sys.argv[1:])")
        ended = run("run", "-k", "script.py", ":::", "a", "b", cwd=self.folder)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "['a']\n['b']\n", ""))

    def test_it_runs_on_the_python_that_has_it(self):
        self.file("where.py", "import sys\ndef where(_): return [sys.executable, sys.prefix]")
        ended = run("map", "where.py:where", text="1\n", cwd=self.folder)
        self.assertEqual(json.loads(ended.stdout), [sys.executable, sys.prefix], ended.stderr)

    def test_interrupts_end_it(self):
        command = [*MODULE, "map", "work.py:spin"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, env=ENVIRONMENT
        ) as process:
            process.stdin.write(b"1\n2\n")
            process.stdin.close()
            time.sleep(2)
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
            self.assertEqual(process.wait(30), 130)

    def test_installed_script_is_the_same_command(self):
        script = shutil.which("owngil", path=sysconfig.get_path("scripts"))
        if script is None:
            self.skipTest("needs an installed package")
        ended = run("map", "-k", "work.py:double", command=[script], text="1\n", cwd=self.folder)
        self.assertEqual((ended.stdout, ended.returncode), ("2\n", 0), ended.stderr)


if __name__ == "__main__":
    unittest.main()
