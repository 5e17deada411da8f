//! What installed packages change outside of themselves when they are imported: each script that imports one finds it,
//! from its own import on, though the package has stayed loaded since an earlier script.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::support::{command, owngil, plain_python, run};

/// A package's name, what it does when it is imported, how scripts import it, and what they look at before and after.
const PACKAGES: [(&str, &str, &str, &str); 39] = [
    (
        "filters",
        "import warnings; warnings.filterwarnings('ignore', message='mine'); warnings.simplefilter('always', append=True)",
        "warnings.simplefilter('error'); import filters",
        "[(action, text and text.pattern) for action, text, *_ in warnings.filters]",
    ),
    (
        "no_filters",
        "import warnings; warnings.resetwarnings()",
        "import no_filters",
        "len(warnings.filters)",
    ),
    (
        "warns_again",
        "import warnings; warnings.simplefilter('ignore', ImportWarning)",
        "warnings.showwarning = lambda text, *_: print(text)\nfor turn in range(2): warnings.warn('once')\nimport warns_again\nwarnings.warn('once')",
        "len(warnings.filters)",
    ),
    (
        "variables",
        "import os; os.environ['PACKAGE'] = 'set'; os.environ.setdefault('SCRIPT', 'no'); os.environ.pop('GONE', None)",
        "os.environ['SCRIPT'] = 'script'; import variables",
        "[os.environ.get(name) for name in ('PACKAGE', 'SCRIPT', 'GONE')], os.popen('echo $PACKAGE$GONE').read()",
    ),
    (
        "folders",
        "import sys; sys.path.insert(0, '/first'); sys.path.append('/last')",
        "import folders",
        "sys.path[0] == '/first', sys.path[-1] == '/last'",
    ),
    (
        "finders",
        "import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return importlib.util.spec_from_loader(name, Finder) if name.startswith('finders.made_') else None
    create_module = staticmethod(lambda spec: None)
    exec_module = staticmethod(lambda module: None)
__path__ = []
sys.meta_path.append(Finder)",
        "import finders; print(importlib.import_module(f'finders.made_{sys.argv[1]}'))",
        "[finder.__name__ for finder in sys.meta_path if getattr(finder, '__module__', '') == 'finders'], 'finders' in sys.modules",
    ),
    (
        "path_hooks",
        "import sys; sys.path_hooks.insert(0, lambda path: 1 / 0 if path == 'hooked' else next(iter(())))
def failing(path): raise ImportError
sys.path_hooks[0] = failing",
        "import path_hooks",
        "len(sys.path_hooks)",
    ),
    (
        "hooks",
        "import sys; sys.excepthook = sys.displayhook = lambda *_: None; sys.ps1 = 'mine'; sys.dont_write_bytecode = True",
        "import hooks",
        "sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__, hasattr(sys, 'ps1'), sys.dont_write_bytecode",
    ),
    (
        "limits",
        "import sys; sys.setrecursionlimit(4321); sys.set_int_max_str_digits(1234); sys.setswitchinterval(0.25)",
        "import limits",
        "sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.getswitchinterval()",
    ),
    (
        "names",
        "import builtins; builtins.of_package = 1",
        "import names",
        "hasattr(builtins, 'of_package')",
    ),
    (
        "levels",
        "import logging; logging.basicConfig(level=10, format='%(message)s', stream=__import__('sys').stdout); logging.getLogger('of').setLevel(20)",
        "import levels; logging.debug('a line'); logging.getLogger('of').debug('none')",
        "logging.root.level, logging.getLogger('of').level, len(logging.root.handlers)",
    ),
    (
        "handlers",
        "import logging, sys; log = logging.getLogger('handlers'); log.addHandler(logging.StreamHandler(sys.stdout)); log.propagate = False
log.addFilter(lambda record: record.levelno > 30)",
        "import handlers; handlers.log.error('a line'); handlers.log.warning('none')",
        "len(logging.getLogger('handlers').handlers), logging.getLogger('handlers').propagate",
    ),
    (
        "a_file",
        "import logging; logging.getLogger('a_file').addHandler(logging.FileHandler('a_file.log', 'w'))",
        "import a_file; logging.getLogger('a_file').error(sys.argv[1])",
        "os.path.exists('a_file.log') and open('a_file.log').read()",
    ),
    (
        "types_of_files",
        "import mimetypes; mimetypes.add_type('x/mine', '.mine')",
        "import types_of_files",
        "mimetypes.guess_type('a.mine')",
    ),
    (
        "dialects",
        "import csv; csv.register_dialect('mine', delimiter=';')",
        "import dialects",
        "csv.list_dialects()",
    ),
    (
        "of_the_standard_library",
        "import xml.etree.ElementTree as tree, urllib.parse, email.charset, copyreg
tree.register_namespace('mine', 'urn:mine'); urllib.parse.uses_netloc.append('mine'); urllib.parse.uses_relative.append('mine')
email.charset.add_alias('mine', 'us-ascii'); copyreg.add_extension('json', 'dumps', 200)",
        "import of_the_standard_library
import xml.etree.ElementTree as tree; print(tree.tostring(tree.Element('{urn:mine}a')))",
        "importlib.import_module('urllib.parse').urljoin('mine://a/b', 'c'), importlib.import_module('email.charset').ALIASES.get('mine'), copyreg._extension_registry",
    ),
    (
        "wraps_a_stream",
        "import sys
class Loud:
    def __init__(self, stream): self.stream = stream
    def write(self, text): return self.stream.write(text.upper())
    def flush(self): self.stream.flush()
sys.stdout = Loud(sys.stdout)",
        "import wraps_a_stream",
        "type(sys.stdout).__name__ == 'Loud'",
    ),
    (
        "parts",
        "import os; from . import part
def kept(): pass",
        "from parts.part import value; print(value)",
        "os.environ.get('PART'), 'parts.part' in sys.modules, 'parts' in sys.modules",
    ),
    (
        "outer",
        "import warnings; warnings.simplefilter('error', UserWarning); import parts; warnings.simplefilter('ignore', BytesWarning)
warnings.simplefilter('default', ImportWarning)",
        "import outer",
        "[kind.__name__ for _, _, kind, *_ in warnings.filters], os.environ.get('PART'), 'parts' in sys.modules",
    ),
    (
        "both",
        "import os; os.environ['BOTH'] = 'yes'; import parts",
        "import parts; print(os.environ['PART']); os.environ['PART'] = 'script'; import both",
        "os.environ.get('BOTH'), os.environ.get('PART')",
    ),
    (
        "uses",
        "import parts; parts.used = 1",
        "if sys.argv[1] == '1': import parts\nimport uses",
        "os.environ.get('PART'), 'parts' in sys.modules",
    ),
    (
        "uses_a_function",
        "from parts import kept",
        "if sys.argv[1] == '1': import parts\nimport uses_a_function",
        "os.environ.get('PART'), 'parts' in sys.modules",
    ),
    (
        "in_a_thread",
        "import warnings; warnings.simplefilter('error', BytesWarning)",
        "import threading
thread = threading.Thread(target=importlib.import_module, args=['in_a_thread']); thread.start(); thread.join()",
        "[kind.__name__ for _, _, kind, *_ in warnings.filters]",
    ),
    (
        "in_a_block",
        "import warnings; warnings.simplefilter('error', BytesWarning)",
        "with warnings.catch_warnings():\n    import in_a_block; look('inside')",
        "[kind.__name__ for _, _, kind, *_ in warnings.filters]",
    ),
    (
        "in_between",
        "import sys; sys.path.insert(1, '/second')
sys.meta_path.insert(-1, type('Second', (), {'find_spec': staticmethod(lambda *_: None)}))",
        "import in_between",
        "sys.path[1] == '/second', getattr(sys.meta_path[-2], '__name__', None) == 'Second'",
    ),
    (
        "blocked",
        "",
        "
if sys.argv[1] == '1': sys.modules['blocked'] = None
try: import blocked; print(blocked.__name__)
except ImportError as error: print(error)",
        "'blocked' in sys.modules and sys.modules['blocked'] is None",
    ),
    (
        "again",
        "import sys; sys.meta_path.append(type('Again', (), {'find_spec': staticmethod(lambda *_: None)}))",
        "import again; del sys.modules['again']; import again",
        "[getattr(finder, '__name__', '') for finder in sys.meta_path].count('Again')",
    ),
    (
        "read",
        "import os; os.environ['READ'] = '1'",
        "import pkgutil; print(len(pkgutil.get_data('read', 'part.py'))); import read; print(read is sys.modules['read'])",
        "os.environ.get('READ')",
    ),
    (
        "shows",
        "import warnings; warnings.showwarning = lambda text, *_: print('shown', text)",
        "import shows; warnings.warn('a line')",
        "None",
    ),
    (
        "levels_of_scripts",
        "import logging; log = logging.getLogger('levels_of_scripts'); log.level or log.setLevel(30)",
        "sys.argv[1] == '3' and logging.getLogger('levels_of_scripts').setLevel(20)\nimport levels_of_scripts",
        "logging.getLogger('levels_of_scripts').level",
    ),
    (
        "configures",
        "import logging, sys; logging.basicConfig(level=20, stream=sys.stdout, format='package %(message)s')",
        "if sys.argv[1] == '3': logging.basicConfig(level=30, stream=sys.stdout, format='script %(message)s')
import configures; logging.info('info'); logging.error('error')",
        "len(logging.root.handlers)",
    ),
    (
        "has_a_logger",
        "import logging; log = logging.getLogger('has_a_logger.part')",
        "import logging.config
logging.config.dictConfig({'version': 1, 'root': {'handlers': ['h'], 'level': 10}, 'handlers': {
    'h': {'class': 'logging.StreamHandler', 'stream': sys.stdout}}})
import has_a_logger; has_a_logger.log.debug('a line'); print(has_a_logger.log is logging.getLogger('has_a_logger.part'))
logging.getLogger('has_a_logger').setLevel(30); has_a_logger.log.debug('none')",
        "'has_a_logger.part' in logging.root.manager.loggerDict",
    ),
    (
        "lazily",
        "import os; os.environ['LAZILY'] = '1'; value = 1",
        "
lazy = 'lazy ' * (sys.version_info >= (3, 15))
exec(f'{lazy}import lazily.part as part\\n{lazy}from lazily import value, part as other, missing' if lazy else 'import lazily.part as part\\nfrom lazily import value, part as other')
look('not yet' if lazy else 'then'); print(value, part.value, other is part)
try: print(missing)
except Exception as error: print(type(error).__name__)",
        "os.environ.get('LAZILY'), 'lazily' in sys.modules",
    ),
    (
        "by_reference",
        "import os; os.environ['PICKLED'] = '1'
class Value: pass",
        "print(type(pickle.loads(b'cby_reference\\nValue\\n)\\x81.')).__module__)",
        "os.environ.get('PICKLED')",
    ),
    (
        "fails",
        "import os; os.environ['FAILS'] = os.environ.get('FAILS', '') + '!'; raise ImportError('no')",
        "
for turn in range(2):
    try: import fails
    except ImportError as error: print(error)",
        "os.environ.get('FAILS'), 'fails' in sys.modules",
    ),
    (
        "reducers",
        "import copyreg
class Value: pass
copyreg.pickle(Value, lambda value: (str, ('reduced',)))",
        "import reducers; print(pickle.loads(pickle.dumps(reducers.Value())))",
        "None",
    ),
    (
        "codes",
        "import codecs; codecs.register(lambda name: codecs.lookup('ascii') if name == 'of_package' else None)",
        "import codes; print('a'.encode('of_package'))",
        "None",
    ),
    (
        "settings",
        "key = None
class Client: timeout = 1",
        "import settings; settings.key = settings.Client.timeout = settings.Client.extra = sys.argv[1]; del settings.__doc__",
        "(lambda package: (package.key, package.Client.timeout, hasattr(package.Client, 'extra'), '__doc__' in vars(package)))(importlib.import_module('settings'))",
    ),
    (
        "monkeypatches",
        "import textwrap; textwrap.of_package = 1",
        "import monkeypatches, textwrap; textwrap.of_package = 2",
        "importlib.import_module('monkeypatches') and __import__('textwrap').of_package",
    ),
];

