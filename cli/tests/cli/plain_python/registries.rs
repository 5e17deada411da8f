//! What scripts register in modules that stay loaded: the next run does not find it, on any backend.

use std::collections::BTreeMap;

use super::scripts::{Plain, compare_where_possible};

/// Scripts that show what is registered and then register more, each with the backends that it is not for.
const SCRIPTS: [(&str, &str, &[&str]); 11] = [
    (
        "adapters_of_sqlite",
        r#"
import datetime, fractions, sqlite3, sys, warnings
warnings.simplefilter("ignore"); db = sqlite3.connect(":memory:"); db.create_function("fail", 0, lambda: 1 / 0)
def kept(value):
    try: return db.execute("select ?", [value]).fetchone()
    except sqlite3.Error as error: return type(error).__name__
print(kept(datetime.date(2000, 1, 1)), kept(fractions.Fraction(1)), "MINE" in sqlite3.converters)
unraisable = []; sys.unraisablehook = unraisable.append
try: db.execute("select fail()")
except sqlite3.Error: print(len(unraisable))
sqlite3.register_adapter(fractions.Fraction, lambda value: "mine"); sqlite3.enable_callback_tracebacks(True)
sqlite3.register_adapter(datetime.date, lambda value: "mine"); sqlite3.register_converter("mine", lambda value: 1)
"#,
        &[],
    ),
    // A package may have registered such a function when it was imported, so another interpreter takes its place.
    (
        "builtin_adapters_of_sqlite",
        r#"
import decimal, sqlite3
try: print(sqlite3.connect(":memory:").execute("select ?", [decimal.Decimal(1)]).fetchone())
except sqlite3.Error as error: print(type(error).__name__)
sqlite3.register_adapter(decimal.Decimal, str)
"#,
        &["thread"],
    ),
    (
        "codecs",
        r#"
import codecs
try: print("a".encode("mine"))
except LookupError as error: print(error)
codecs.register(lambda name: codecs.lookup("ascii") if name == "mine" else None); print("a".encode("mine"))
print("\u00e9".encode("ascii", "replace")); codecs.register_error("replace", lambda error: ("!", error.end))
print("\u00e9".encode("ascii", "replace"))
"#,
        &[],
    ),
    // They can be taken back from Python 3.14 on; before, another interpreter takes the place of this one.
    (
        "error_handlers",
        r#"
import codecs
try: print("\u00e9".encode("ascii", "mine"))
except LookupError as error: print(error)
codecs.register_error("mine", lambda error: ("!", error.end)); print("\u00e9".encode("ascii", "mine"))
"#,
        &["thread"],
    ),
    (
        "dialects_of_csv",
        r#"
import csv, sys
csv.writer(sys.stdout).writerow("ab"); print(csv.list_dialects())
csv.register_dialect("excel", delimiter=";"); csv.unregister_dialect("unix"); csv.writer(sys.stdout).writerow("ab")
"#,
        &[],
    ),
    (
        "formats_of_archives",
        r#"
import shutil
print([name for name, *_ in shutil.get_archive_formats() + shutil.get_unpack_formats()])
shutil.register_archive_format("mine", lambda *all: None); shutil.register_unpack_format("mine", ["m"], lambda *all: None)
"#,
        &[],
    ),
    (
        "browsers",
        r#"
import webbrowser
try: print(webbrowser.get("mine").name)
except webbrowser.Error: print("none")
webbrowser.register("mine", None, webbrowser.GenericBrowser("true"), preferred=True); print(webbrowser.get("mine").name)
"#,
        &[],
    ),
    (
        "reducers_of_multiprocessing",
        r#"
import multiprocessing.forkserver as server, pickle
from multiprocessing.reduction import ForkingPickler
print(pickle.loads(ForkingPickler.dumps(1j)), server._forkserver._preload_modules)
ForkingPickler.register(complex, lambda value: (complex, (7,)))
import multiprocessing; multiprocessing.set_forkserver_preload(["mine"])
"#,
        &[],
    ),
    (
        "key_of_the_process",
        r#"
import multiprocessing, tempfile
me = multiprocessing.current_process(); print(bytes(me.authkey) == b"mine", me.daemon, tempfile.gettempprefix())
me.authkey, me.daemon, tempfile.template = b"mine", True, "mine"
"#,
        &[],
    ),
    // Those of packages would be lost where workers share an interpreter.
    (
        "of_the_standard_library",
        r#"
import copyreg, doctest, email.charset, encodings.aliases, fileinput, http.client, urllib.parse, xml.etree.ElementTree as tree
print(urllib.parse.urljoin("mine://a/b", "c"), tree.tostring(tree.Element("{urn:mine}a")))
print(email.charset.Charset("mine").output_charset, "mine" in encodings.aliases.aliases, http.client.HTTPConnection.debuglevel)
print(copyreg._extension_registry, doctest.OPTIONFLAGS_BY_NAME.get("MINE"), doctest.master)
for line in fileinput.input(__file__): break
urllib.parse.uses_netloc.append("mine"); urllib.parse.uses_relative.append("mine"); tree.register_namespace("mine", "urn:mine")
email.charset.add_charset("mine", None, None, "ascii"); encodings.aliases.aliases["mine"] = "ascii"
http.client.HTTPConnection.debuglevel = 1; copyreg.add_extension("json", "dumps", 200); doctest.register_optionflag("MINE")
print(urllib.parse.urljoin("mine://a/b", "c"), tree.tostring(tree.Element("{urn:mine}a")))
"#,
        &["thread"],
    ),
    (
        "warnings_once",
        r#"
import warnings
warnings.showwarning = lambda text, *_: print(text)
warnings.simplefilter("once")
for turn in range(2): warnings.warn("once")
"#,
        &[],
    ),
];

fn compare(backend: &str) {
    static PLAIN: Plain = Plain::new(BTreeMap::new());
    compare_where_possible(&SCRIPTS, &PLAIN, backend);
}

on_backends! {
    what_scripts_register_ends_with_them_by_default: "auto",
    what_scripts_register_ends_with_them_in_interpreters: "interpreter",
    what_scripts_register_ends_with_them_on_threads: "thread",
    what_scripts_register_ends_with_them_in_worker_processes: "process",
}
