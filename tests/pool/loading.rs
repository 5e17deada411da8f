//! Files of any name, modules that play with themselves, and scripts that leave threads.

use crate::support::{self, BACKENDS, f, pool, rows};
use owngil::{Error, Function, OutputPolicy, Pool, Task};

#[test]
fn files_of_any_name_are_loaded() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let is_main = "is_main = __name__ == '__main__'\ndef f(): return is_main\n";
    let names: [&[u8]; 6] = [
        b"__main__.py",
        b"__init__.py",
        b"json.py",
        b"two words.py",
        "gr\u{fc}\u{df}e.py".as_bytes(),
        b"no text \xff.py",
    ];
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        for name in names {
            let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
            std::fs::write(&path, is_main).unwrap();
            let result = pool.call::<bool, _>(&Function::file(&path, "f"), ());
            assert_eq!(result, Ok(false), "{path:?}");
            std::fs::write(&path, "raise SystemExit(3)").unwrap();
            let script = pool.call::<i32, _>(&Function::script(&path), ());
            assert_eq!(script, Ok(3), "{path:?}");
        }
    }
}

#[test]
fn a_module_that_takes_itself_out_of_sys_modules_is_loaded_or_says_why_not() {
    let pool = pool(support::PARALLEL, 1);
    let gone = "import sys\ndel sys.modules[__name__]\ndef f(): return 1";
    assert_eq!(pool.call::<i32, _>(&f(gone), ()), Ok(1));
    let raises = f(&format!("{gone}\nraise ValueError('why')"));
    let error = pool.call::<i32, _>(&raises, ()).unwrap_err();
    assert!(matches!(error, Error::Load(_)), "{error:?}");
    assert_eq!(error.python().unwrap().message(), "why");
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: workers are threads, and the output of others is not attributed"
)]
fn a_script_waits_for_its_threads_and_executors_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, source: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, source).unwrap();
        path
    };
    // Never shut down: a process ends all the same, and so does a script, again and again in one worker.
    file(
        "kept_executor.py",
        "from concurrent.futures import ThreadPoolExecutor\nexecutor = ThreadPoolExecutor(2)\n",
    );
    let executors = file(
        "executors.py",
        "
import time
from concurrent.futures import ThreadPoolExecutor
import kept_executor
def late(text):
    time.sleep(0.1)
    print(text)
own = ThreadPoolExecutor(2)
for executor in (own, kept_executor.executor):
    print(executor.submit(pow, 2, 3).result())
    for _ in range(3): executor.submit(late, 'late')
",
    );
    let threads = file(
        "threads.py",
        "
import threading, time
def second():
    time.sleep(0.1)
    print('second')
def first():
    time.sleep(0.1)
    threading.Thread(target=second).start()
threading.Thread(target=first).start()
",
    );
    let pool = Pool::builder()
        .workers(1)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap();
    for _ in 0..4 {
        let run = |path| -> String {
            let task: Task<i32> = pool.submit(&Function::script(path), ()).unwrap();
            let completed = task.wait_completed();
            assert_eq!(completed.result, Ok(0));
            String::from_utf8(completed.output.stdout).unwrap()
        };
        let printed = run(&executors);
        assert_eq!(printed.matches("8\n").count(), 2, "{printed}");
        assert_eq!(printed.matches("late\n").count(), 6, "{printed}");
        assert_eq!(run(&threads), "second\n");
    }
}
