//! Visits: what other threads see of an interpreter that works, and how they interrupt it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use owngil_ffi::{
    Attached, Config, Ended, ExceptionKind, Interpreter, Runtime, STACK_SIZE, Stack, Visits,
};

fn runtime() -> &'static Runtime {
    Runtime::start(&Config::default()).unwrap()
}

fn spawn<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    let thread = thread::Builder::new().stack_size(STACK_SIZE);
    thread.spawn(work).unwrap()
}

/// An interpreter of this thread's own; on a free-threaded build, which makes none, one more thread of the
/// main interpreter.
fn made() -> Interpreter {
    match Runtime::IS_FREE_THREADED {
        true => Interpreter::on_main(runtime()).unwrap(),
        false => Interpreter::new(runtime()).unwrap(),
    }
}

/// A thread with an interpreter of its own that runs `work`; its visits.
fn home<R: Send + 'static>(
    work: impl FnOnce(&mut Interpreter) -> R + Send + 'static,
) -> (Visits, JoinHandle<R>) {
    let (sender, receiver) = mpsc::channel();
    let thread = spawn(move || {
        let mut interpreter = made();
        sender.send(interpreter.visits().clone()).unwrap();
        let result = work(&mut interpreter);
        assert_eq!(interpreter.end(), Ended::Ended);
        result
    });
    (receiver.recv().unwrap(), thread)
}

fn exec(attached: Attached<'_>, source: &str) -> Result<(), ExceptionKind> {
    let globals = attached.dict().unwrap();
    let done = attached.exec(source, "task.py", &globals);
    done.map(drop).map_err(|raised| raised.kind())
}

/// Looks again and again until `seen` says so.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "never seen");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the home thread is in this function.
fn until_in(visits: &Visits, function: &str) -> Stack {
    until(|| {
        let stack = visits.visit(|visit| visit.home_stack())?;
        let innermost = stack.frames.last()?;
        (innermost.function == function).then_some(stack)
    })
}

fn interrupt(visits: &Visits) {
    assert_eq!(visits.visit(|visit| visit.interrupt()), Some(true));
}

const LOOP: &str = "class Work:\n    def loop(self):\n        while True:\n            pass\n\
                    def start():\n    Work().loop()\nstart()";

/// What it is in: on a free-threaded build stacks have no qualified names.
const LOOPING: &str = match Runtime::IS_FREE_THREADED {
    true => "loop",
    false => "Work.loop",
};

/// How many of the stacks are not of other tests: the main interpreter's threads are all of the process.
fn n_own(stacks: &[Stack]) -> usize {
    let of_all = |stack: &Stack| Runtime::IS_FREE_THREADED && !stack.is_home;
    stacks.iter().filter(|stack| !of_all(stack)).count()
}

#[test]
fn a_visitor_sees_file_function_and_line() {
    let (visits, home) = home(|interpreter| interpreter.attach(|attached| exec(attached, LOOP)));
    let stack = until_in(&visits, LOOPING);
    assert!(stack.is_home);
    assert_eq!(stack.n_left_out, 0);
    let frames: Vec<_> = stack
        .frames
        .iter()
        .map(|frame| (frame.file.as_str(), frame.function.as_str(), frame.line))
        .collect();
    assert_eq!(frames[0], ("task.py", "<module>", 7));
    assert_eq!(frames[1], ("task.py", "start", 6));
    let (file, function, line) = frames[2];
    assert_eq!((file, function), ("task.py", LOOPING));
    assert!((3..=4).contains(&line), "{line}");
    assert_eq!(frames.len(), 3);
    interrupt(&visits);
    assert_eq!(home.join().unwrap(), Err(ExceptionKind::KeyboardInterrupt));
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the innermost 100 are all that CPython writes"
)]
fn a_deep_stack_shows_its_innermost_frames() {
    let source = "import time\ndef deep(n):\n    if n: deep(n - 1)\n    else:\n        while True: pass\ndeep(500)";
    let (visits, home) = home(|interpreter| interpreter.attach(|attached| exec(attached, source)));
    let stack = until(|| {
        let stack = visits.visit(|visit| visit.home_stack())?;
        (stack.n_left_out > 0 && stack.frames.last()?.line == 5).then_some(stack)
    });
    assert_eq!(stack.frames.len(), Stack::N_FRAMES_MAX);
    assert_eq!(stack.frames.len() + stack.n_left_out, 502);
    assert!(stack.frames.iter().all(|frame| frame.function == "deep"));
    interrupt(&visits);
    assert!(home.join().unwrap().is_err());
}

