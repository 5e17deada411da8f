"""A part of the tests that packages bring themselves, run by pytest.

`outcomes` runs in a plain process and in four interpreters at once, and must give the same in each: how each test
ended, by its name. The tests of some packages are in their source archives only, which `archive.py` fetches.
"""

import collections
import contextlib
import io
import json
import os
import subprocess
import sys
import types
from importlib import metadata


class Suite:
    """The files with tests of one distribution, from a folder that is in site-packages, or in its source archive.

    `needs` are distributions that only the tests import. `without` are files that are left out, and `skip` parts of the
    names of tests, beside those that no package's tests can keep (`LEFT_OUT`).
    """

    def __init__(self, distribution, folder, *files, in_archive=False, needs=(), without=(), skip=()):
        self.distribution, self.folder, self.files = distribution, folder, files
        self.in_archive, self.needs, self.without, self.skip = in_archive, needs, without, skip

    def place(self):
        """Where the folder is."""
        if not self.in_archive:
            return str(metadata.distribution(self.distribution).locate_file(self.folder))
        return os.path.join(sys.prefix, "archives", self.release(), self.folder)

    def release(self):
        return f"{self.distribution}-{metadata.version(self.distribution)}"

    def fetch(self):
        """Unpacks the source archive, if the folder is there and has not been."""
        if self.in_archive and not os.path.exists(self.place()):
            script = os.path.join(os.path.dirname(__file__), "archive.py")
            requirement = f"{self.distribution}=={metadata.version(self.distribution)}"
            folder = os.path.join(sys.prefix, "archives", self.release())
            subprocess.run([sys.executable, script, requirement, self.folder, folder], check=True)


# By workload.
SUITES = {
    "bitarray": Suite("bitarray", "bitarray", "test_bitarray.py", "test_util.py"),
    "bottleneck": Suite("bottleneck", "bottleneck/tests", "reduce_test.py", "move_test.py", "nonreduce_test.py"),
    "btrees": Suite("BTrees", "BTrees/tests", "test_OOBTree.py", "test__base.py", "test_fsBTree.py"),
    "cytoolz": Suite("cytoolz", "cytoolz/tests", "."),
    "ephem": Suite("ephem", "ephem/tests", "."),
    "erfa": Suite("pyerfa", "erfa/tests", "."),
    "flint": Suite("python-flint", "flint/test", "."),
    "lxml": Suite(
        "lxml",
        "src/lxml/tests",
        "test_builder.py",
        "test_classlookup.py",
        "test_dtd.py",
        "test_elementpath.py",
        "test_errors.py",
        "test_etree.py",
        "test_htmlparser.py",
        "test_incremental_xmlfile.py",
        "test_nsclasses.py",
        "test_objectify.py",
        "test_relaxng.py",
        "test_sax.py",
        "test_unicode.py",
        "test_xmlschema.py",
        "test_xpathevaluator.py",
        "test_xslt.py",
        in_archive=True,
    ),
    "msgpack": Suite("msgpack", "test", ".", in_archive=True),
    "ndindex": Suite("ndindex", "ndindex/tests", "test_slice.py", "test_integer.py", "test_chunking.py"),
    "numexpr": Suite("numexpr", "numexpr/tests", "."),
    "numpy": Suite(
        "numpy",
        "numpy",
        "_core/tests/test_multiarray.py",
        "_core/tests/test_numeric.py",
        "_core/tests/test_indexing.py",
        "_core/tests/test_dtype.py",
        "_core/tests/test_strings.py",
        "linalg/tests/test_linalg.py",
        "random/tests/test_generator_mt19937.py",
        "fft/tests",
    ),
    "orjson": Suite("orjson", "test", ".", in_archive=True),
    "pandas": Suite(
        "pandas",
        "pandas/tests",
        "groupby/test_groupby.py",
        "reshape/merge/test_merge.py",
        "io/parser/test_mangle_dupes.py",
        "indexing/test_loc.py",
        "frame/test_constructors.py",
        "series/test_constructors.py",
        "tslibs",
        "libs",
    ),
    "persistent": Suite(
        "persistent", "persistent/tests", "test_persistence.py", "test_picklecache.py", "test_timestamp.py"
    ),
    "preshed": Suite("preshed", "preshed/tests", "."),
    "pyamg": Suite("pyamg", "pyamg", "amg_core/tests", "util/tests", "aggregation/tests/test_tentative.py"),
    "pydantic": Suite(
        "pydantic",
        "tests",
        "test_main.py",
        "test_validators.py",
        "test_types.py",
        "test_generics.py",
        "test_dataclasses.py",
        "test_json_schema.py",
        "test_serialize.py",
        "test_forward_ref.py",
        in_archive=True,
        needs=("dirty-equals", "pytest-mock", "jsonschema", "email-validator", "pytest-benchmark", "faker", "pytz"),
    ),
    "pydantic_core": Suite(
        "pydantic_core",
        "tests",
        "serializers",
        "validators",
        "test_errors.py",
        "test_json.py",
        "test_schema_functions.py",
        in_archive=True,
        needs=("dirty-equals", "pytest-mock", "inline-snapshot"),
    ),
    "pywt": Suite("pywavelets", "pywt/tests", "test_dwt_idwt.py", "test_wavelet.py", "test_wp.py", "test_swt.py"),
    "regex": Suite("regex", "regex/tests", "."),
    "scipy": Suite(
        "scipy",
        "scipy",
        "linalg/tests/test_basic.py",
        "sparse/tests/test_csr.py",
        "special/tests/test_basic.py",
        "spatial/tests/test_kdtree.py",
        "interpolate/tests/test_bsplines.py",
    ),
    "shapely": Suite("shapely", "shapely/tests", "."),
    "simplejson": Suite("simplejson", "simplejson/tests", "."),
    "sklearn": Suite(
        "scikit-learn",
        "sklearn",
        "tree/tests/test_tree.py",
        "cluster/tests/test_k_means.py",
        "linear_model/tests/test_logistic.py",
    ),
    "srsly": Suite("srsly", "srsly/tests", "."),
    "thinc": Suite("thinc", "thinc/tests", "model", "layers", "backends"),
    "tornado": Suite(
        "tornado", "tornado/test", "escape_test.py", "template_test.py", "websocket_test.py", "gen_test.py"
    ),
    "yaml": Suite("PyYAML", "tests", ".", in_archive=True),
    "zope_interface": Suite(
        "zope.interface", "zope/interface/tests", "test_interface.py", "test_adapter.py", "test_declarations.py"
    ),
}

