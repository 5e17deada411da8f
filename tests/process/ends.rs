//! Worker processes: what ends them ends one task, and nothing of them is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{self, WORKER, alone, builder, f, pool, soon};
use owngil::{Backend, Buffer, Error, OutputPolicy, Pool, Task, WorkerLost};
use serde_bytes::ByteBuf;

/// Ways for a process to die, by number.
const DIE: &str = "
import ctypes, os, resource, signal, sys, threading, time
def f(way):
    if way == 0: ctypes.string_at(1)
    if way == 1: os._exit(3)
    if way == 2: os.abort()
    if way == 3: os.kill(os.getpid(), signal.SIGKILL)
    if way == 4: os.kill(os.getpid(), signal.SIGTERM)
    if way == 5:
        threading.Thread(target=os._exit, args=(0,)).start()
        time.sleep(60)
    if way == 6:
        for descriptor in os.listdir('/proc/self/fd'):
            try: os.close(int(descriptor))
            except OSError: pass
        time.sleep(60)
    if way == 7: os.execv('/bin/true', ['true'])
    if way == 8:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        while True: pass
    if way == 9: ctypes.CDLL(None).exit(7)
    return way
";

fn processes_of(pool: &Pool) -> Vec<u32> {
    let stacks = pool.stacks();
    let numbers = stacks.workers.iter().filter_map(|worker| worker.process);
    numbers.collect()
}