#[test]
fn all_threads_of_an_interpreter_show_its_own_first() {
    let source = "import threading\nstop = threading.Event()\ndef waits(): stop.wait()\n\
                  threads = [threading.Thread(target=waits) for _ in range(3)]\n\
                  for thread in threads: thread.start()\ndef home():\n    while True: pass\n\
                  try: home()\nfinally: stop.set()";
    let (visits, home) = home(|interpreter| interpreter.attach(|attached| exec(attached, source)));
    let waits = |stack: &Stack| stack.frames.iter().any(|frame| frame.function == "waits");
    let stacks = until(|| {
        let stacks = visits.visit(|visit| visit.stacks())?;
        let at_home = stacks[0].frames.last()?.function == "home";
        let n_waiting = stacks.iter().filter(|stack| waits(stack)).count();
        (at_home && n_waiting == 3).then_some(stacks)
    });
    assert!(stacks.len() == 4 || Runtime::IS_FREE_THREADED, "{stacks:?}");
    assert!(stacks[0].is_home);
    assert!(stacks[1..].iter().all(|stack| !stack.is_home));
    let n_stacks = stacks.len();
    let mut ids: Vec<_> = stacks.iter().map(|stack| stack.state_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n_stacks);
    interrupt(&visits);
    assert!(home.join().unwrap().is_err());
}

#[test]
fn an_idle_interpreter_is_seen_without_frames_and_runs_on() {
    let (go, wait) = mpsc::channel::<()>();
    let (visits, home) = home(move |interpreter| {
        wait.recv().unwrap();
        interpreter.attach(|attached| exec(attached, "x = 1"))
    });
    let stacks = visits.visit(|visit| visit.stacks()).unwrap();
    assert_eq!(n_own(&stacks), 1);
    assert!(stacks[0].is_home && stacks[0].frames.is_empty());
    go.send(()).unwrap();
    assert_eq!(home.join().unwrap(), Ok(()));
}

#[test]
fn an_interrupted_interpreter_runs_the_next_code() {
    const N_ROUNDS: usize = 20;
    let (sender, rounds) = mpsc::channel();
    let (visits, home) = home(move |interpreter| {
        for _ in 0..N_ROUNDS {
            let looped = interpreter.attach(|attached| exec(attached, LOOP));
            let next = interpreter.attach(|attached| exec(attached, "sum(range(1000))"));
            sender.send((looped, next)).unwrap();
        }
    });
    for _ in 0..N_ROUNDS {
        until_in(&visits, LOOPING);
        interrupt(&visits);
        let (looped, next) = rounds.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(looped, Err(ExceptionKind::KeyboardInterrupt));
        assert_eq!(next, Ok(()));
    }
    home.join().unwrap();
}

/// Held where the number of the running call is written, and by the thread that interrupts it.
static NOTES: Mutex<()> = Mutex::new(());

fn note(running: &AtomicU64, id: u64) {
    let _apart = Runtime::IS_FREE_THREADED.then(|| NOTES.lock().unwrap());
    running.store(id, Ordering::SeqCst);
}

#[test]
fn what_is_fired_at_one_call_never_reaches_the_next() {
    const N_FIRINGS: usize = 500;
    let running = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&running);
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let (visits, home) = home(move |interpreter| {
        let mut interrupted = Vec::new();
        interpreter.attach(|attached| {
            let globals = attached.dict().unwrap();
            let source = "import time\ndef call(n, naps):\n    for _ in range(n): pass\n    \
                          if naps: time.sleep(0.0002)\n    for _ in range(n): pass";
            attached.exec(source, "task.py", &globals).unwrap();
            let name = attached.str("call").unwrap();
            let call = globals.lookup(&name).unwrap().unwrap();
            for id in 1_u64.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let length = attached.int((id % 7 * 3000) as i64).unwrap();
                note(&running, id);
                let naps = attached.bool(id % 3 == 2);
                let outcome = call.call(&[length, naps]);
                if id % 3 == 0 {
                    // Late on purpose: what is fired now has no Python code to be raised in.
                    attached.detach(|| thread::sleep(Duration::from_micros(200)));
                }
                note(&running, 0);
                attached.clear_interrupt();
                if let Err(raised) = outcome {
                    assert_eq!(raised.kind(), ExceptionKind::KeyboardInterrupt);
                    interrupted.push(id);
                }
                // What was taken back must not be raised here.
                let other = attached.eval("sum(x for x in range(50))", &globals);
                assert_eq!(other.unwrap().as_i64(), Some(1225), "after call {id}");
                if id % 3 == 1 {
                    attached.detach(|| thread::sleep(Duration::from_micros(200)));
                }
            }
        });
        interrupted
    });
    let mut fired = Vec::new();
    while fired.len() < N_FIRINGS {
        let last = fired.last().copied();
        let id = visits.visit(|visit| {
            let _apart = Runtime::IS_FREE_THREADED.then(|| NOTES.lock().unwrap());
            let id = seen.load(Ordering::SeqCst);
            (id != 0 && Some(id) != last && visit.interrupt()).then_some(id)
        });
        fired.extend(id.unwrap());
        // Who comes again at once keeps the others from the GIL.
        thread::sleep(Duration::from_micros(100));
    }
    done.store(true, Ordering::SeqCst);
    let interrupted = home.join().unwrap();
    assert!(
        interrupted.iter().all(|id| fired.contains(id)),
        "a call was interrupted that no interrupt was for"
    );
    let n_late = fired.len() - interrupted.len();
    assert!(n_late > 0 && !interrupted.is_empty(), "{n_late} late");
}

