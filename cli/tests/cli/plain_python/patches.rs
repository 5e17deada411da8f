//! What scripts set in modules and classes that stay loaded: the next run finds them as they were.

use std::collections::BTreeMap;

use super::scripts::{Plain, compare_where_possible};

/// Scripts that show what they then patch, each with the backends that it is not for.
const SCRIPTS: [(&str, &str, &[&str]); 14] = [
    (
        "functions",
        r#"
import inspect, json, os, socket, time
print(json.dumps.__name__, time.sleep(0), os.path.join("a", "b"), os.getpid() == 42, hasattr(inspect, "getargspec"), hasattr(time, "clock"))
dumps = json.dumps
def wrapped(*arguments): return "wrapped " + dumps(*arguments)
json.dumps, time.sleep, os.path.join, os.getpid = wrapped, None, lambda *parts: "/".join(parts[::-1]), lambda: 42
inspect.getargspec, time.clock, socket.getaddrinfo = inspect.getfullargspec, time.perf_counter, lambda *_: []
print(json.dumps([1]), os.path.join("a", "b"))
"#,
        &["thread"],
    ),
    (
        "methods",
        r#"
import argparse, configparser, fractions, json, logging
try: print(json.dumps([{1}]))
except TypeError as error: print(error)
print(fractions.Fraction(1, 2), fractions.Fraction(1) == 1, hasattr(logging.Logger, "trace"), argparse.ArgumentParser.error.__name__)
print(configparser.ConfigParser.optionxform.__name__, json.JSONEncoder.item_separator)
json.JSONEncoder.default = lambda self, value: sorted(value)
json.JSONEncoder.item_separator = ";"
fractions.Fraction.__str__, fractions.Fraction.__eq__ = lambda self: "half", lambda self, other: False
logging.Logger.trace = logging.Logger.debug; logging.TRACE = 5
argparse.ArgumentParser.error = lambda self, message: print(message); configparser.ConfigParser.optionxform = str
print(json.dumps([{1}, 2]), fractions.Fraction(1, 2), fractions.Fraction(1) == 1)
argparse.ArgumentParser().parse_args(["wrong"])
"#,
        &["thread"],
    ),
    (
        "deletes",
        r#"
import collections, json, string
print(hasattr(collections, "namedtuple"), hasattr(string.Formatter, "vformat"), json.JSONDecoder.__doc__ is None)
del collections.namedtuple, string.Formatter.vformat
json.JSONDecoder.__doc__ = None
del json.JSONDecoder.decode
print(hasattr(json.JSONDecoder, "decode"))
"#,
        &["thread"],
    ),
    (
        "by_the_dict",
        r#"
import textwrap, string
print(hasattr(textwrap, "mine"), textwrap.dedent(" a"), len(vars(string)) > 5)
vars(textwrap).update(mine=1, dedent=str.upper); textwrap.__dict__.pop("shorten"); print(textwrap.dedent("a"))
setattr(textwrap, "indent", None); vars(string).clear()
"#,
        &["thread"],
    ),
    (
        "by_a_thread",
        r#"
import threading, textwrap
print(textwrap.dedent is None)
def patch(): textwrap.dedent = None
thread = threading.Thread(target=patch); thread.start(); thread.join(); print(textwrap.dedent is None)
"#,
        &["thread"],
    ),
    (
        "by_a_module_of_its_own",
        r#"
import sys, textwrap, types
print(textwrap.dedent is None)
sys.modules["patching"] = module = types.ModuleType("patching")
exec("import textwrap\ntextwrap.dedent = None\ndef patch(): textwrap.indent = None", vars(module))
import patching
patching.patch(); print(textwrap.dedent, textwrap.indent)
"#,
        &["thread"],
    ),
    (
        "by_mock",
        r#"
import textwrap, time
from unittest import mock
print(isinstance(time.sleep, mock.Mock), isinstance(textwrap.dedent, mock.Mock), "MINE" in __import__("os").environ)
mock.patch("time.sleep").start(); mock.patch.object(textwrap, "dedent").start(); mock.patch.dict("os.environ", MINE="1").start()
print(isinstance(time.sleep, mock.Mock))
"#,
        &["thread"],
    ),
    (
        "at_its_end",
        r#"
import atexit, textwrap
class Late:
    def __del__(self): print("destroyed with", textwrap.dedent is None)
late = Late(); atexit.register(lambda: print("exit with", textwrap.dedent is None))
print(textwrap.dedent is None); textwrap.dedent = None
raise SystemExit(0)
"#,
        &["thread"],
    ),
    (
        "and_fails",
        r#"
import sys, textwrap
print(textwrap.dedent is None); textwrap.dedent = None
if sys.argv[1] == "2": 1 / 0
"#,
        &["thread"],
    ),
    (
        "abstract_classes",
        r#"
import collections.abc, numbers
print(hasattr(numbers.Number, "mine"), isinstance([], numbers.Number), isinstance([], collections.abc.Sized))
numbers.Number.mine = 1; numbers.Number.__hash__ = None; collections.abc.Sized.__subclasshook__ = classmethod(lambda *_: False)
print(hasattr(numbers.Number, "mine"))
"#,
        &["thread"],
    ),
    (
        "again_and_again",
        r#"
import textwrap
print(textwrap.dedent.__module__, hasattr(textwrap, "n"))
for turn in range(1000): textwrap.n = turn; textwrap.dedent = print; del textwrap.n
textwrap.n = 1
"#,
        &["thread"],
    ),
    (
        "what_is_imported_later",
        r#"
import importlib, sys
if sys.argv[1] == "3": import colorsys
else: colorsys = importlib.import_module("colorsys")
print(colorsys.rgb_to_hsv is None, hasattr(colorsys, "mine")); colorsys.rgb_to_hsv = None; colorsys.mine = 1
"#,
        &["thread"],
    ),
    (
        "the_collector_and_the_process",
        r#"
import gc, os, sys
class Late:
    def __init__(self): self.itself = self
    def __del__(self): print("destroyed", sys.argv)
Late(); print(gc.collect(), os.getpid() == os.getpid())
late = Late()
gc.collect = gc.freeze = gc.unfreeze = lambda *_: 0; os.getpid = lambda: 42; os.fsdecode = os.fsencode = os.getcwd = None
"#,
        &["thread"],
    ),
    (
        "exits",
        r#"
import sys, threading
print(threading._shutdown is None, threading.enumerate is None, sys.exit is None)
threading.enumerate = threading._shutdown = threading.main_thread = None; sys.exit = None
"#,
        &["thread"],
    ),
];

fn compare(backend: &str) {
    static PLAIN: Plain = Plain::new(BTreeMap::new());
    compare_where_possible(&SCRIPTS, &PLAIN, backend);
}

// Workers that share an interpreter share what scripts set: docs/differences.md
on_backends! {
    what_scripts_patch_is_as_it_was_for_the_next_by_default: "auto",
    what_scripts_patch_is_as_it_was_for_the_next_in_interpreters: "interpreter",
    what_scripts_patch_is_as_it_was_for_the_next_in_worker_processes: "process",
}
