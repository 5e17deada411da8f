//! The rules of the crate, attacked: one process, many interpreters.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use owngil_ffi::{
    Config, Ended, ExceptionKind, Interpreter, Object, Runtime, STACK_SIZE, StartError,
};
use support::{eval, in_interpreter, made, on_thread, runtime};

#[test]
fn starting_twice_gives_the_same_runtime_and_another_python_is_an_error() {
    let first: *const Runtime = runtime();
    assert!(std::ptr::eq(first, runtime()));
    let elsewhere = Config {
        python: Some(std::env::temp_dir()),
        ..Config::default()
    };
    assert!(matches!(
        Runtime::start(&elsewhere),
        Err(StartError::AlreadyStarted { .. })
    ));
}

#[test]
fn many_threads_may_start_and_create_at_once() {
    let threads: Vec<_> = (0..8)
        .map(|_| {
            thread::Builder::new()
                .stack_size(STACK_SIZE)
                .spawn(|| {
                    let mut interpreter = made();
                    interpreter.attach(|attached| {
                        let value = eval(attached, "sum(range(100))").as_i64();
                        assert_eq!(value, Some(4950));
                        attached.id()
                    })
                })
                .unwrap()
        })
        .collect();
    let mut ids: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    match Runtime::IS_FREE_THREADED {
        true => assert_eq!(ids, [0], "all are threads of the main interpreter"),
        false => {
            assert_eq!(ids.len(), 8, "each has an id of its own");
            assert!(!ids.contains(&0));
        }
    }
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: it waits attached")]
fn two_interpreters_run_python_at_the_same_time() {
    // Each waits, attached, until the other has arrived: on one GIL neither could.
    let barrier = Arc::new(Barrier::new(2));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || {
                in_interpreter(move |attached| {
                    let meet = attached.callback(move |attached, _| {
                        barrier.wait();
                        Ok(attached.none())
                    });
                    meet.unwrap().call(&[]).unwrap().is_none()
                })
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
}

#[test]
fn a_callback_returns_values_raises_and_survives_a_panic() {
    in_interpreter(|attached| {
        let double = attached.callback(|attached, arguments| {
            let number = arguments.first().and_then(|argument| argument.as_i64());
            match number {
                Some(13) => panic!("unlucky {}", 13),
                Some(number) => attached.int(number * 2),
                None => Err(attached.raise_type_error("a number is needed")),
            }
        });
        let double = double.unwrap();
        assert_eq!(
            double.call(&[attached.int(21).unwrap()]).unwrap().as_i64(),
            Some(42)
        );
        let wrong = double.call(&[]).unwrap_err().describe();
        assert_eq!(wrong.to_string(), "TypeError: a number is needed");
        let panicked = double
            .call(&[attached.int(13).unwrap()])
            .unwrap_err()
            .describe();
        assert_eq!(
            panicked.to_string(),
            "RuntimeError: a Rust callback panicked: unlucky 13"
        );
        assert_eq!(
            double.call(&[attached.int(1).unwrap()]).unwrap().as_i64(),
            Some(2)
        );
    });
}

#[test]
fn a_function_has_its_name_and_takes_keyword_arguments() {
    let dropped = Arc::new(());
    let inside = Arc::clone(&dropped);
    in_interpreter(move |attached| {
        let shown = attached.function("shown", "a.module", move |attached, arguments| {
            let _ = &inside;
            assert_eq!(
                arguments.has_keywords(),
                arguments.keywords().next().is_some()
            );
            let positional = arguments.positional().iter();
            let mut shown = Vec::new();
            for value in positional {
                shown.push(value.to_python_str()?.text()?);
            }
            for (name, value) in arguments.keywords() {
                let value = value.to_python_str()?.text()?;
                shown.push(format!("{}={value}", name.text()?));
            }
            attached.str(&shown.join(" "))
        });
        let globals = attached.dict().unwrap();
        let name = attached.str("shown").unwrap();
        globals.insert(&name, &shown.unwrap()).unwrap();
        for (call, expected) in [
            ("shown()", ""),
            ("shown(1, 'a')", "1 a"),
            ("shown(x=1)", "x=1"),
            (
                "shown(1, *[2, 3], y=4, **{'any thing': 5})",
                "1 2 3 y=4 any thing=5",
            ),
            ("shown.__name__ + ' ' + shown.__module__", "shown a.module"),
            ("shown(*range(300), z=0)[-7:]", "299 z=0"),
        ] {
            let value = attached.eval(call, &globals).unwrap();
            assert_eq!(value.as_str(), Some(expected), "{call}");
        }
        let wrong = attached.function("a\0b", "m", |attached, _| Ok(attached.none()));
        assert!(wrong.unwrap_err().describe().to_string().contains("null"));
    });
    #[cfg(not(Py_GIL_DISABLED))]
    assert_eq!(Arc::strong_count(&dropped), 1);
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: main does not end")]
fn a_callback_drops_its_closure_with_the_interpreter_and_runs_on_python_threads() {
    let calls = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&calls);
    in_interpreter(move |attached| {
        let count = attached.callback(move |attached, _| {
            attached.detach(|| inside.fetch_add(1, Ordering::SeqCst));
            Ok(attached.none())
        });
        let globals = attached.dict().unwrap();
        globals
            .insert(&attached.str("count").unwrap(), &count.unwrap())
            .unwrap();
        let source = "import threading\nthreads = [threading.Thread(target=count) for _ in range(5)]\n\
                      for t in threads: t.start()\nfor t in threads: t.join()\ncount()";
        attached.exec(source, "task.py", &globals).unwrap();
    });
    assert_eq!(calls.load(Ordering::SeqCst), 6);
    assert_eq!(
        Arc::strong_count(&calls),
        1,
        "the interpreter's end dropped the closure"
    );
}

/// Makes an interpreter when it is dropped, and records whether that succeeded.
struct Attaching(Arc<AtomicUsize>);

impl Drop for Attaching {
    fn drop(&mut self) {
        let attach = || made().attach(|_| ());
        let outcome = catch_unwind(AssertUnwindSafe(attach));
        self.0
            .store(1 + usize::from(outcome.is_err()), Ordering::SeqCst);
    }
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: main does not end")]
fn a_closure_that_is_dropped_with_its_interpreter_cannot_attach() {
    let seen = Arc::new(AtomicUsize::new(0));
    let inside = Attaching(Arc::clone(&seen));
    in_interpreter(move |attached| {
        let function = attached.callback(move |attached, _| {
            let _ = &inside;
            Ok(attached.none())
        });
        let sys = attached.import(c"sys").unwrap();
        sys.set("kept_to_the_end", &function.unwrap()).unwrap();
    });
    assert_eq!(seen.load(Ordering::SeqCst), 2, "it panicked");
}

#[test]
fn what_a_panic_carries_may_panic_when_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("once more");
        }
    }
    in_interpreter(|attached| {
        let callback = attached.callback(|_, _| std::panic::panic_any(Bomb));
        let raised = callback.unwrap().call(&[]).unwrap_err().describe();
        assert!(raised.message.contains("panicked"), "{raised}");
    });
    // Nor does it end the main thread, which others need.
    for _ in 0..2 {
        let panicked = runtime().in_main(|_| std::panic::panic_any(Bomb));
        assert!(matches!(panicked, Err(StartError::Failed { .. })));
    }
    assert_eq!(runtime().in_main(|main| main.id()), Ok(0));
}