#[test]
fn an_interrupt_that_comes_too_late_is_taken_back() {
    let (visits, home) = home(|interpreter| {
        let visits = interpreter.visits().clone();
        interpreter.attach(|attached| {
            let fire = move || {
                let visits = visits.clone();
                thread::spawn(move || interrupt(&visits)).join().unwrap();
            };
            attached.detach(&fire);
            attached.clear_interrupt();
            let kept = exec(attached, "sum(x for x in range(1000))");
            attached.detach(&fire);
            let raised = exec(attached, "while True: pass");
            (kept, raised)
        })
    });
    let (kept, raised) = home.join().unwrap();
    assert_eq!(kept, Ok(()));
    assert_eq!(raised, Err(ExceptionKind::KeyboardInterrupt));
    assert!(visits.visit(|_| ()).is_none(), "it has ended");
}

#[test]
fn an_interpreter_that_ends_waits_for_its_visitors() {
    let (go, wait) = mpsc::channel::<()>();
    let (visits, home) = home(move |_| wait.recv().unwrap());
    let (entered, inside) = mpsc::channel();
    let (leave, leaving) = mpsc::channel::<()>();
    let late = visits.clone();
    let visitor = thread::spawn(move || {
        visits.visit(|visit| {
            entered.send(()).unwrap();
            leaving.recv().unwrap();
            n_own(&visit.stacks())
        })
    });
    inside.recv().unwrap();
    go.send(()).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(!home.is_finished(), "it ended under a visitor");
    leave.send(()).unwrap();
    assert_eq!(visitor.join().unwrap(), Some(1));
    home.join().unwrap();
    assert!(late.visit(|_| ()).is_none());
}

#[test]
fn no_visit_outlives_its_interpreter() {
    for _ in 0..10 {
        let ended = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        let note = Arc::clone(&ended);
        let home = spawn(move || {
            let interpreter = made();
            sender.send(interpreter.visits().clone()).unwrap();
            thread::yield_now();
            assert_eq!(interpreter.end(), Ended::Ended);
            note.store(true, Ordering::SeqCst);
        });
        let visits = receiver.recv().unwrap();
        let visitors: Vec<_> = (0..4)
            .map(|_| {
                let (visits, ended) = (visits.clone(), Arc::clone(&ended));
                thread::spawn(move || {
                    let look = |visit: owngil_ffi::Visit<'_>| {
                        let n_stacks = visit.stacks().len();
                        assert!(!ended.load(Ordering::SeqCst));
                        n_stacks
                    };
                    while visits.visit(look).is_some() {}
                })
            })
            .collect();
        home.join().unwrap();
        for visitor in visitors {
            visitor.join().unwrap();
        }
    }
}

#[test]
fn a_visit_that_panics_leaves_nothing_behind() {
    let (go, wait) = mpsc::channel::<()>();
    let (visits, home) = home(move |interpreter| {
        wait.recv().unwrap();
        interpreter.attach(|attached| exec(attached, "x = 1"))
    });
    for _ in 0..3 {
        let panics = AssertUnwindSafe(|| visits.visit(|_| panic!("as asked")));
        assert!(catch_unwind(panics).is_err());
    }
    // The thread is free for another visit, and one inside of a visit is refused.
    let nested = AssertUnwindSafe(|| visits.visit(|_| visits.visit(|_| ())));
    assert!(catch_unwind(nested).is_err());
    assert_eq!(visits.visit(|visit| n_own(&visit.stacks())), Some(1));
    go.send(()).unwrap();
    assert_eq!(home.join().unwrap(), Ok(()));
}

#[test]
fn an_interpreter_visits_itself_and_interrupts_no_thread() {
    let (_, home) = home(|interpreter| {
        let visits = interpreter.visits().clone();
        interpreter.attach(|attached| {
            let fired = attached.detach(|| visits.visit(|visit| visit.interrupt()));
            (fired, exec(attached, "sum(x for x in range(1000))"))
        })
    });
    assert_eq!(home.join().unwrap(), (Some(false), Ok(())));
}

