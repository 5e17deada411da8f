"""Runs a module of CPython's tests, and writes how each test ended: `outcomes.py FOLDER MODULE`, into a file of
that name.

A line is an outcome, a tab and a test's name. A test that has begun has a line "begun" first, so that the file
tells where a crash was.
"""

import fnmatch
import os
import sys
import tempfile
import unittest

from test import support


def left_out():
    """What would end the process of an interpreter, and so is not run: lines of differences.txt that begin with "!"."""
    with open(os.path.join(os.path.dirname(__file__), "differences.txt")) as file:
        return [line[1:].strip() for line in file if line.startswith("!")]


def leave_out(patterns, suite):
    def is_left_out(test):
        return hasattr(test, "id") and any(fnmatch.fnmatchcase(test.id(), pattern) for pattern in patterns)

    suite._tests[:] = [test for test in suite._tests if not is_left_out(test)]
    for test in suite._tests:
        if isinstance(test, unittest.TestSuite):
            leave_out(patterns, test)


class Outcomes(unittest.TestResult):
    def __init__(self, file):
        super().__init__()
        self._file = file

    def _write(self, outcome, test):
        name = test.id().replace("\n", " ")
        print(outcome, name, sep="\t", file=self._file, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self._write("begun", test)

    def addSuccess(self, test):
        self._write("ok", test)

    def addError(self, test, error):
        self._write("error", test)
        self._show(test, error)

    def addFailure(self, test, error):
        self._write("failure", test)
        self._show(test, error)

    def addSkip(self, test, reason):
        self._write("skipped", test)

    def addExpectedFailure(self, test, error):
        self._write("ok", test)

    def addUnexpectedSuccess(self, test):
        self._write("failure", test)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._write("failure", test)
            self._show(test, error)

    def _show(self, test, error):
        print(f"=== {test.id()}\n{self._exc_info_to_string(error, test)}", file=sys.stderr)


def main(folder, name):
    # Neither the network nor what takes long.
    support.use_resources = []
    support.verbose = 0
    with open(os.path.join(folder, name), "w") as file, tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
        except unittest.SkipTest:
            print("skipped", name, sep="\t", file=file)
            return
        leave_out(left_out(), suite)
        suite.run(Outcomes(file))
        os.chdir("/")


# Processes that multiprocessing starts import this file, too.
if __name__ == "__main__":
    main(*sys.argv[1:])