/// The second input's script does not import the package.
const INPUTS: [&str; 4] = ["1", "2", "3", "4"];

/// Runs the script of a package and an input, which its argument names, so that one interpreter runs all of them.
const SCRIPT: &str = "
import sys
print('==', sys.argv[1])
name, sys.argv[1] = sys.argv[1].split(':')
exec(compile(open(f'of_{name}.py').read(), name, 'exec'))
";

/// A folder with packages and a script for each.
fn prepare() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("of_packages.py"), SCRIPT).unwrap();
    for (name, source, import, look) in PACKAGES {
        let package = folder.path().join("site-packages").join(name);
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("__init__.py"), source).unwrap();
        let part = "import os; os.environ['PART'] = 'here'; value = 'a part'";
        fs::write(package.join("part.py"), part).unwrap();
        let script = format!(
            "import builtins, copyreg, csv, importlib, logging, mimetypes, os, pickle, sys, warnings
os.environ.setdefault('GONE', 'still')
def look(when): print(when, {look})
look('before')
if sys.argv[1] != '2':
    exec({import:?})
    look('after')
"
        );
        fs::write(folder.path().join(format!("of_{name}.py")), script).unwrap();
    }
    folder
}

fn arguments() -> Vec<String> {
    let of = |name: &'static str| INPUTS.map(|input| format!("{name}:{input}"));
    PACKAGES.iter().flat_map(|(name, ..)| of(name)).collect()
}

