//! Placement by evidence: packages of every standing, made here as installers leave them, and where what imports
//! them runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::WORKER;
use owngil::tested::List;
use owngil::{Backend, Error, Extensions, Function, Interpreter, Pool, PoolBuilder, Refusal, Task};

/// How a package came to be where it is.
#[derive(Clone, Copy, PartialEq)]
enum Installed {
    FromWheel,
    /// Its dist-info has no WHEEL.
    WithoutTags,
    /// Its RECORD lacks the file.
    WithoutFile,
}

use Installed::{FromWheel, WithoutFile, WithoutTags};

/// The packages: name, version, what its extension declares, how it is installed.
const PACKAGES: &[(&str, &str, &str, Installed)] = &[
    ("listed", "1.5", "", FromWheel),
    ("newer", "2.1", "", FromWheel),
    ("later", "2.0.post1", "", FromWheel),
    ("early", "1.5rc1", "", FromWheel),
    ("unlisted", "1.0", "", FromWheel),
    ("untagged", "1.5", "", WithoutTags),
    ("unrecorded", "1.5", "", WithoutFile),
    ("apsw", "1.5", "", FromWheel),
    (
        "willing",
        "1.0",
        "-DSAYS=Py_MOD_PER_INTERPRETER_GIL_SUPPORTED",
        FromWheel,
    ),
    (
        "sharing",
        "1.0",
        "-DSAYS=Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED",
        FromWheel,
    ),
];

/// The site folder with the packages, made once, and the list that has some of them.
fn site() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tested");
        let _ = fs::remove_dir_all(&folder);
        let (include, version) = Interpreter::scope(|python| {
            python.exec("import sys, sysconfig")?;
            python.eval::<(String, String)>(
                "(sysconfig.get_path('include'), '%d.%d' % sys.version_info[:2])",
            )
        })
        .unwrap();
        let site = Site { folder, include };
        let mut list = "# of this test\n".to_owned();
        for &(name, version_of, says, installed) in PACKAGES {
            site.install(name, version_of, says, installed);
            if !["unlisted", "willing", "sharing"].contains(&name) {
                list += &format!("{name}\t{name}\t{version}\t1.0\t2.0\tsoaked\n");
            }
        }
        site.write(
            "single/__init__.py",
            "from single import single\nkind = 'native'\n",
        );
        site.compile("single", "single", "single.c", &[]);
        site.write(
            "lonely/__init__.py",
            "from lonely import lonely\nkind = 'native'\n",
        );
        let name = "-DPyInit_single=PyInit_lonely";
        site.compile("lonely", "lonely", "single.c", &[name]);
        site.write_soft("single");
        site.write("tested.tsv", &list);
        site.write(
            "bare.py",
            "import os\ndef f(): return 'native', os.getpid()\n",
        );
        site.folder
    })
}

/// A folder of packages in the making.
struct Site {
    folder: PathBuf,
    /// Python's headers.
    include: String,
}

impl Site {
    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn compile(&self, package: &str, name: &str, source: &str, arguments: &[&str]) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(self.folder.join(package).join(name).with_extension("so"))
            .arg(format!("-I{}", self.include))
            .arg(sources.join(source));
        assert!(cc.args(arguments).status().unwrap().success(), "{package}");
    }

    /// A module that has a slow version of everything, as packages do.
    fn write_soft(&self, name: &str) {
        self.write(
            &format!("soft_{name}.py"),
            &format!("try:\n    from {name} import kind\nexcept ImportError:\n    kind = 'slow'\n"),
        );
    }

    /// A package with an extension module, and the distribution that it belongs to.
    fn install(&self, name: &str, version: &str, says: &str, installed: Installed) {
        self.write(
            &format!("{name}/__init__.py"),
            &format!("from {name} import _fast\nkind = 'native'\n"),
        );
        self.write_soft(name);
        let flags = ["-DNAME=PyInit__fast", says];
        let n_flags = if says.is_empty() { 1 } else { 2 };
        self.compile(name, "_fast", "multi.c", &flags[..n_flags]);
        let info = format!("{name}-{version}.dist-info");
        let file = if installed == WithoutFile {
            "_other.so"
        } else {
            "_fast.so"
        };
        let path = self.folder.join(name).join("_fast.so");
        let size = fs::metadata(path).unwrap().len();
        self.write(
            &format!("{info}/RECORD"),
            &format!("{name}/{file},sha256=x,{size}\n"),
        );
        if installed != WithoutTags {
            self.write(
                &format!("{info}/WHEEL"),
                "Tag: cp3-abi3-manylinux_2_17_x86_64\n",
            );
        }
    }
}