#[test]
fn a_callback_that_calls_itself_without_end_is_an_error() {
    in_interpreter(|attached| {
        let again = attached.callback(|_, arguments| {
            let again: &Object<'_> = &arguments[0];
            again.call(std::slice::from_ref(again))
        });
        let again = again.unwrap();
        let raised = again.call(std::slice::from_ref(&again)).unwrap_err();
        assert_eq!(raised.kind(), ExceptionKind::RecursionError);
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: there is one interpreter")]
fn a_kept_object_lives_across_attachments_and_not_in_another_interpreter() {
    on_thread(|| {
        let mut one = made();
        let mut other = made();
        let kept = one.attach(|attached| eval(attached, "[1, 2]").keep());
        one.attach(|attached| assert_eq!(kept.get(attached).len(), 2));
        let wrong = AssertUnwindSafe(|| other.attach(|attached| kept.get(attached).len()));
        assert!(catch_unwind(wrong).is_err());
        one.attach(|attached| {
            drop(kept);
            assert_eq!(eval(attached, "1").as_i64(), Some(1));
        });
    });
}

#[test]
fn a_thread_attaches_once() {
    on_thread(|| {
        let mut one = made();
        let mut other = made();
        one.attach(|attached| {
            let again = AssertUnwindSafe(|| other.attach(|_| ()));
            assert!(catch_unwind(again).is_err());
            assert_eq!(eval(attached, "1").as_i64(), Some(1));
        });
        // Detached, the same thread may attach to the other.
        let two = other.attach(|attached| eval(attached, "2").as_i64());
        assert_eq!(two, Some(2));
        let inside = one.attach(|attached| {
            attached.detach(|| {
                let mut third = made();
                third.attach(|attached| eval(attached, "3").as_i64())
            })
        });
        assert_eq!(inside, Some(3));
    });
}

/// What only code with its own `unsafe` can do.
struct Smuggled(Interpreter);
// SAFETY: none: the test shows that the rule is also checked at run time.
unsafe impl Send for Smuggled {}

#[test]
fn another_thread_can_neither_use_nor_end_an_interpreter() {
    on_thread(|| {
        let smuggled = Smuggled(made());
        let used = thread::spawn(move || {
            let mut smuggled = smuggled;
            let inner = &mut smuggled;
            let attach = AssertUnwindSafe(|| inner.0.attach(|_| ()));
            let refused = catch_unwind(attach).is_err();
            let dropped = AssertUnwindSafe(|| drop(smuggled));
            refused && catch_unwind(dropped).is_err()
        });
        assert!(used.join().unwrap());
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: main does not end")]
fn an_interpreter_with_a_raw_thread_left_is_left_and_never_aborts() {
    on_thread(|| {
        let mut interpreter = made();
        interpreter.attach(|attached| {
            let globals = attached.dict().unwrap();
            let source = "import _thread, threading, time\nthreading.current_thread()\n_thread.start_new_thread(time.sleep, (30,))";
            attached.exec(source, "task.py", &globals).unwrap();
        });
        let ended = interpreter.end();
        assert_eq!(ended, Ended::LeftRunning { n_threads: 1 });
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: main does not end")]
fn a_raw_thread_that_is_started_last_never_aborts() {
    let by_thread = "import threading, _thread, time\ndef f():\n    time.sleep(0.2)\n    \
                     _thread.start_new_thread(time.sleep, (30,))\nthreading.Thread(target=f).start()";
    let by_exit_function = "import atexit, _thread, time\n\
                            atexit.register(_thread.start_new_thread, time.sleep, (30,))";
    for source in [by_thread, by_exit_function] {
        let ended = on_thread(move || {
            let mut interpreter = made();
            interpreter.attach(|attached| {
                let globals = attached.dict().unwrap();
                attached.exec(source, "task.py", &globals).unwrap();
            });
            interpreter.end()
        });
        assert_eq!(ended, Ended::LeftRunning { n_threads: 1 });
    }
}

#[test]
fn threads_that_threading_started_are_joined() {
    on_thread(|| {
        let mut interpreter = made();
        interpreter.attach(|attached| {
            let globals = attached.dict().unwrap();
            let source = "import threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n\
                          threading.Thread(target=time.sleep, args=(0.2,), daemon=False).start()\n\
                          pool = ThreadPoolExecutor(2); pool.submit(time.sleep, 0.1)";
            attached.exec(source, "task.py", &globals).unwrap();
        });
        assert_eq!(interpreter.end(), Ended::Ended);
    });
}

#[test]
fn deep_recursion_is_an_error_in_interpreters_and_in_their_threads() {
    in_interpreter(|attached| {
        let source = "import sys, threading\ndef deep(n): return sorted([n], key=deep)\n\
                      def nest():\n    x = []\n    for _ in range(1000000): x = [x]\n    return repr(x)\n\
                      found = []\ndef attempt():\n    for work in (lambda: deep(0), nest):\n        \
                      try: work()\n        except RecursionError: found.append(1)\n\
                      attempt()\nthread = threading.Thread(target=attempt); thread.start(); thread.join()";
        let globals = attached.dict().unwrap();
        attached.exec(source, "task.py", &globals).unwrap();
        let found = globals
            .lookup(&attached.str("found").unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(found.len(), 4);
    });
}

#[test]
fn the_main_interpreter_has_threads_too() {
    on_thread(|| {
        let mut main = Interpreter::on_main(runtime()).unwrap();
        assert_eq!((main.id(), main.has_own_gil()), (0, false));
        let own = Interpreter::new(runtime()).map(drop);
        let refused = Err(StartError::FreeThreaded);
        assert_eq!(own == refused, Runtime::IS_FREE_THREADED);
        let product = main.attach(|attached| eval(attached, "6 * 7").as_i64());
        assert_eq!(product, Some(42));
        assert_eq!(main.end(), Ended::Ended);
    });
    let seven = runtime().in_main(|attached| {
        let globals = attached.dict().unwrap();
        attached.eval("7", &globals).unwrap().as_i64()
    });
    assert_eq!(seven.unwrap(), Some(7));
}
