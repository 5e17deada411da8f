//! Libraries that Python code loads by itself: refused in interpreters with their own GIL unless they are known to be
//! safe for several threads. 3.12 refuses `ctypes` itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{WORKER, f};
use owngil::{Backend, Error, Extensions, Function, OutputPolicy, Pool, Refusal};

/// A folder with libraries that a package could have brought: `libanswer.so`, and one that has zlib's name.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libraries");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let source = folder.join("answer.c");
        std::fs::write(&source, "int answer(void) { return 42; }").unwrap();
        for name in ["libanswer.so", "libz.so.1", "libc.so.6"] {
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", &format!("-Wl,-soname,{name}"), "-o"]);
            cc.arg(folder.join(name)).arg(&source);
            assert!(cc.status().unwrap().success(), "{name}");
        }
        folder
    })
}

/// A function `f(x)` with the folder as `HERE`; 3.12's `ctypes` refuses such interpreters as a whole.
fn function(body: &str) -> Function {
    let here = folder().display();
    f(&format!(
        "
import os
HERE = '{here}/'
def f(x):
    import ctypes, threading
{body}"
    ))
}

fn auto() -> Pool {
    let builder = Pool::builder().backend(Backend::Auto).workers(2);
    let builder = builder.output(OutputPolicy::Capture);
    builder.worker_program(WORKER).build().unwrap()
}

fn interpreters(extensions: Extensions) -> Pool {
    let builder = Pool::builder().workers(1).extensions(extensions);
    builder.build().unwrap()
}

/// Every one of these loads `libanswer.so`, or one like it, and gives 42 where it may.
const WAYS: &[&str] = &[
    "    return ctypes.CDLL(HERE + 'libanswer.so').answer()",
    "    return ctypes.PyDLL(HERE + 'libanswer.so').answer()",
    "    handle = ctypes._dlopen(os.fsencode(HERE + 'libanswer.so'))\n    return ctypes.CDLL('x', handle=handle).answer()",
    "    import pathlib\n    return ctypes.CDLL(pathlib.Path(HERE, 'libanswer.so')).answer()",
    "    return ctypes.CDLL(os.path.relpath(HERE + 'libanswer.so')).answer()",
    "    return ctypes.cdll.LoadLibrary(HERE + 'libanswer.so').answer()",
    "    return ctypes.CDLL(HERE + 'libanswer.so', ctypes.RTLD_GLOBAL).answer()",
    "    import _ctypes\n    return ctypes.CDLL('x', handle=_ctypes.dlopen(HERE + 'libanswer.so', 2)).answer()",
    "    link = f'{HERE}libm.so.{os.getpid()}.{threading.get_native_id()}'\n    os.symlink(HERE + 'libanswer.so', link)\n    \
     return ctypes.CDLL(link).answer()",
    "    file = os.memfd_create('a')\n    os.write(file, open(HERE + 'libanswer.so', 'rb').read())\n    \
     return ctypes.CDLL(f'/proc/self/fd/{file}').answer()",
    "    import importlib, sys\n    sys.modules.pop('ctypes'); sys.modules.pop('_ctypes')\n    \
     return importlib.import_module('ctypes').CDLL(HERE + 'libanswer.so').answer()",
    // What the system has too, but a package brought.
    "    return ctypes.CDLL(HERE + 'libz.so.1').answer()",
    "    return ctypes.CDLL(HERE + 'libc.so.6').answer()",
];

#[test]
fn what_a_package_brought_is_refused_however_it_is_named() {
    let pool = interpreters(Extensions::Strict);
    for way in WAYS {
        match pool.call::<i64, _>(&function(way), 1) {
            Err(Error::Python(error)) => {
                assert_eq!(error.refusal(), Some(Refusal::Library), "{way}: {error}");
                assert_eq!(error.type_name(), "OSError", "{way}");
            }
            other => panic!("{way}: {other:?}"),
        }
    }
}

#[test]
fn what_is_refused_runs_in_a_process_and_is_loaded_where_all_is_copied() {
    let (pool, private) = (auto(), interpreters(Extensions::Private));
    for way in WAYS {
        assert_eq!(pool.call(&function(way), 1), Ok(42), "{way}");
    }
    assert_eq!(pool.moved().len(), WAYS.len());
    assert!(pool.moved()[0].reason.contains(".so"), "{:?}", pool.moved());
    for way in &WAYS[..4] {
        assert_eq!(private.call(&function(way), 1), Ok(42), "{way}");
    }
}

#[test]
fn the_process_itself_and_what_is_made_for_threads_is_loaded() {
    let pool = auto();
    for way in [
        "    return ctypes.CDLL(None).abs(-x)",
        "    return ctypes.CDLL('').abs(-x)",
        "    return ctypes.CDLL('libc.so.6').abs(-x)",
        "    return ctypes.pythonapi.Py_IsInitialized() and x",
        "    return ctypes.CDLL('libm.so.6') and ctypes.CDLL('libpthread.so.0') and x",
        "    import ctypes.util\n    return ctypes.CDLL(ctypes.util.find_library('c')).abs(-x)",
    ] {
        assert_eq!(pool.call(&function(way), 7), Ok(7), "{way}");
    }
    assert_eq!(pool.moved(), []);
}

#[test]
fn what_is_not_there_gets_the_loaders_own_error() {
    let pool = auto();
    std::fs::write(folder().join("text.so"), "no library").unwrap();
    for (name, text) in [
        ("'libnothing.so'", "cannot open shared object file"),
        ("HERE + 'nothing.so'", "cannot open shared object file"),
        ("HERE + 'text.so'", "file too short"),
        ("'a\\0b'", "embedded null"),
    ] {
        let error = pool.call::<i64, _>(&function(&format!("    ctypes.CDLL({name})")), 1);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(text), "{name}: {error}");
    }
    assert_eq!(pool.moved(), []);
}

#[test]
fn a_refusal_counts_where_it_is_made() {
    let pool = auto();
    let swallowed = "    print('begun')\n    try:\n        return ctypes.CDLL(HERE + 'libanswer.so').answer()\n    \
                     except OSError:\n        return 0";
    let in_thread = "    found = []\n    def load():\n        \
                     found.append(ctypes.CDLL(HERE + 'libanswer.so').answer())\n    \
                     threading.excepthook = lambda _: None\n    thread = threading.Thread(target=load)\n    \
                     thread.start(); thread.join()\n    return sum(found)";
    for body in [swallowed, in_thread] {
        let found: Vec<i64> = pool
            .map(&function(body), 0..4_i64)
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(found, [42; 4], "{body}");
    }
    for completed in pool
        .map::<i64, _>(&function(swallowed), 0..4_i64)
        .completed()
    {
        assert_eq!(completed.output.stdout, b"begun\n");
    }
    let here = folder().display();
    let at_import = f(&format!(
        "import ctypes\nlibrary = ctypes.CDLL('{here}/libanswer.so')\ndef f(x): return library.answer()"
    ));
    assert_eq!(pool.call(&at_import, 1), Ok(42));
}

#[test]
fn what_the_main_interpreter_has_loaded_meanwhile_stays_refused() {
    let main = Pool::builder().backend(Backend::Thread).workers(1).build();
    let way = function(WAYS[0]);
    assert_eq!(main.unwrap().call(&way, 1), Ok(42));
    let error = interpreters(Extensions::Strict).call::<i64, _>(&way, 1);
    let Err(Error::Python(error)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.refusal(), Some(Refusal::Library));
}
