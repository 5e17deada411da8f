//! Starting and ending, one process for each story: what is printed, and with which status it ends.
//!
//! A test runs its own body again in a child process, which the variable `OWNGIL_STORY` tells apart.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use owngil::{Backend, Error, Function, Interpreter, OutputPolicy, Pool, StartError, Task};
use support::{BACKENDS, STUCK, builder, f, pool, rows};

const STORY: &str = "OWNGIL_STORY";

/// No story takes longer, also on a busy machine; one that does hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Does not end when it is interrupted: C code that no exception reaches, for hours.
const STUBBORN: &str = "def f(): sum(range(10**13))";

struct Ending {
    status: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The child process that tells the story of this test.
fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(STORY, test)
        .env_remove("PYTHONUNBUFFERED")
        .env_remove("VIRTUAL_ENV")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ending(mut child: Child) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("the process did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    Ending {
        status: status.code(),
        signal: status.signal(),
        stdout,
        stderr,
    }
}

/// In the child, tells the story and never returns; in the parent, gives its ending.
fn story(test: &str, tell: impl FnOnce()) -> Ending {
    if std::env::var_os(STORY).is_some_and(|name| name == test) {
        // The test harness has left its line unfinished.
        println!();
        eprintln!();
        tell();
        owngil::exit(0);
    }
    ending(child(test).spawn().unwrap())
}

/// A pool with a worker that will never be done.
fn stuck_pool(backend: Backend) -> (Pool, Task<()>) {
    let pool = builder(backend, 2)
        .grace(Duration::from_millis(50))
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let stuck = Function::source(
        format!(
            "
{STUBBORN}
def g(path):
    open(path, 'w').close()
    f()"
        ),
        "g",
    );
    let task = pool.submit(&stuck, begun.to_str().unwrap()).unwrap();
    while !begun.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    (pool, task)
}

#[test]
fn output_is_written_and_the_status_kept_at_exit() {
    let end = story("output_is_written_and_the_status_kept_at_exit", || {
        for backend in rows(BACKENDS) {
            let pool = pool(backend, 2);
            let print = f("
import sys
def f(x):
    print('out', x)
    print('err', x, end='', file=sys.stderr)");
            let _: Vec<owngil::Result<()>> = pool.map(&print, 0..3).collect();
        }
        owngil::exit(5);
    });
    assert_eq!(end.status, Some(5), "{}", end.stderr);
    for number in 0..3 {
        assert_eq!(
            end.stdout
                .lines()
                .filter(|line| *line == format!("out {number}"))
                .count(),
            BACKENDS.len()
        );
        assert_eq!(
            end.stderr
                .lines()
                .filter(|line| *line == format!("err {number}"))
                .count(),
            BACKENDS.len()
        );
    }
}

#[test]
fn exit_functions_run_in_every_interpreter_and_print() {
    let end = story("exit_functions_run_in_every_interpreter_and_print", || {
        let register = f("import atexit\ndef f(): atexit.register(print, 'goodbye'); return None");
        for backend in rows(BACKENDS) {
            // There is no task to keep the last words with.
            for policy in [OutputPolicy::Inherit, OutputPolicy::Capture] {
                let pool = builder(backend, 2).output(policy);
                for result in pool
                    .build()
                    .unwrap()
                    .broadcast::<(), _>(&register, ())
                    .unwrap()
                {
                    assert_eq!(result, Ok(()));
                }
            }
        }
        owngil::exit(0);
    });
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    let n_goodbyes = end.stdout.lines().filter(|line| *line == "goodbye").count();
    assert_eq!(n_goodbyes, 4 * BACKENDS.len(), "{}", end.stdout);
}

#[test]
fn a_pool_with_a_stuck_worker_is_dropped_and_the_process_ends() {
    let end = story(
        "a_pool_with_a_stuck_worker_is_dropped_and_the_process_ends",
        || {
            for backend in rows(BACKENDS) {
                let (pool, task) = stuck_pool(backend);
                drop(pool);
                assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));
                println!("dropped {backend}");
            }
            owngil::exit(7);
        },
    );
    assert_eq!(end.status, Some(7), "{}", end.stderr);
    for backend in rows(BACKENDS) {
        let dropped = format!("dropped {backend}");
        assert!(end.stdout.contains(&dropped), "{}", end.stdout);
    }
}