fn printed(mut command: Command, folder: &Path) -> String {
    let command = command.current_dir(folder);
    let ended = run(command.env("PYTHONPATH", folder.join("site-packages")));
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

fn by_plain_python() -> String {
    let folder = prepare();
    let runs = arguments().into_iter().map(|argument| {
        let mut python = command(plain_python());
        python.args(["-u", "of_packages.py", &argument]);
        printed(python, folder.path())
    });
    runs.collect()
}

/// Compares with plain Python, with packages that stay loaded, too.
fn compare(backend: &str) {
    compare_with(&["--backend", backend]);
    compare_with(&["--backend", backend, "--isolate", "namespace"]);
}

fn compare_with(options: &[&str]) {
    static PLAIN: LazyLock<String> = LazyLock::new(by_plain_python);
    let mut own = owngil(["run", "-k", "-j", "1"]);
    own.args(options);
    own.args(["of_packages.py", ":::"]).args(arguments());
    let own = printed(own, prepare().path());
    let pairs = PLAIN.split("== ").zip(own.split("== "));
    let wrong = pairs.filter(|(plain, own)| plain != own);
    let wrong = wrong.map(|(plain, own)| format!("plain  {plain:?}\nowngil {own:?}"));
    let wrong = wrong.collect::<Vec<_>>().join("\n");
    assert!(*PLAIN == own, "with {options:?}:\n{wrong}");
}

// Workers that share an interpreter share what packages have changed: docs/differences.md
on_backends! {
    each_script_finds_what_packages_change_when_it_imports_them_by_default: "auto",
    each_script_finds_what_packages_change_when_it_imports_them_in_interpreters: "interpreter",
    each_script_finds_what_packages_change_when_it_imports_them_in_worker_processes: "process",
}

/// What scripts set in a package, in ways that cannot be undone from outside, and what it shows.
const STATE: &str = "
import sys, threading, kept, kept.part
from kept import config, options
print(kept.figures, options, config.value, kept.part.n, kept.local.__dict__, kept.Registry.known, kept.made(1))
kept.figures.append(1); options['a']['b'] = 2; config.value = kept.local.value = sys.argv[1]; kept.part.count()
class Mine(kept.Registry): pass
print(kept.figures, options, config.value, kept.part.n, kept.local.__dict__, kept.Registry.known, kept.made(1))
import textwrap; print(textwrap.shorten is None)
if sys.argv[1] == '2': 1 / 0
";

const KEPT: &str = "
import atexit, functools, sys, textwrap, threading
figures, options, local = [], {'a': {'b': 1}}, threading.local()
class Config: value = 0
config = Config()
class Registry:
    known = []
    def __init_subclass__(cls): Registry.known.append(cls.__name__)
@functools.cache
def made(n): print('made'); return n
atexit.register(lambda: print('at exit', figures))
textwrap.shorten = None
";

/// The lines of a script that sets state of a package, run for four inputs, of which the second fails.
fn of_state(run_script: impl FnOnce(&Path) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("site-packages/kept");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("__init__.py"), KEPT).unwrap();
    let part = "n = 0\ndef count(): global n; n += 1";
    fs::write(package.join("part.py"), part).unwrap();
    fs::write(folder.path().join("of_state.py"), STATE).unwrap();
    run_script(folder.path())
}