fn list() -> List {
    List::shipped()
        .with_file(&site().join("tested.tsv"))
        .unwrap()
}

/// A function that takes nothing, in a file of its own.
fn function(name: &str, text: &str) -> Function {
    static N: AtomicUsize = AtomicUsize::new(0);
    let path = site().join(name).with_extension("py");
    // In one step, since another test may have the same.
    let new = path.with_extension(format!("new{}", N.fetch_add(1, Ordering::Relaxed)));
    fs::write(&new, text).unwrap();
    fs::rename(&new, &path).unwrap();
    Function::at(format!("{}:f", path.display()))
}

/// Imports a module when it is loaded, and tells of which kind it is and where that was.
fn importing(module: &str) -> Function {
    function(
        &format!("imports_{module}"),
        &format!("import os, {module}\ndef f(): return {module}.kind, os.getpid()\n"),
    )
}

fn auto(builder: PoolBuilder) -> Pool {
    let builder = builder.backend(Backend::Auto).worker_program(WORKER);
    builder.tested(list()).workers(1).build().unwrap()
}

fn own_pid() -> u32 {
    std::process::id()
}

/// Calls it, and gives its kind and why it moved, if it did.
#[track_caller]
fn placed(pool: &Pool, function: &Function) -> (String, Option<String>) {
    let (kind, pid): (String, u32) = pool.call(function, ()).unwrap();
    let moved = pool
        .moved()
        .into_iter()
        .find(|moved| moved.function == *function);
    assert_eq!(moved.is_some(), pid != own_pid(), "{moved:?}");
    (kind, moved.map(|moved| moved.reason))
}

#[test]
fn what_was_tested_and_what_declares_an_own_gil_stays() {
    let pool = auto(Pool::builder());
    for name in ["listed", "soft_listed", "willing", "soft_willing"] {
        assert_eq!(
            placed(&pool, &importing(name)),
            ("native".to_owned(), None),
            "{name}"
        );
    }
}

#[test]
fn all_else_moves_and_says_which_package_and_why() {
    let pool = auto(Pool::builder());
    for (name, why) in [
        ("newer", "newer 2.1 was not tested on Python"),
        ("newer", "but 1.0 to 2.0 (`--extensions private`"),
        ("later", "later 2.0.post1 was not tested"),
        ("early", "early 1.5rc1 was not tested"),
        (
            "unlisted",
            "unlisted 1.0 is not among the packages tested on Python",
        ),
        ("unlisted", "`owngil doctor --try unlisted` tests it"),
        (
            "untagged",
            "untagged 1.5 was not installed from a published wheel",
        ),
        (
            "unrecorded",
            "unrecorded._fast belongs to no installed package",
        ),
        ("apsw", "apsw 1.5 bundles its own SQLite"),
        ("sharing", "sharing 1.0 is not among"),
        ("single", "single.single belongs to no installed package"),
    ] {
        let (kind, reason) = placed(&pool, &importing(name));
        assert_eq!(kind, "native", "{name}");
        assert!(
            reason.as_ref().is_some_and(|reason| reason.contains(why)),
            "{name}: {reason:?}"
        );
    }
    // What is made in one step declares nothing, and nothing of it has run.
    assert_eq!(placed(&pool, &importing("lonely")).0, "native");
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    assert!(!maps.contains("lonely.so"), "{maps}");
    assert!(pool.private_copies().iter().all(Vec::is_empty));
}

#[test]
fn nothing_of_a_module_that_is_created_in_one_step_runs_before_it_is_refused() {
    let pool = Pool::builder().workers(1).extensions(Extensions::Strict);
    let outcome = pool
        .build()
        .unwrap()
        .call::<(String, u32), _>(&importing("lonely"), ());
    let error = outcome.unwrap_err();
    let python = error.python().unwrap();
    assert_eq!(python.refusal(), Some(Refusal::Extension), "{error}");
    let cause = python.to_string();
    assert!(
        cause.contains("module lonely.lonely does not support loading in subinterpreters"),
        "{cause}"
    );
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    assert!(!maps.contains("lonely.so"), "{maps}");
}