#[test]
fn a_shutdown_with_a_limit_cancels_and_leaves_behind() {
    let end = story("a_shutdown_with_a_limit_cancels_and_leaves_behind", || {
        let (pool, task) = stuck_pool(support::PARALLEL);
        let again: Task<()> = pool.submit(&f(STUBBORN), ()).unwrap();
        let queued: Vec<Task<u32>> = (0..10)
            .map(|x| pool.submit(&f("def f(x): return x"), x).unwrap())
            .collect();
        let result = pool.shutdown_within(Duration::from_millis(20));
        assert_eq!(result, Err(Error::timed_out(None)));
        assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));
        // The second worker took some before it met the second stuck task, or none.
        for task in queued {
            assert!(matches!(
                task.wait(),
                Err(Error::Cancelled { stack: None, .. }) | Ok(_)
            ));
        }
        drop(again);
        println!("all ended");
        drop(pool);
    });
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    assert!(end.stdout.contains("all ended"), "{}", end.stdout);
}

#[test]
fn a_shutdown_with_a_limit_keeps_it_and_leaves_no_call_waiting() {
    let end = story(
        "a_shutdown_with_a_limit_keeps_it_and_leaves_no_call_waiting",
        || {
            let pool = Pool::builder()
                .workers(1)
                .queue_limit(1)
                .grace(Duration::from_millis(50))
                .build()
                .unwrap();
            let nothing = f("def f(): pass");
            let stuck: Task<()> = pool.submit(&f(STUBBORN), ()).unwrap();
            // Taken by the worker, after which the queue has room for one.
            let queued: Task<()> = pool.submit(&nothing, ()).unwrap();
            std::thread::scope(|scope| {
                let refused = scope.spawn(|| pool.submit::<(), _>(&nothing, ()).map(drop));
                let broadcast = scope.spawn(|| pool.broadcast::<(), _>(&nothing, ()));
                let loaded = scope.spawn(|| pool.load(&Function::at("json:dumps")));
                std::thread::sleep(Duration::from_millis(300));
                let result = pool.shutdown_within(Duration::from_millis(20));
                assert_eq!(result, Err(Error::timed_out(None)));
                assert_eq!(refused.join().unwrap(), Err(Error::ShutDown));
                assert_eq!(
                    broadcast.join().unwrap(),
                    Ok(vec![Err(Error::cancelled(None))])
                );
                assert!(loaded.join().is_ok());
            });
            assert_eq!(queued.wait(), Err(Error::cancelled(None)));
            assert!(matches!(stuck.wait(), Err(Error::Cancelled { .. })));
            println!("all ended");
            drop(pool);
        },
    );
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    assert!(end.stdout.contains("all ended"), "{}", end.stdout);
}

