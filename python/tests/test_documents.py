"""The examples in docstrings and in docs/python.md, which are run, and the types, which are checked."""

import doctest
import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import unittest

import owngil

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "python.md")


class Docstrings(unittest.TestCase):
    def test_examples_hold(self):
        for module in pkgutil.iter_modules(owngil.__path__, "owngil."):
            if module.name == "owngil.__main__":
                continue
            with self.subTest(module.name):
                try:
                    found = importlib.import_module(module.name)
                except ImportError as error:
                    # An adapter, whose package is not installed.
                    self.assertNotIn("owngil", error.name or "")
                    continue
                self.assertEqual(doctest.testmod(found, optionflags=FLAGS).failed, 0)
        self.assertEqual(doctest.testmod(owngil, optionflags=FLAGS).failed, 0)


class Page(unittest.TestCase):
    @unittest.skipUnless(os.path.exists(PAGE), "needs the source folder")
    def test_examples_print_what_they_say(self):
        with open(PAGE, encoding="utf-8") as file:
            blocks = re.findall(r"^```python\n(.*?)^```", file.read(), re.M | re.S)
        expected = 0
        for block in blocks:
            lines = re.findall(r"^ *print.*  # (.*)$", block, re.M)
            if not lines:
                continue
            expected += len(lines)
            with self.subTest(block), tempfile.NamedTemporaryFile("w", suffix=".py") as file:
                file.write(block)
                file.flush()
                ended = subprocess.run([sys.executable, file.name], capture_output=True, text=True, timeout=60)
                self.assertEqual((ended.stdout.splitlines(), ended.stderr), (lines, ""))
        self.assertGreater(expected, 1)


class Types(unittest.TestCase):
    """With the checkers that are installed."""

    def check(self, *command):
        if importlib.util.find_spec(command[0].partition(".")[0]) is None:
            self.skipTest(f"needs {command[0]}")
        ended = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=300)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)

    def test_mypy(self):
        self.check("mypy", "--strict", "--ignore-missing-imports", "-p", "owngil")

    def test_stub_of_the_native_module(self):
        self.check("mypy.stubtest", "owngil._owngil")

    def test_pyright(self):
        self.check("pyright", "--pythonpath", sys.executable, owngil.__path__[0])


if __name__ == "__main__":
    unittest.main()
