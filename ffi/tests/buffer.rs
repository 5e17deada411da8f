//! Memory that crosses without a copy, attacked: views that outlive everything, loans from all sides.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use owngil_ffi::{
    Attached, Config, Ended, Interpreter, Kind, Lent, Object, Owner, Runtime, STACK_SIZE, Views,
};

fn on_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::Builder::new().stack_size(STACK_SIZE).spawn(work);
    let joined = thread.unwrap().join();
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// One of this thread's own; on a free-threaded build one more thread of the main one.
fn interpreter() -> Interpreter {
    let runtime = Runtime::start(&Config::default()).unwrap();
    match Runtime::IS_FREE_THREADED {
        true => Interpreter::on_main(runtime).unwrap(),
        false => Interpreter::new(runtime).unwrap(),
    }
}

fn eval<'a>(attached: Attached<'a>, source: &str) -> Object<'a> {
    attached.eval(source, &attached.dict().unwrap()).unwrap()
}

/// Runs a function of Python's on one object.
fn apply<'a>(attached: Attached<'a>, function: &str, object: &Object<'a>) -> String {
    match eval(attached, function).call(std::slice::from_ref(object)) {
        Ok(value) => value.to_python_str().unwrap().text().unwrap(),
        Err(raised) => raised.describe().to_string(),
    }
}

/// An owner that counts how many of them are there.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn owner(bytes: &[u8], count: &Arc<AtomicUsize>) -> Arc<Owner> {
        count.fetch_add(1, Ordering::SeqCst);
        Arc::new(Counted(bytes.to_vec(), Arc::clone(count)))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_view_is_read_only_and_no_code_gets_at_what_is_under_it() {
    on_thread(|| {
        let count = Arc::default();
        let mut interpreter = interpreter();
        interpreter.attach(|attached| {
            let views = Views::new(attached).unwrap();
            let again = Views::new(attached).unwrap();
            let owner = Counted::owner(b"hello", &count);
            let view = views.view(attached, &owner, 0..5).unwrap();
            assert_eq!(view.kind(), Kind::MemoryView);
            let say = |function| apply(attached, function, &view);
            assert_eq!(
                say("lambda v: (bytes(v), v.readonly, v.format, v.shape)"),
                "(b'hello', True, 'B', (5,))"
            );
            assert_eq!(
                say("lambda v: v.__setitem__(0, 1)"),
                "TypeError: cannot modify read-only memory"
            );
            let sink = "lambda v: __import__('io').BytesIO(b'12345').readinto(v)";
            assert!(say(sink).contains("read-write"), "{}", say(sink));
            assert!(view.fill_exported(b"x").is_err());
            assert_eq!(view.get("obj").unwrap().type_name(), "owngil.Buffer");
            // Nothing makes another one, nor turns one into something else.
            for code in [
                "lambda v: type(v.obj)()",
                "lambda v: object.__new__(type(v.obj))",
                "lambda v: type('Sub', (type(v.obj),), {})",
                "lambda v: setattr(v.obj, '__class__', object)",
                "lambda v: setattr(type(v.obj), 'x', 1)",
                "lambda v: setattr(v.obj, 'x', 1)",
                "lambda v: __import__('copy').copy(v.obj)",
                "lambda v: __import__('pickle').dumps(v.obj)",
            ] {
                assert!(
                    say(code).starts_with("TypeError") || say(code).starts_with("AttributeError"),
                    "{code}: {}",
                    say(code)
                );
            }
            // The same memory is known again, a part of it too; what is not ours is not.
            let part = views.view(attached, &owner, 1..4).unwrap();
            let (found, range) = again.shown_by(&part).unwrap();
            assert_eq!(
                ((*found).as_ref().as_ptr(), range),
                ((*owner).as_ref().as_ptr(), 1..4)
            );
            let slice = eval(attached, "lambda v: v[1:]").call(&[part]).unwrap();
            assert_eq!(views.shown_by(&slice).unwrap().1, 2..4);
            for other in [
                "lambda v: v[::2]",
                "lambda v: memoryview(b'x')",
                "lambda v: v.obj",
                "lambda v: [s := v[:], s.release()][0]",
            ] {
                let other = eval(attached, other).call(std::slice::from_ref(&view));
                assert!(other.is_err() || views.shown_by(&other.unwrap()).is_none());
            }
            assert!(views.view(attached, &owner, 3..6).is_err());
            #[expect(clippy::reversed_empty_ranges, reason = "refused")]
            let reversed = views.view(attached, &owner, 3..2);
            assert!(reversed.is_err());
            let empty = views.view(attached, &owner, 5..5).unwrap();
            assert_eq!(apply(attached, "bytes", &empty), "b''");
            assert!(view.copy_exported().unwrap() == b"hello");
        });
        assert_eq!(count.load(Ordering::SeqCst), 0);
        assert_eq!(interpreter.end(), Ended::Ended);
    });
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the main interpreter does not end"
)]
fn views_that_are_alive_when_the_interpreter_ends_give_their_owners_back() {
    let count = Arc::new(AtomicUsize::new(0));
    for keep in [
        "sys.kept = v",
        "sys.kept = v[1:3]",
        "sys.kept = v.obj",
        "sys.kept = [v]; sys.kept.append(sys.kept)",
    ] {
        let owners = Arc::clone(&count);
        on_thread(move || {
            let mut interpreter = interpreter();
            interpreter.attach(|attached| {
                let views = Views::new(attached).unwrap();
                let view = views.view(attached, &Counted::owner(&[7; 1000], &owners), 0..1000);
                let globals = attached.dict().unwrap();
                globals
                    .insert(&attached.str("v").unwrap(), &view.unwrap())
                    .unwrap();
                attached
                    .exec(&format!("import sys; {keep}"), "<test>", &globals)
                    .unwrap();
            });
            assert_eq!(owners.load(Ordering::SeqCst), 1);
            assert_eq!(interpreter.end(), Ended::Ended);
        });
        assert_eq!(count.load(Ordering::SeqCst), 0, "{keep}");
    }
}