#[test]
fn a_refusal_that_is_swallowed_moves_as_one_that_is_raised() {
    for extensions in [Extensions::Tested, Extensions::Strict] {
        let pool = auto(Pool::builder().extensions(extensions));
        let lazy = function(
            "lazy",
            "
import os
def f():
    import soft_unlisted as soft
    return soft.kind, os.getpid()
",
        );
        let other = function(
            "other_error",
            "
import os, soft_newer
assert soft_newer.kind == 'native', 'it is slow'
def f(): return soft_newer.kind, os.getpid()
",
        );
        let threaded = function(
            "threaded",
            "
import os, threading
def f():
    def work():
        import soft_sharing
        found.append(soft_sharing.kind)

    found = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    return found[0], os.getpid()
",
        );
        for function in [
            importing("soft_unlisted"),
            importing("soft_single"),
            lazy,
            other,
            threaded,
        ] {
            let (kind, reason) = placed(&pool, &function);
            assert_eq!(kind, "native", "{function}");
            assert!(reason.is_some(), "{function}");
        }
    }
}

#[test]
fn what_went_on_without_a_module_serves_no_other_function() {
    let pool = auto(Pool::builder());
    let bare = Function::at(format!("{}:f", site().join("bare.py").display()));
    // Kept by a module that was imported after the refusal, and by one whose import was under way.
    function("keeps", "from soft_unlisted import kind\n");
    for name in ["soft_unlisted", "keeps", "soft_unlisted"] {
        let (kind, reason) = placed(&pool, &importing(name));
        assert_eq!((&*kind, reason.is_some()), ("native", true), "{name}");
        assert_eq!(placed(&pool, &bare), ("native".to_owned(), None));
    }
    // One that is raised leaves something behind, too: the package remembers that it tried.
    let count = function(
        "count",
        "
from owngil import state
def f():
    state.n = getattr(state, 'n', 0) + 1
    return state.n
",
    );
    let counted = || pool.call::<u32, _>(&count, ()).unwrap();
    for name in ["newer", "soft_newer"] {
        assert_eq!((counted(), counted()), (1, 2));
        let (kind, reason) = placed(&pool, &importing(name));
        assert_eq!((&*kind, reason.is_some()), ("native", true), "{name}");
    }
    assert_eq!(counted(), 1);
    let swallows = "
try:
    import newer
except:
    pass
import os
def f(): return newer.kind, os.getpid()
";
    let (kind, reason) = placed(&pool, &function("swallows", swallows));
    assert_eq!((&*kind, reason.is_some()), ("native", true));
    assert_eq!(counted(), 1);
}

#[test]
fn a_package_that_remembers_its_first_attempt_moves_with_each_function() {
    let pool = auto(Pool::builder().workers(1));
    function(
        "backend",
        "
was_tried = False
native = None
def get():
    global was_tried, native
    if not was_tried:
        was_tried = True
        try:
            import newer as native
        except ImportError:
            native = None
    return native
",
    );
    function(
        "remembers",
        "
import backend
if backend.get() is None:
    raise RuntimeError('no backend is installed')
kind = backend.get().kind
",
    );
    for name in ["first", "second"] {
        let source = "
import os
def f():
    import remembers
    return remembers.kind, os.getpid()
";
        let (kind, reason) = placed(&pool, &function(name, source));
        assert_eq!((&*kind, reason.is_some()), ("native", true), "{name}");
    }
}

#[test]
fn loading_and_initializers_hear_of_what_is_swallowed() {
    let pool = auto(Pool::builder());
    let function = importing("soft_unlisted");
    pool.load(&function).unwrap();
    assert_eq!(pool.moved().len(), 1);
    let pool = auto(Pool::builder().initializer(&function, ()));
    assert_eq!(pool.backend(), Backend::Process);
    // It has returned a value before anybody knows.
    let swallows = "
kind = None
def f():
    global kind
    try:
        from newer import kind
    except:
        kind = 'slow'
    return kind
";
    let function = self::function("initializes", swallows);
    let reasons = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let inside = std::sync::Arc::clone(&reasons);
    let builder = Pool::builder().initializer(&function, ());
    let pool =
        auto(builder.on_move(move |moved| inside.lock().unwrap().push(moved.reason.clone())));
    assert_eq!(pool.backend(), Backend::Process);
    assert_eq!(reasons.lock().unwrap().len(), 1);
}

#[test]
fn what_is_refused_on_another_thread_is_handed_on_to_who_waits() {
    let pool = auto(Pool::builder());
    let threads = function(
        "threads",
        "
from multiprocessing.pool import ThreadPool
import os
def job(n):
    import newer
    return newer.kind
def f():
    with ThreadPool(2) as pool: return pool.map(job, range(3))[2], os.getpid()
",
    );
    let queue = function(
        "queue_of_one",
        "
import os, queue, threading
def f():
    jobs = queue.Queue()
    def load():
        try:
            import newer
            jobs.put(newer.kind)
        except Exception as error:
            jobs.put(error)
    threading.Thread(target=load).start()
    found = jobs.get()
    if isinstance(found, Exception): raise found
    return found, os.getpid()
",
    );
    for function in [threads, queue] {
        let (kind, reason) = placed(&pool, &function);
        assert_eq!((&*kind, reason.is_some()), ("native", true));
    }
}