#[test]
fn dropping_a_pool_waits_for_a_stuck_worker_no_longer_than_its_grace() {
    let name = "dropping_a_pool_waits_for_a_stuck_worker_no_longer_than_its_grace";
    let end = story(name, || {
        let grace = Duration::from_secs(2);
        let pool = Pool::builder().workers(1).grace(grace).build().unwrap();
        let stuck: Task<()> = pool.submit(&f(STUBBORN), ()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        drop(pool);
        assert!(start.elapsed() >= grace && start.elapsed() < 2 * grace);
        drop(stuck);
    });
    assert_eq!(end.status, Some(0), "{}", end.stderr);
}

#[test]
fn a_process_ends_over_workers_that_were_set_aside_with_all_output_written() {
    let name = "a_process_ends_over_workers_that_were_set_aside_with_all_output_written";
    if std::env::var_os(STORY).is_some() {
        println!("\nbegun");
        for stuck in &STUCK {
            let builder = Pool::builder().workers(2).grace(Duration::from_millis(100));
            let pool = builder.build().unwrap();
            let function = f(stuck.source);
            pool.load(&function).unwrap();
            let limit = Duration::from_millis(50);
            let task = pool.task(&function).time_limit(limit).submit::<()>();
            assert!(matches!(task.unwrap().wait(), Err(Error::TimedOut { .. })));
            let print = f("def f(x):\n    if x % 100 == 0: print('line', x)\n    return x");
            let sum: u64 = pool
                .map::<u64, _>(&print, 0..1000)
                .map(Result::unwrap)
                .sum();
            assert_eq!(sum, 499_500, "{}", stuck.name);
            println!("\nended {}", stuck.name);
        }
        // The test harness returns from its main after this.
        return;
    }
    let end = ending(child(name).spawn().unwrap());
    assert_eq!((end.status, end.signal), (Some(0), None), "{}", end.stderr);
    let n_lines = end
        .stdout
        .lines()
        .filter(|line| line.starts_with("line "))
        .count();
    assert_eq!(n_lines, 10 * STUCK.len(), "{}", end.stdout);
    let n_ended = end
        .stdout
        .lines()
        .filter(|line| line.starts_with("ended "))
        .count();
    assert_eq!(n_ended, STUCK.len(), "{}", end.stdout);
}

#[test]
fn returning_from_main_over_a_busy_worker_ends_the_process() {
    // The test harness returns from its main after this test.
    let name = "returning_from_main_over_a_busy_worker_ends_the_process";
    if std::env::var_os(STORY).is_some() {
        let (pool, task) = stuck_pool(support::PARALLEL);
        std::mem::forget((pool, task));
        return;
    }
    for _ in 0..5 {
        let end = ending(child(name).spawn().unwrap());
        assert_eq!((end.status, end.signal), (Some(0), None), "{}", end.stderr);
    }
}

#[test]
fn threads_that_a_task_leaves_do_not_keep_the_pool_from_ending() {
    let end = story(
        "threads_that_a_task_leaves_do_not_keep_the_pool_from_ending",
        || {
            let pool = Pool::builder()
                .workers(2)
                .grace(Duration::from_millis(300))
                .build()
                .unwrap();
            // One that CPython joins, without a limit, and one that it does not know.
            let leave = f("
import threading, _thread, time
def f(which):
    if which: threading.Thread(target=time.sleep, args=(1000,)).start()
    else: _thread.start_new_thread(time.sleep, (1000,))");
            for which in [0, 1] {
                let _: Option<()> = pool.call(&leave, which).unwrap();
            }
            drop(pool);
            println!("dropped");
            owngil::exit(0);
        },
    );
    assert_eq!((end.status, end.signal), (Some(0), None), "{}", end.stderr);
    assert!(end.stdout.contains("dropped"));
}

#[test]
fn the_default_action_of_ctrl_c_stays_what_it_was() {
    use std::os::unix::process::ExitStatusExt;
    let name = "the_default_action_of_ctrl_c_stays_what_it_was";
    if std::env::var_os(STORY).is_some() {
        let pool = pool(Backend::Thread, 1);
        // In the main interpreter the import would install Python's own handler.
        let _: Option<()> = pool
            .call(&f("import signal, asyncio\ndef f(): pass"), ())
            .unwrap();
        println!("\nready");
        std::io::stdout().flush().unwrap();
        std::thread::sleep(LIMIT);
        return;
    }
    let own = child(name);
    // Where this was started in the background of a script, SIGINT is ignored, and its children inherit that.
    let mut with_default = Command::new("env");
    with_default
        .arg("--default-signal=INT")
        .arg(own.get_program())
        .args(own.get_args())
        .env(STORY, name)
        .stdout(Stdio::piped());
    let mut child = with_default.spawn().unwrap();
    await_ready(&mut child);
    let kill = format!("kill -INT {}", child.id());
    let kill = Command::new("sh").args(["-c", &kill]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}

/// Waits until the child has printed a line "ready".
fn await_ready(child: &mut Child) {
    let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while line.trim() != "ready" {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended early");
    }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn python_starts_once_from_any_thread() {
    let end = story("python_starts_once_from_any_thread", || {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let version = owngil::runtime_info().unwrap().version;
                    let sum: i64 = Interpreter::scope(|python| python.eval("1 + 1")).unwrap();
                    assert!(version.starts_with("3.") && sum == 2);
                });
            }
        });
        println!("all started");
    });
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    assert!(end.stdout.contains("all started"));
}

