"""A part of the tests that packages bring themselves, run by pytest.

`outcomes` runs in a plain process and in four interpreters at once, and must give the same in each: how each test
ended, by its name.
"""

import contextlib
import importlib.util
import io
import json
import os
import sys

# By package: which files of it, from its folder, and which of their tests are left out, by a part of their names.
# Left out is what differs between two plain processes, or asks for what no interpreter has: signals, fork, a folder of
# its own to work in, the main thread.
SUITES = {
    "bitarray": ["test_bitarray.py"],
    "greenlet": ["tests/test_greenlet.py", "tests/test_generator.py", "tests/test_cpp.py"],
    "lxml": ["tests/test_etree.py", "tests/test_xpathevaluator.py", "tests/test_errors.py"],
    "msgpack": ["test"],
    "numpy": [
        "_core/tests/test_multiarray.py",
        "_core/tests/test_numeric.py",
        "_core/tests/test_indexing.py",
        "_core/tests/test_dtype.py",
        "_core/tests/test_strings.py",
        "linalg/tests/test_linalg.py",
        "random/tests/test_generator_mt19937.py",
        "fft/tests",
    ],
    "pandas": [
        "tests/groupby/test_groupby.py",
        "tests/reshape/merge/test_merge.py",
        "tests/io/parser/test_mangle_dupes.py",
    ],
    "persistent": ["tests/test_persistence.py", "tests/test_timestamp.py"],
    "regex": ["tests/test_regex.py"],
    "scipy": [
        "linalg/tests/test_basic.py",
        "sparse/tests/test_csgraph",
        "special/tests/test_basic.py",
        "spatial/tests/test_kdtree.py",
    ],
    "shapely": ["tests/test_predicates.py", "tests/test_constructive.py", "tests/test_strtree.py", "tests/test_io.py"],
    "simplejson": ["tests"],
    "sklearn": ["tree/tests/test_tree.py", "cluster/tests/test_k_means.py", "linear_model/tests/test_logistic.py"],
    "BTrees": ["tests/test_OOBTree.py", "tests/test_IIBTree.py"],
    "zope.interface": ["tests/test_interface.py", "tests/test_adapter.py", "tests/test_declarations.py"],
}

LEFT_OUT = "not fork and not signal and not subprocess and not thread and not memory and not leak and not multiprocess"


class Seen:
    """A plugin that keeps how each test ended."""

    def __init__(self):
        self.ends = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.ends[report.nodeid] = report.outcome

    def pytest_collectreport(self, report):
        if report.failed:
            self.ends[report.nodeid] = f"not collected: {report.longrepr}"


def outcomes(package, folder):
    """How each test of the package ended, as text."""
    import pytest

    spec = importlib.util.find_spec(package)
    root = os.path.dirname(spec.origin)
    files = [os.path.join(root, file) for file in SUITES[package]]
    files = [file for file in files if os.path.exists(file)]
    if not files:
        return json.dumps({})
    seen, said = Seen(), io.StringIO()
    off = [f"-p no:{plugin}" for plugin in ("cacheprovider", "faulthandler", "threadexception", "unraisableexception")]
    options = [*" ".join(off).split(), "-q", "--capture=no", "--assert=plain", "-W", "ignore"]
    options += ["-c", os.devnull, "--rootdir", root, "--basetemp", os.path.join(folder, "temporary"), "-k", LEFT_OUT]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        pytest.main([*options, *files], plugins=[seen])
    if not seen.ends:
        raise AssertionError(f"no test ran: {said.getvalue()[-500:]}")
    return json.dumps(seen.ends, sort_keys=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["names"]:
            print(json.dumps(sorted(SUITES)))
        case [package, folder]:
            print(outcomes(package, folder))