#[test]
fn an_owner_that_panics_when_it_is_dropped_does_not_reach_python() {
    struct Faulty;
    impl AsRef<[u8]> for Faulty {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }
    impl Drop for Faulty {
        fn drop(&mut self) {
            // Attached, also on a thread that Python started.
            assert!(catch_unwind(AssertUnwindSafe(|| interpreter().attach(|_| ()))).is_err());
            panic!("a faulty owner");
        }
    }
    on_thread(|| {
        interpreter().attach(|attached| {
            let views = Views::new(attached).unwrap();
            let code = "lambda held: [t := __import__('threading').Thread(target=held.clear), \
                        t.start(), t.join(), len(held)]";
            for _ in 0..2 {
                let owner: Arc<Owner> = Arc::new(Faulty);
                let view = views.view(attached, &owner, 0..1).unwrap();
                drop(owner);
                let list = attached.list([view]).unwrap();
                assert!(apply(attached, code, &list).ends_with("0]"));
            }
        });
    });
}

#[test]
fn exported_memory_is_copied_and_filled_within_its_bounds() {
    on_thread(|| {
        interpreter().attach(|attached| {
            let array = attached.byte_array(b"hello").unwrap();
            assert_eq!(array.kind(), Kind::ByteArray);
            array.fill_exported(b"HE").unwrap();
            array.fill_exported(b"").unwrap();
            assert_eq!(array.copy_exported().unwrap(), b"HEllo");
            assert!(array.fill_exported(b"longer").is_err());
            // Nothing is left locked.
            assert_eq!(apply(attached, "lambda a: a.extend(b'!')", &array), "None");
            for (source, expected) in [
                ("memoryview(b'abcdef')[2:4]", Some(&b"cd"[..])),
                ("memoryview(b'abcdef')[::2]", None),
                ("memoryview(b'')", Some(b"")),
                ("__import__('array').array('B', [1, 2])", Some(&[1, 2])),
                ("'text'", None),
            ] {
                let copy = eval(attached, source).copy_exported();
                assert_eq!(copy.ok().as_deref(), expected, "{source}");
            }
            let (base, range) = eval(attached, "memoryview(b'abcdef')[2:4]")
                .bytes_shown()
                .unwrap();
            assert_eq!((base.as_bytes().unwrap(), range), (&b"abcdef"[..], 2..4));
            assert!(
                eval(attached, "memoryview(bytearray(3))")
                    .bytes_shown()
                    .is_none()
            );
        });
    });
}

fn lend(interpreter: &mut Interpreter, source: &str) -> Option<Lent> {
    let loans = interpreter.loans().clone();
    interpreter.attach(|attached| loans.lend(&eval(attached, source)))
}