fn output(command: &mut Command, folder: &Path) -> String {
    let command = command.current_dir(folder);
    run(command.env("PYTHONPATH", folder.join("site-packages"))).stdout
}

#[test]
fn what_scripts_set_in_packages_ends_with_them() {
    let plain = of_state(|folder| {
        let of_input = |input| {
            let mut python = command(plain_python());
            output(python.args(["-u", "of_state.py", input]), folder)
        };
        INPUTS.map(of_input).concat()
    });
    for backend in ["auto", "interpreter", "process"] {
        let own = of_state(|folder| {
            let words = ["run", "-k", "-j", "1", "--backend", backend];
            let mut own = owngil(words);
            output(own.args(["of_state.py", ":::"]).args(INPUTS), folder)
        });
        assert_eq!(own, plain, "on {backend}");
    }
}

#[test]
fn packages_stay_loaded_where_each_input_has_a_namespace_alone() {
    let own = of_state(|folder| {
        let words = ["run", "-k", "-j", "1", "--isolate", "namespace"];
        let mut own = owngil(words);
        output(own.args(["of_state.py", ":::"]).args(INPUTS), folder)
    });
    assert!(own.contains("[1, 1, 1, 1]"), "{own}");
}

/// Copies an extension module of the standard library beside a script, where Python finds it first.
const OWN_EXTENSION: &str = "
import glob, os, shutil, sys, sysconfig
if not glob.glob('_uuid*'):
    [path] = glob.glob(sysconfig.get_path('stdlib') + '/lib-dynload/_uuid.*')
    shutil.copy(path, '.')
import _uuid
print(os.path.dirname(_uuid.__file__) == os.getcwd(), hasattr(_uuid, 'left'), os.getpid())
_uuid.left = 1
";

#[test]
fn a_new_process_runs_each_script_with_an_extension_module_of_its_own() {
    for backend in ["auto", "process"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("own_extension.py"), OWN_EXTENSION).unwrap();
        let words = ["run", "-k", "-j", "1", "--backend", backend];
        let mut own = owngil(words);
        let lines = output(
            own.args(["own_extension.py", ":::", "1", "2", "3"]),
            folder.path(),
        );
        let lines: BTreeSet<_> = lines.lines().collect();
        let is_new = |line: &&str| line.starts_with("True False ");
        assert!(
            lines.len() == 3 && lines.iter().all(is_new),
            "{backend}: {lines:?}"
        );
    }
}