# What differs between two plain processes, or asks for what no interpreter has: signals, fork, the main thread. Tests
# that are marked as slow are left out, too.
LEFT_OUT = ("fork", "signal", "subprocess", "thread", "memory", "malloc", "leak", "multiprocess")


class Seen:
    """A plugin that keeps how each test ended."""

    def __init__(self):
        self.ends = {}
        self.n_ended = collections.Counter()

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            # Names may show values: addresses and the order of sets differ between programs. The n-th is the n-th.
            name = report.nodeid.partition("[")[0]
            self.n_ended[name] += 1
            self.ends[f"{name}[{self.n_ended[name]}]"] = report.outcome

    def pytest_collectreport(self, report):
        if report.failed:
            self.ends[report.nodeid] = "not collected"


def outcomes(workload, folder):
    """How each test of the package ended, and what pytest said, as JSON."""
    # No interpreter loads it, and files import it for the few of their tests that measure memory.
    sys.modules["tracemalloc"] = types.ModuleType("tracemalloc")
    import pytest

    suite = SUITES[workload]
    root = suite.place()
    seen, said = Seen(), io.StringIO()
    off = [f"-p no:{plugin}" for plugin in ("cacheprovider", "faulthandler", "threadexception", "unraisableexception")]
    options = [*" ".join(off).split(), "-q", "--capture=no", "--assert=plain", "-W", "ignore", "--tb=short"]
    options += ["-c", os.devnull, "--rootdir", root, "--basetemp", os.path.join(folder, "temporary")]
    options += [f"--ignore={os.path.join(root, file)}" for file in suite.without]
    options += ["--continue-on-collection-errors", "-o", "python_files=test_*.py *_test.py"]
    options += ["-k", "not " + " and not ".join((*LEFT_OUT, *suite.skip)), "-m", "not slow"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        pytest.main([*options, *(os.path.join(root, file) for file in suite.files)], plugins=[seen])
    if not seen.ends:
        raise AssertionError(f"no test ran: {said.getvalue()[-500:]}")
    return json.dumps({"ends": seen.ends, "said": said.getvalue()}, sort_keys=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["list"]:
            found = {name: [suite.distribution, *suite.needs] for name, suite in SUITES.items()}
            print(json.dumps(found))
        case [workload, folder]:
            SUITES[workload].fetch()
            print(outcomes(workload, folder))