#[test]
fn what_is_lent_is_read_and_dropped_on_any_thread_and_goes_back() {
    on_thread(|| {
        let mut interpreter = interpreter();
        let loans = interpreter.loans().clone();
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        loans.on_return(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        for source in [
            "'text'",
            "bytearray(3)",
            "memoryview(b'x')",
            "type('B', (bytes,), {})()",
        ] {
            assert!(lend(&mut interpreter, source).is_none(), "{source}");
        }
        let lent: Vec<_> = (0..64)
            .map(|n| lend(&mut interpreter, &format!("bytes([{n}]) * 10_000")).unwrap())
            .collect();
        let lent = Arc::new(lent);
        assert_eq!(loans.n_out(), 64);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (n, bytes) in lent.iter().enumerate() {
                        assert_eq!(**bytes, [n as u8; 10_000]);
                    }
                });
            }
        });
        let mut lent = Arc::into_inner(lent).unwrap();
        thread::scope(|scope| {
            while !lent.is_empty() {
                let some = lent.split_off(lent.len() - 8);
                scope.spawn(move || drop(some));
            }
        });
        assert_eq!((loans.n_out(), woken.load(Ordering::SeqCst)), (0, 1));
        assert!(loans.has_returned());
        interpreter.attach(|attached| loans.take_back(attached));
        assert!(!loans.has_returned());
        // Attached, the reference goes at once.
        interpreter.attach(|attached| {
            let bytes = eval(attached, "bytes(1000)");
            let before = bytes.n_references();
            let lent = loans.lend(&bytes).unwrap();
            assert_eq!(bytes.n_references(), before + 1);
            drop(lent);
            assert_eq!(bytes.n_references(), before);
            let lent = loans.lend(&bytes).unwrap();
            attached.detach(|| drop(lent));
            assert_eq!(bytes.n_references(), before + 1);
            loans.take_back(attached);
            assert_eq!(bytes.n_references(), before);
        });
        assert_eq!(interpreter.end(), Ended::Ended);
    });
}

#[test]
#[cfg_attr(Py_GIL_DISABLED, ignore = "free-threaded: there is one interpreter")]
fn loans_are_of_one_interpreter() {
    on_thread(|| {
        let (mut one, mut other) = (interpreter(), interpreter());
        let loans = one.loans().clone();
        other.attach(|attached| {
            assert!(loans.lend(&eval(attached, "bytes(10)")).is_none());
            assert!(catch_unwind(AssertUnwindSafe(|| loans.take_back(attached))).is_err());
        });
        // What one has lent is dropped under the other.
        let lent = lend(&mut one, "bytes(10)").unwrap();
        other.attach(|_| drop(lent));
        assert!(loans.has_returned());
    });
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the main interpreter does not end"
)]
fn an_interpreter_never_ends_while_something_is_lent() {
    let lent = on_thread(|| {
        let mut interpreter = interpreter();
        let lent = lend(&mut interpreter, "b'x' * 100_000").unwrap();
        assert_eq!(interpreter.end(), Ended::StillLent { n_objects: 1 });
        lent
    });
    assert_eq!(*lent, [b'x'; 100_000]);
    drop(lent);
    // Dropped, not ended; and one more thread waits until all is back.
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiting = thread::spawn(move || {
        on_thread(move || {
            let mut interpreter = interpreter();
            for _ in 0..3 {
                sender
                    .send(lend(&mut interpreter, "b'x' * 100_000").unwrap())
                    .unwrap();
            }
            drop(sender);
            interpreter.wind_down();
            interpreter.loans().wait_all_back();
            assert_eq!(interpreter.end(), Ended::Ended);
        });
    });
    let mut lent: Vec<Lent> = receiver.iter().collect();
    while let Some(one) = lent.pop() {
        assert!(!waiting.is_finished());
        assert!(one.iter().all(|byte| *byte == b'x'));
    }
    waiting.join().unwrap();
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: the main interpreter does not end"
)]
fn nothing_is_lent_by_an_interpreter_that_is_ending() {
    on_thread(|| {
        let mut interpreter = interpreter();
        let loans = interpreter.loans().clone();
        let (kept, lent) = (Arc::new(std::sync::Mutex::new(Vec::new())), loans.clone());
        let keep = Arc::clone(&kept);
        interpreter.attach(|attached| {
            let callback = attached.callback(move |attached, arguments| {
                keep.lock().unwrap().push(lent.lend(&arguments[0]));
                Ok(attached.none())
            });
            let globals = attached.dict().unwrap();
            let name = attached.str("lend").unwrap();
            globals.insert(&name, &callback.unwrap()).unwrap();
            // Runs when the interpreter's modules are cleared, after all that can be called off.
            let code = "import sys
class Last:
    def __del__(self, lend=lend): lend(bytes(100))
sys.last = Last()";
            attached.exec(code, "<test>", &globals).unwrap();
        });
        assert_eq!(interpreter.end(), Ended::Ended);
        let kept = kept.lock().unwrap();
        assert!(kept.len() == 1 && kept[0].is_none());
        assert_eq!(loans.n_out(), 0);
    });
}

#[test]
fn threads_of_the_main_interpreter_lend_too() {
    let lent = on_thread(|| {
        let runtime = Runtime::start(&Config::default()).unwrap();
        let mut thread = Interpreter::on_main(runtime).unwrap();
        let lent = lend(&mut thread, "bytes(1000)").unwrap();
        assert_eq!(thread.end(), Ended::Ended);
        lent
    });
    // The main interpreter lives on.
    assert_eq!(*lent, [0; 1000]);
}
