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
SOURCE = os.path.join(os.path.dirname(__file__), "..", "..")
PAGE = os.path.join(SOURCE, "docs", "python.md")
NOTEBOOK = os.path.join(SOURCE, "examples", "notebook.ipynb")


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


@unittest.skipUnless(os.path.exists(NOTEBOOK), "needs the source folder")
class Notebook(unittest.TestCase):
    def test_it_runs(self):
        missing = [name for name in ("nbclient", "ipykernel", "cloudpickle", "tqdm") if not importlib.util.find_spec(name)]
        if missing:
            self.skipTest(f"needs {', '.join(missing)}")
        import nbclient
        import nbformat

        notebook = nbformat.read(NOTEBOOK, as_version=4)
        folder = os.path.dirname(owngil.__path__[0])
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
        shown = [
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for cell in notebook.cells
            for output in cell.get("outputs", ())
        ]
        self.assertIn("106", shown)
        self.assertIn("[2, 3, 5, 7, 11, 13, 17, 19, 23, 29]", shown)
        self.assertTrue(any("ValueError: 0 has no factors" in text and "in factors" in text for text in shown), shown)
        self.assertIn("'TimedOut'", shown)


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
