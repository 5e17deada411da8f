//! One interpreter without a pool.

use crate::support::{self, f};
use owngil::{Error, Function, Interpreter, LoadErrorKind};

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn code_is_run_values_are_set_and_read() {
    Interpreter::scope(|python| {
        python.set("numbers", &[1, 2, 3])?;
        python.exec("total = sum(numbers)\ndef triple(x):\n    return 3 * x")?;
        assert_eq!(python.eval::<i64>("triple(total)")?, 18);
        let error = python.exec("1 / 0").unwrap_err();
        assert_eq!(error.python().unwrap().type_name(), "ZeroDivisionError");
        let error = python.exec("def broken(:").unwrap_err();
        assert_eq!(error.python().unwrap().type_name(), "SyntaxError");
        let error = python.exec("a\0b").unwrap_err();
        assert!(error.to_string().contains("null"), "{error}");
        assert!(python.eval::<String>("total").is_err());
        assert!(
            python
                .exec("import sys; sys.exit(4)")
                .unwrap_err()
                .python()
                .unwrap()
                .exit_status()
                == Some(4)
        );
        Ok(())
    })
    .unwrap();
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn functions_are_called() {
    Interpreter::scope(|python| {
        assert_eq!(
            python.call::<f64, _>(&Function::at("math:hypot"), (3, 4))?,
            5.0
        );
        let error = python
            .call::<(), _>(&Function::at("math:hypt"), ())
            .unwrap_err();
        assert!(
            matches!(&error, Error::Load(e) if e.kind == LoadErrorKind::MissingName),
            "{error:?}"
        );
        assert_eq!(error.hint().as_deref(), Some("did you mean hypot?"));
        Ok(())
    })
    .unwrap();
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn interpreters_share_no_object_and_may_live_on_one_thread() {
    Interpreter::scope(|one| {
        let mut two = Interpreter::new()?;
        assert_ne!(one.id(), two.id());
        one.exec("import json; json.mark = 1")?;
        two.exec("import json")?;
        assert!(one.eval::<bool>("hasattr(json, 'mark')")?);
        assert!(!two.eval::<bool>("hasattr(json, 'mark')")?);
        Ok(())
    })
    .unwrap();
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn an_error_inside_a_scope_is_the_scopes() {
    let error =
        Interpreter::scope(|python| python.call::<(), _>(&f("def f(): raise KeyError('k')"), ()));
    assert_eq!(error.unwrap_err().to_string(), "KeyError: 'k'");
    let caught = std::panic::catch_unwind(|| {
        let _ = Interpreter::scope(|_| -> owngil::Result<()> { panic!("in the closure") });
    });
    assert!(caught.is_err());
    assert_eq!(Interpreter::scope(|python| python.eval::<i32>("1")), Ok(1));
}

/// Before 3.14 interpreters count the version tags of such types without a lock, and two types with one tag find
/// each other's methods.
#[test]
#[cfg(all(Py_3_13, not(any(Py_3_14, Py_GIL_DISABLED))))]
fn types_that_cannot_be_changed_share_no_version_tags() {
    let tags: Vec<i32> = Interpreter::scope(|python| {
        python.exec(
            "
import collections, ctypes, decimal, io, re, struct
assign = ctypes.pythonapi.PyUnstable_Type_AssignVersionTag
fresh = io.BytesIO, io.BufferedWriter, re.Pattern, struct.Struct, decimal.Context
own = type('Own', (), {})",
        )?;
        python.eval("[assign(ctypes.py_object(one)) for one in (*fresh, own)]")
    })
    .unwrap();
    // A class that can be changed has a tag of its interpreter's.
    assert_eq!(tags, [0, 0, 0, 0, 0, 1]);
}

/// Extensions that were compiled for a Python before 3.12 count them without a lock, and 0 must be out of reach.
#[test]
#[cfg(all(target_os = "linux", not(any(Py_3_14, Py_GIL_DISABLED))))]
fn what_all_interpreters_share_has_a_count_that_is_far_from_zero() {
    // What starts and ends an interpreter leaves it so.
    for _ in 0..3 {
        let near: Vec<String> = Interpreter::scope(|python| {
            python.exec(
                "
import sys
def subclasses(of):
    for one in type.__subclasses__(of):
        yield one
        yield from subclasses(one)
classes = [one for one in {object, *subclasses(object)} if not one.__flags__ & 1 << 9]
assert len(classes) > 100
shared = [None, True, False, ..., NotImplemented, (), b'', b'a', '', 'a', chr(233), '__init__', 'self']
shared += [*range(-5, 257), *classes, *(one.__mro__ for one in classes)]",
            )?;
            python.eval("[str(one)[:50] for one in shared if sys.getrefcount(one) >> 32 != 1 << 30]")
        })
        .unwrap();
        assert_eq!(near, [""; 0]);
    }
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: there are no interpreters")]
fn record_locks_exclude_workers_as_they_exclude_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counter");
    std::fs::write(&path, "0").unwrap();
    let bump = support::f(
        "import fcntl, struct, time
def f(path, how):
    with open(path, 'r+') as file:
        if how == 'lockf': fcntl.lockf(file, fcntl.LOCK_EX)
        else: fcntl.fcntl(file, fcntl.F_SETLKW, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 0, 0))
        n = int(file.read())
        time.sleep(0.001)
        file.seek(0)
        file.write(str(n + 1))
        file.flush()",
    );
    let pool = owngil::Pool::builder().workers(4).build().unwrap();
    let tasks: Vec<owngil::Task<()>> = (0..60)
        .map(|n| {
            pool.submit(&bump, (&path, ["lockf", "fcntl"][n % 2]))
                .unwrap()
        })
        .collect();
    tasks.into_iter().for_each(|task| task.wait().unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "60");
    // A process does not exclude itself, and a lock ends with its descriptor.
    let twice = support::f(
        "import fcntl
def f(path):
    first, second = open(path, 'r+'), open(path, 'r+')
    fcntl.lockf(first, fcntl.LOCK_EX)
    fcntl.lockf(second, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    );
    for _ in 0..2 {
        assert_eq!(pool.call::<(), _>(&twice, (&path,)), Ok(()));
    }
    let differs = support::f(
        "import fcntl
def f(file, command):
    try: fcntl.lockf(file, command)
    except Exception as error: return type(error).__name__",
    );
    for (file, command, kind) in [
        (-1, 2, "ValueError"),
        (9999, 2, "OSError"),
        (0, 64, "ValueError"),
    ] {
        let found: Option<String> = pool.call(&differs, (file, command)).unwrap();
        assert_eq!(found.as_deref(), Some(kind), "{file} {command}");
    }
}

#[test]
fn specialized_code_tells_types_apart_that_cannot_be_changed() {
    // Of each pair code sees the first often, so that it is specialized for that, and then the second.
    let source = "import _thread, array, collections, functools, io, re
class Sub(collections.deque): pass
PAIRS = [
    (_thread.allocate_lock(), _thread.RLock(), lambda x: (x.acquire(), x.release())),
    (io.BytesIO(b'ab'), io.StringIO('ab'), lambda x: (x.seek(0), x.read(), x.closed)),
    (re.compile('a'), re.match('a', 'a'), lambda x: x.__class__.__name__),
    (_thread.allocate_lock(), collections.deque(), lambda x: True if x else False),
    (collections.deque([1]), array.array('i', [7]), lambda x: (len(x), x[0], 1 in x, x.__len__())),
    (collections.deque([1]), Sub([2]), lambda x: (x[0], x.maxlen, list(x))),
    (functools.partial(int, '1'), re.compile('b').sub, lambda x: x.__class__.__name__),
    (collections.defaultdict(int), collections.OrderedDict(), lambda x: (x.get(1), type(x).__name__)),
]
def f():
    for first, second, use in PAIRS:
        plain = type(use)(use.__code__.replace(co_name='plain'), use.__globals__)
        right = repr(plain(second))
        for _ in range(300): use(first)
        found = repr(use(second))
        if found != right: return found
    return 'right'";
    let f = support::f(source);
    let mut backends = vec![owngil::Backend::Thread];
    if !cfg!(Py_GIL_DISABLED) {
        backends.push(owngil::Backend::Interpreter);
    }
    for backend in backends {
        let pool = owngil::Pool::builder().backend(backend).workers(2);
        let pool = pool.build().unwrap();
        assert_eq!(
            pool.call::<String, _>(&f, ()).as_deref(),
            Ok("right"),
            "{backend}"
        );
    }
}