#[test]
fn a_call_that_waits_for_a_thread_that_was_refused_ends() {
    let pool = auto(Pool::builder().grace(Duration::from_millis(200)));
    let wait = "
import os, queue, threading
def f():
    jobs = queue.Queue()
    def load():
        import newer
        jobs.put(newer.kind)
    threading.Thread(target=load).start()
    return jobs.get(), os.getpid()
";
    let task = pool
        .submit::<(String, u32), _>(&function("waits", wait), ())
        .unwrap();
    // Before 3.15 no interrupt ends the wait for a lock, so the call fails there; from 3.15 on it is made again.
    match task.wait() {
        Ok((kind, _)) => assert_eq!(kind, "native"),
        Err(error) => assert_eq!(
            error.python().and_then(|error| error.refusal()),
            Some(Refusal::PrivateCopy),
            "{error}"
        ),
    }
    let bare = Function::at(format!("{}:f", site().join("bare.py").display()));
    assert_eq!(placed(&pool, &bare), ("native".to_owned(), None));
}

#[test]
fn functions_that_move_do_not_disturb_those_that_stay() {
    let builder = Pool::builder()
        .backend(Backend::Auto)
        .worker_program(WORKER);
    let pool = builder.tested(list()).workers(4).build().unwrap();
    let modules = [
        "soft_unlisted",
        "listed",
        "soft_newer",
        "willing",
        "unlisted",
    ];
    let functions: Vec<(bool, Function)> = (0..20)
        .map(|n| {
            let module = modules[n % modules.len()];
            let text = format!("import os, {module}\ndef f(): return {module}.kind, os.getpid()\n");
            let stays = ["listed", "willing"].contains(&module);
            (stays, function(&format!("number{n}"), &text))
        })
        .collect();
    let calls = (0..10).flat_map(|_| &functions);
    let tasks: Vec<(bool, Task<(String, u32)>)> = calls
        .map(|(stays, function)| (*stays, pool.submit(function, ()).unwrap()))
        .collect();
    for (stays, task) in tasks {
        let (kind, pid) = task.wait().unwrap();
        assert_eq!((&*kind, pid == own_pid()), ("native", stays));
    }
    assert_eq!(pool.moved().len(), 12);
}

#[test]
fn of_a_batch_the_calls_before_a_swallowed_refusal_are_not_made_again() {
    let pool = auto(Pool::builder());
    let path = site().join("halfway.py");
    fs::write(
        &path,
        "
import os
def f(x):
    if x == 7:
        import soft_unlisted
    return x, os.getpid()
",
    )
    .unwrap();
    let function = Function::at(format!("{}:f", path.display()));
    let found: Vec<(u32, u32)> = pool
        .map(&function, 0..20_u32)
        .collect::<owngil::Result<_>>()
        .unwrap();
    for (x, (value, pid)) in (0..).zip(found) {
        assert_eq!(value, x);
        assert!(x >= 7 || pid == own_pid(), "{x}");
        assert!(x != 7 || pid != own_pid(), "{x}");
    }
}

#[test]
fn other_backends_refuse_and_private_copies_anything() {
    let tested = Pool::builder()
        .tested(list())
        .extensions(Extensions::Tested);
    let pool = tested
        .backend(Backend::Interpreter)
        .workers(1)
        .build()
        .unwrap();
    assert_eq!(placed(&pool, &importing("listed")).0, "native");
    let error = pool
        .call::<(String, u32), _>(&importing("apsw"), ())
        .unwrap_err();
    let Error::Load(error) = error else {
        panic!("{error:?}")
    };
    let cause = error.cause.unwrap();
    assert_eq!(cause.refusal(), Some(Refusal::PrivateCopy));
    assert!(
        cause
            .message()
            .starts_with("apsw._fast cannot have a private copy: apsw 1.5 "),
        "{cause}"
    );
    let pool = auto(Pool::builder().extensions(Extensions::Private));
    for name in ["newer", "apsw", "single", "untagged"] {
        assert_eq!(
            placed(&pool, &importing(name)),
            ("native".to_owned(), None),
            "{name}"
        );
    }
}