#[test]
fn a_virtual_environment_gives_its_packages_and_its_executable() {
    let end = story(
        "a_virtual_environment_gives_its_packages_and_its_executable",
        || {
            let folder = tempfile::tempdir().unwrap();
            let venv = folder.path().join("venv");
            let python = env_python();
            let made = Command::new(&python)
                .args(["-m", "venv", "--without-pip"])
                .arg(&venv)
                .status();
            assert!(made.unwrap().success());
            let site = Command::new(venv.join("bin/python"))
                .args(["-c", "import site; print(site.getsitepackages()[0])"])
                .output()
                .unwrap();
            let site = String::from_utf8(site.stdout).unwrap();
            std::fs::write(
                format!("{}/only_in_venv.py", site.trim()),
                "answer = lambda: 42\n",
            )
            .unwrap();
            owngil::use_python(&venv).unwrap();
            // It is started once: the same again is fine, another is not.
            assert!(owngil::use_python(&venv).is_ok());
            let refused = owngil::use_python(&python).unwrap_err();
            let Error::Start(reason) = refused else {
                panic!("{refused}");
            };
            assert!(matches!(*reason, StartError::AlreadyStarted { .. }));
            for backend in rows(BACKENDS) {
                let pool = pool(backend, 2);
                assert_eq!(
                    pool.call::<i32, _>(&Function::at("only_in_venv:answer"), ()),
                    Ok(42)
                );
                let (prefix, executable): (String, String) = pool
                    .call(
                        &f("import sys\ndef f(): return sys.prefix, sys.executable"),
                        (),
                    )
                    .unwrap();
                let venv = venv.to_str().unwrap();
                assert_eq!(prefix, venv);
                assert!(executable.starts_with(venv), "{executable}");
            }
            println!("in the environment");
            drop(folder);
        },
    );
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    assert!(end.stdout.contains("in the environment"));
}

/// The Python that the library is built with, asked of itself in a process of its own.
fn env_python() -> String {
    let name = "the_executable_is_a_real_python";
    let end = ending(child(name).spawn().unwrap());
    let line = end
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("executable: "));
    line.unwrap_or_else(|| panic!("{} {}", end.stdout, end.stderr))
        .to_owned()
}

#[test]
fn the_executable_is_a_real_python() {
    let name = "the_executable_is_a_real_python";
    let end = story(name, || {
        let executable = f("import sys\ndef f(): return sys.executable");
        let executable: String = pool(support::PARALLEL, 1).call(&executable, ()).unwrap();
        println!("\nexecutable: {executable}");
    });
    let line = end
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("executable: "));
    let output = Command::new(line.unwrap())
        .args(["-c", "print(6 * 7)"])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"42\n");
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn a_python_that_is_not_there_can_be_followed_by_one_that_is() {
    let end = story(
        "a_python_that_is_not_there_can_be_followed_by_one_that_is",
        || {
            let error = owngil::use_python("/no/such/python").unwrap_err();
            assert!(error.to_string().contains("/no/such/python"), "{error}");
            let value: i32 = Interpreter::scope(|python| python.eval("3")).unwrap();
            println!("\nvalue {value}");
        },
    );
    assert!(
        end.stdout.contains("value 3"),
        "{} {}",
        end.stdout,
        end.stderr
    );
}

#[test]
fn a_stdout_that_is_closed_ends_nothing() {
    let name = "a_stdout_that_is_closed_ends_nothing";
    if std::env::var_os(STORY).is_some() {
        let pool = pool(support::PARALLEL, 2);
        println!("\nready");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let print = f("def f(x):\n    print('x' * 10000)\n    return x");
        let n = pool
            .map::<i32, _>(&print, 0..1000)
            .filter(Result::is_ok)
            .count();
        owngil::exit(if n == 1000 { 9 } else { 1 });
    }
    let mut child = child(name).stdin(Stdio::piped()).spawn().unwrap();
    await_ready(&mut child);
    drop(child.stdout.take());
    drop(child.stdin.take());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(9));
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the main interpreter does not end"
)]
fn daemon_threads_run_and_hold_up_nothing() {
    let pool = Pool::builder().workers(1).max_tasks_per_worker(1);
    let pool = pool.build().unwrap();
    let before = pool.stats().n_left_running;
    let forever = f("import threading
def f():
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    return thread.daemon, threading.Thread().daemon, threading.current_thread().daemon");
    for _ in 0..3 {
        assert_eq!(pool.call(&forever, ()), Ok((true, false, false)));
    }
    // One that has ended is no reason to leave anything.
    let ending = f("import threading
def f():
    thread = threading.Thread(target=int, daemon=True)
    thread.start()
    thread.join()");
    pool.call::<(), _>(&ending, ()).unwrap();
    pool.call::<(), _>(&f("def f(): pass"), ()).unwrap();
    pool.shutdown();
    // Workers that were replaced end on threads of their own.
    let n_left = || pool.stats().n_left_running - before;
    let until = Instant::now() + Duration::from_secs(60);
    while n_left() < 3 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(n_left(), 3);
}