/// Whether there is a process of that number, other than one that waits to be reaped by others.
fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// kill -9; by the shell, since the command is not everywhere.
fn kill(process: u32) -> bool {
    let mut shell = Command::new("sh");
    let status = shell
        .args(["-c", "kill -9 \"$0\"", &process.to_string()])
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

fn lost(outcome: owngil::Result<usize>) -> WorkerLost {
    match outcome {
        Err(Error::WorkerLost(lost)) => *lost,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_way_to_die_ends_one_task_and_says_how() {
    let pool = pool(Backend::Process, 2);
    let die = f(DIE);
    let ways = [
        ("a fault", "signal 11 (SIGSEGV", Some(11), None),
        ("os._exit", "status 3", None, Some(3)),
        ("abort", "signal 6 (SIGABRT", Some(6), None),
        ("SIGKILL", "signal 9 (SIGKILL", Some(9), None),
        ("SIGTERM", "signal 15", Some(15), None),
        ("os._exit on another thread", "status 0", None, Some(0)),
        (
            "all descriptors closed",
            "closed its connection",
            None,
            None,
        ),
        ("exec", "status 0", None, Some(0)),
        ("a limit on CPU time", "signal 9", Some(9), None),
        ("C's exit", "status 7", None, Some(7)),
    ];
    for (way, (name, part, signal, status)) in ways.iter().enumerate() {
        let task: Task<usize> = pool.submit(&die, way).unwrap();
        let other: Task<usize> = pool.submit(&die, 100 + way).unwrap();
        let lost = lost(task.wait());
        assert!(lost.reason.contains(part), "{name}: {lost}");
        assert!(lost.reason.contains("process "), "{name}: {lost}");
        assert_eq!((lost.signal, lost.status), (*signal, *status), "{name}");
        assert_eq!(lost.function, Some(die.to_string()), "{name}");
        assert!(
            lost.worker.is_some_and(|worker| worker < 2),
            "{name}: {lost:?}"
        );
        assert_eq!(other.wait(), Ok(100 + way), "{name}");
    }
    let stats = pool.stats();
    assert_eq!(stats.n_lost, 0);
    let n_restarts: u64 = stats.workers.iter().map(|worker| worker.n_restarts).sum();
    assert_eq!(n_restarts, ways.len() as u64);
}

/// What this process holds of worker processes.
fn descriptors() -> Vec<String> {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links
        .map(|link| link.display().to_string())
        .filter(|link| link.contains("owngil-") || link.contains("pidfd"))
        .collect()
}

#[test]
fn each_task_has_one_outcome_and_nothing_is_left_behind_however_processes_die() {
    if alone("each_task_has_one_outcome_and_nothing_is_left_behind_however_processes_die") {
        return;
    }
    let n_rounds = 10 * support::scale();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let before = descriptors().len();
    let mut seen = BTreeSet::new();
    {
        let pool = pool(Backend::Process, 3);
        let die = f(DIE);
        let double = f("def f(x): return 2 * x");
        for round in 0..n_rounds {
            // The limit on CPU time takes a second.
            let ways = [0, 1, 2, 3, 4, 5, 6, 7, 9];
            let way = ways[random(ways.len() as u64) as usize];
            let place = random(40) as usize;
            let tasks: Vec<Task<usize>> = (0..40)
                .map(|number| match number == place {
                    true => pool.submit(&die, way).unwrap(),
                    false => pool.submit(&double, number).unwrap(),
                })
                .collect();
            let processes = processes_of(&pool);
            seen.extend(processes.iter().copied());
            // And one that is killed from outside, at any moment.
            let killed = processes.get(random(8) as usize);
            if let Some(killed) = killed {
                kill(*killed);
            }
            let mut n_lost = 0;
            for (number, task) in tasks.into_iter().enumerate() {
                match task.wait() {
                    Ok(value) => assert_eq!(value, 2 * number),
                    Err(Error::WorkerLost(_)) => n_lost += 1,
                    other => panic!("round {round}: {other:?}"),
                }
            }
            let most = 1 + usize::from(killed.is_some());
            assert!((1..=most).contains(&n_lost), "round {round}: {n_lost}");
            let inputs: Vec<u64> = (0..2000).collect();
            let sum: u64 = pool
                .map::<u64, _>(&double, inputs)
                .map(Result::unwrap)
                .sum();
            assert_eq!(sum, 2000 * 1999);
        }
        seen.extend(processes_of(&pool));
    }
    let left: Vec<u32> = seen
        .into_iter()
        .filter(|process| is_alive(*process))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // Threads that the pool does not wait for keep it open for a moment.
    soon("descriptors", || descriptors().len() == before);
}

#[test]
fn only_the_call_that_ran_is_lost_of_those_that_were_on_their_way() {
    let pool = pool(Backend::Process, 1);
    let double = f("def f(x): return 2 * x");
    // So many have run that several are sent at once.
    for result in pool.map::<u64, _>(&double, 0..20_000_u64) {
        result.unwrap();
    }
    let die = f(DIE);
    let tasks: Vec<Task<usize>> = (0..50)
        .map(|number| match number {
            20 => pool.submit(&die, 1).unwrap(),
            _ => pool.submit(&die, 100 + number).unwrap(),
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        match number {
            20 => drop(lost(task.wait())),
            _ => assert_eq!(task.wait(), Ok(100 + number)),
        }
    }
}

#[test]
fn a_worker_that_was_killed_while_it_was_idle_loses_nothing() {
    let pool = pool(Backend::Process, 1);
    let id = f("import os\ndef f(): return os.getpid()");
    let first: u32 = pool.call(&id, ()).unwrap();
    assert!(kill(first));
    soon("killed", || !is_alive(first));
    let second: u32 = pool.call(&id, ()).unwrap();
    assert_ne!(first, second);
    // What is for each worker is not lost either.
    assert!(kill(second));
    soon("killed", || !is_alive(second));
    let all = pool.broadcast::<u32, _>(&id, ()).unwrap();
    assert!(
        all[0].as_ref().is_ok_and(|third| *third != second),
        "{all:?}"
    );
}

#[test]
fn code_that_no_interrupt_ends_is_killed() {
    let pool = builder(Backend::Process, 1)
        .grace(Duration::from_millis(200))
        .build()
        .unwrap();
    let id = f("import os\ndef f(): return os.getpid()");
    for stuck in support::STUCK {
        // An outcome has a stack if it arrives in time, which it may not while other programs use the cores.
        let has_stack = (0..10).any(|_| {
            let process: u32 = pool.call(&id, ()).unwrap();
            let start = Instant::now();
            let task = pool
                .task(&f(stuck.source))
                .deadline(Duration::from_millis(200));
            let outcome = task.submit::<()>().unwrap().wait();
            assert!(
                matches!(outcome, Err(Error::TimedOut { .. })),
                "{}: {outcome:?}",
                stuck.name
            );
            assert!(start.elapsed() < Duration::from_secs(20), "{}", stuck.name);
            if !stuck.releases_gil {
                soon(stuck.name, || !is_alive(process));
            }
            !stuck.releases_gil || cfg!(Py_GIL_DISABLED) || outcome.unwrap_err().stack().is_some()
        });
        assert!(has_stack, "{}", stuck.name);
    }
    assert_eq!(pool.stats().n_lost, 0);
}

#[test]
fn a_call_that_is_cancelled_prints_what_it_had_to_say() {
    let pool = builder(Backend::Process, 1)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap();
    let talk = f("
def spin():
    while True: pass
def f():
    print('so far')
    spin()");
    // Each time both its end and the answer of who interrupts it are on their way at once.
    let n_in_time = (0..30)
        .filter(|_| {
            let task = pool.submit::<(), _>(&talk, ()).unwrap();
            // By then it has said it; at a deadline it might not even have begun.
            soon("in its loop", || {
                pool.stacks().to_string().contains("in spin")
            });
            task.cancel();
            let completed = task.wait_completed();
            assert!(
                matches!(completed.result, Err(Error::Cancelled { .. })),
                "{completed:?}"
            );
            // Where others have the cores, the outcome comes before what it printed, and without a stack.
            let is_in_time = match cfg!(Py_GIL_DISABLED) {
                // There it comes without a stack always.
                true => !completed.output.is_empty(),
                false => completed.result.unwrap_err().stack().is_some(),
            };
            if is_in_time {
                assert_eq!(completed.output.stdout, b"so far\n");
            }
            is_in_time
        })
        .count();
    assert!(n_in_time > 0);
}

#[test]
fn large_buffers_cross_both_ways_and_come_back_as_the_same_pages() {
    let pool = pool(Backend::Process, 1);
    let reverse = f("def f(x): return bytes(reversed(x))");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let reversed: ByteBuf = pool
        .call(&reverse, (ByteBuf::from(large.clone()),))
        .unwrap();
    assert!(reversed.iter().rev().eq(large.iter()));
    let same = f("def f(view, *others):\n    return [view, view[5:], len(others)]");
    let buffer = Buffer::from(large.clone());
    let (whole, part, n): (Buffer, Buffer, usize) =
        pool.call(&same, (&buffer, &buffer, &buffer)).unwrap();
    assert_eq!((&*whole, &*part, n), (&large[..], &large[5..], 2));
    assert_eq!(whole[5..].as_ptr(), part.as_ptr());
    // What is kept here outlives the pool.
    drop(pool);
    assert_eq!(whole, buffer);
}

#[test]
fn what_no_interpreter_of_its_own_may_do_is_done() {
    let pool = builder(Backend::Process, 1)
        .output(OutputPolicy::Capture)
        .build()
        .unwrap();
    let fork = f("import os
def f():
    if os.fork() == 0: return 'never seen'
    return os.waitstatus_to_exitcode(os.wait()[1])");
    assert_eq!(pool.call::<i32, _>(&fork, ()), Ok(0));
    let several = f("import multiprocessing
def double(x): return 2 * x
def f():
    with multiprocessing.get_context('fork').Pool(2) as pool:
        return pool.map(double, range(5))");
    assert_eq!(
        pool.call::<Vec<u32>, _>(&several, ()),
        Ok(vec![0, 2, 4, 6, 8])
    );
    let daemon = f("import threading, time
def f():
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    return 1");
    assert_eq!(pool.call::<i32, _>(&daemon, ()), Ok(1));
    let thread = f("import threading
def f():
    thread = threading.Thread(target=print, args=('of a thread',))
    thread.start()
    thread.join()");
    let completed = pool.submit::<(), _>(&thread, ()).unwrap().wait_completed();
    assert_eq!(completed.output.stdout, b"of a thread\n");
}

#[test]
fn exceptions_and_exits_are_those_of_other_backends() {
    let pool = pool(Backend::Process, 1);
    let raises = f("
def f():
    try:
        1 / 0
    except ZeroDivisionError as e:
        raise ValueError('no') from e");
    let error = pool.call::<(), _>(&raises, ()).unwrap_err();
    let python = error.python().unwrap();
    assert_eq!((python.type_name(), python.message()), ("ValueError", "no"));
    assert!(python.traceback().contains("1 / 0"), "{python:?}");
    assert_eq!(python.cause().unwrap().type_name(), "ZeroDivisionError");
    let exit = pool
        .call::<(), _>(&f("import sys\ndef f(): sys.exit(3)"), ())
        .unwrap_err();
    assert_eq!(exit.python().unwrap().exit_status(), Some(3));
    let missing = pool
        .call::<(), _>(&owngil::Function::at("no_such_module:f"), ())
        .unwrap_err();
    assert!(matches!(missing, Error::Load(_)), "{missing:?}");
}

#[test]
fn children_end_when_their_parent_is_killed() {
    if std::env::var_os("OWNGIL_TEST_PARENT").is_some() {
        let pool = pool(Backend::Process, 3);
        let stuck = f("def f():\n    print('stuck', flush=True)\n    sum(range(10**12))");
        let tasks: Vec<Task<()>> = (0..2).map(|_| pool.submit(&stuck, ()).unwrap()).collect();
        soon("begun", || {
            pool.stats()
                .workers
                .iter()
                .filter(|worker| worker.is_busy)
                .count()
                == 2
        });
        for process in processes_of(&pool) {
            println!("process {process}");
        }
        println!("all");
        tasks.into_iter().for_each(|task| drop(task.wait()));
        return;
    }
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["children_end_when_their_parent_is_killed", "--nocapture"])
        .env("OWNGIL_TEST_PARENT", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(parent.stdout.take().unwrap()));
    let mut processes = Vec::new();
    for line in lines {
        let line = line.unwrap();
        if line == "all" {
            break;
        }
        if let Some((_, number)) = line.split_once("process ") {
            processes.push(number.parse::<u32>().unwrap());
        }
    }
    assert_eq!(processes.len(), 3);
    parent.kill().unwrap();
    parent.wait().unwrap();
    soon("gone", || {
        !processes.iter().any(|process| is_alive(*process))
    });
}

#[test]
fn the_error_of_a_program_that_is_no_worker_names_what_its_main_lacks() {
    // This program is a test harness.
    let error = Pool::builder()
        .backend(Backend::Process)
        .workers(1)
        .build()
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("become_worker_if_asked()"), "{text}");
    assert!(text.contains("main"), "{text}");
    for (program, part) in [
        ("/no/such/program", "/no/such/program"),
        ("/bin/true", "status 0"),
    ] {
        let error = builder(Backend::Process, 1)
            .worker_program(program)
            .build()
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    // One that goes on with something else instead: here with Python, which reads its standard input.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("deaf");
    write_program(&program, "#!/bin/sh\nsleep 60\n");
    let start = Instant::now();
    let error = builder(Backend::Process, 1)
        .worker_program(&program)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("within 10 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(40));
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_worker_cannot_be_started_by_hand() {
    let output = Command::new(WORKER)
        .arg("--owngil-worker")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("by itself"), "{text}");
}

#[test]
fn stats_and_stacks_are_those_of_the_process() {
    let pool = pool(Backend::Process, 1);
    let busy = f("
import time
def f():
    end = time.process_time() + 0.2
    while time.process_time() < end: pass");
    pool.call::<(), _>(&busy, ()).unwrap();
    let stats = pool.stats();
    assert!(
        stats.workers[0].cpu.unwrap() >= Duration::from_millis(200),
        "{stats}"
    );
    assert!(
        stats.workers[0].busy >= Duration::from_millis(200),
        "{stats}"
    );
    let sleep = f("import time\ndef f(): time.sleep(60)");
    let task: Task<()> = pool.submit(&sleep, ()).unwrap();
    soon("asleep", || {
        let stacks = pool.stacks();
        let text = stacks.to_string();
        text.contains("time.sleep(60)") || text.contains("in f") && text.contains("process ")
    });
    drop(task);
}

#[test]
fn an_initializer_that_ends_its_process_is_an_error_of_the_pool() {
    let error = builder(Backend::Process, 1)
        .initializer(&f(DIE), 1)
        .build()
        .unwrap_err();
    assert!(
        matches!(&error, Error::Worker { source, .. } if matches!(**source, Error::WorkerLost(_))),
        "{error:?}"
    );
}

#[test]
fn only_the_call_that_ran_is_lost_of_a_batch() {
    let pool = pool(Backend::Process, 1);
    let die = f(DIE);
    // So many have run that they travel in batches.
    let inputs = (0..40_000_usize).map(|n| if n == 30_000 { 1 } else { 100 + n });
    for (number, result) in pool.map::<usize, _>(&die, inputs).enumerate() {
        match number {
            30_000 => drop(lost(result)),
            _ => assert_eq!(result, Ok(100 + number)),
        }
    }
    // Large values of the batch may be lost with it: each call has an outcome, and none runs twice.
    let source = "
import os
def f(path, n):
    with open(path, 'a') as file: file.write(f'{n} ')
    if n == 300: os._exit(1)
    return bytes(n)";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ran");
    let inputs: Vec<_> = (0..400).map(|n| (path.to_str().unwrap(), n)).collect();
    let mut n_lost = 0;
    for (number, result) in pool.map::<ByteBuf, _>(&f(source), inputs).enumerate() {
        match result {
            Ok(value) => assert_eq!(value.len(), number),
            Err(Error::WorkerLost(_)) => n_lost += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(n_lost >= 1);
    let ran = std::fs::read_to_string(&path).unwrap();
    let mut ran: Vec<u32> = ran.split_whitespace().map(|n| n.parse().unwrap()).collect();
    ran.sort_unstable();
    assert_eq!(ran, (0..400).collect::<Vec<u32>>());
}

#[test]
fn a_function_whose_module_ends_the_process_is_not_tried_for_each_call() {
    let pool = pool(Backend::Process, 1);
    let nothing = f("def f(x): return x");
    for result in pool.map::<u32, _>(&nothing, 0..40_000_u32) {
        result.unwrap();
    }
    let before = pool.stats().workers[0].n_restarts;
    let broken = f("import os\nos._exit(4)\ndef f(x): return x");
    assert!(matches!(pool.load(&broken), Err(Error::WorkerLost(_))));
    let results: Vec<_> = pool.map::<u32, _>(&broken, 0..200_u32).collect();
    assert_eq!(results.len(), 200);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(Error::WorkerLost(_))))
    );
    let n_restarts = pool.stats().workers[0].n_restarts - before;
    assert!(n_restarts < 150, "{n_restarts}");
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: there are no interpreters")]
fn a_text_has_one_hash_in_all_workers() {
    let hash = f("import sys
def f(): return hash('a text'), sys.flags.hash_randomization");
    let mut found = std::collections::HashSet::new();
    for backend in [Backend::Process, Backend::Interpreter, Backend::Thread] {
        let pool = pool(backend, 2);
        for _ in 0..8 {
            found.insert(pool.call::<(i64, u8), _>(&hash, ()).unwrap());
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|(_, is_random)| *is_random == 1));
}