#[test]
fn many_visitors_look_at_interpreters_that_start_threads_and_end() {
    const CHURN: &str = "import threading, _thread\ndef leaf(n): return leaf(n - 1) + 1 if n else 0\n\
                         def work():\n    for _ in range(20): leaf(30)\n\
                         for _ in range(40):\n    threads = [threading.Thread(target=work) for _ in range(3)]\n    \
                         for thread in threads: thread.start()\n    leaf(50)\n    \
                         _thread.start_new_thread(leaf, (10,))\n    for thread in threads: thread.join()";
    for _ in 0..2 {
        let homes: Vec<_> = (0..4)
            .map(|_| home(|interpreter| interpreter.attach(|attached| exec(attached, CHURN))))
            .collect();
        let all: Vec<_> = homes.iter().map(|(visits, _)| visits.clone()).collect();
        let visitors: Vec<_> = (0..8)
            .map(|first| {
                let all = all.clone();
                thread::spawn(move || {
                    let mut n_frames = 0;
                    for place in first.. {
                        let visited = all[place % 4].visit(|visit| visit.stacks());
                        let Some(stacks) = visited else {
                            let n_open = all.iter().filter(|v| v.visit(|_| ()).is_some());
                            if n_open.count() == 0 {
                                return n_frames;
                            }
                            continue;
                        };
                        assert!(stacks[0].is_home);
                        for frame in stacks.iter().flat_map(|stack| &stack.frames) {
                            assert!(!frame.function.is_empty() && !frame.file.is_empty());
                            n_frames += 1;
                        }
                    }
                    n_frames
                })
            })
            .collect();
        for (_, home) in homes {
            assert_eq!(home.join().unwrap(), Ok(()));
        }
        let n_frames: usize = visitors.into_iter().map(|v| v.join().unwrap()).sum();
        assert!(n_frames > 100, "{n_frames}");
    }
}

#[test]
fn threads_of_the_main_interpreter_are_visited_and_interrupted_one_by_one() {
    let threads: Vec<_> = (0..3)
        .map(|number| {
            let (sender, receiver) = mpsc::channel();
            let thread = spawn(move || {
                let mut main = Interpreter::on_main(runtime()).unwrap();
                sender.send(main.visits().clone()).unwrap();
                let source = format!("def loop_{number}():\n    while True: pass\nloop_{number}()");
                let ended = main.attach(|attached| exec(attached, &source));
                assert_eq!(main.end(), Ended::Ended);
                ended
            });
            (receiver.recv().unwrap(), thread)
        })
        .collect();
    for (number, (visits, _)) in threads.iter().enumerate() {
        until_in(visits, &format!("loop_{number}"));
    }
    let mut left = threads.len();
    for (number, (visits, thread)) in threads.into_iter().enumerate() {
        // At once, but that a free-threaded build shows a hundred threads alone, and other tests start many.
        until(|| {
            let stacks = visits.visit(|visit| visit.stacks())?;
            let n_loops = stacks.iter().filter(|stack| {
                let innermost = stack.frames.last();
                innermost.is_some_and(|frame| frame.function.starts_with("loop_"))
            });
            let innermost = &stacks[0].frames.last()?.function;
            (*innermost == format!("loop_{number}") && n_loops.count() == left).then_some(())
        });
        interrupt(&visits);
        assert_eq!(
            thread.join().unwrap(),
            Err(ExceptionKind::KeyboardInterrupt)
        );
        assert!(visits.visit(|_| ()).is_none());
        left -= 1;
    }
}

/// The signal that goes with an interrupt reaches what waits in the system. Locks are not reached:
/// `threading.Event().wait()`, `Thread.join`, `queue.get` go on waiting.
#[cfg(Py_3_15)]
#[test]
fn an_interrupt_ends_calls_that_wait_in_the_system() {
    let calls = [
        "import time; time.sleep(600)",
        "import os; os.read(os.pipe()[0], 1)",
        "import socket; a, b = socket.socketpair(); a.recv(1)",
        "import socket; s = socket.create_server(('127.0.0.1', 0)); s.accept()",
        "import select; select.select([], [], [], 600)",
        // A child that an interrupt leaves behind must not keep this test's own output open.
        "import subprocess; subprocess.run(['sleep', '600'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)",
        "import asyncio; asyncio.run(asyncio.sleep(600))",
    ];
    for source in calls {
        let (sender, imported) = mpsc::channel();
        let (visits, home) = home(move |interpreter| {
            interpreter.attach(|attached| {
                exec(attached, "import os, socket, select, subprocess, asyncio").unwrap();
                sender.send(()).unwrap();
                exec(attached, source)
            })
        });
        imported.recv().unwrap();
        // The first may come before the call, and `subprocess` waits a moment for its child.
        until(|| {
            visits.visit(|visit| visit.interrupt());
            thread::sleep(Duration::from_millis(50));
            home.is_finished().then_some(())
        });
        let ended = home.join().unwrap();
        assert_eq!(ended, Err(ExceptionKind::KeyboardInterrupt), "{source}");
    }
}
