//! Memory that crosses without a copy, and what becomes of it: who owns it, and for how long.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{self, BACKENDS, HERE, PARALLEL, pool, resident_kib, rows, soon};
use owngil::{
    Backend, Buffer, Error, Function, Interpreter, OutputPolicy, OutputStream, Payload, Pool,
    Value, keywords,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

const LARGE: usize = 1 << 20;

/// Memory that counts how many of its kind are there.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn buffer(length: usize, count: &Arc<AtomicUsize>) -> Buffer {
        count.fetch_add(1, Ordering::SeqCst);
        Buffer::from_owner(Counted(vec![7; length], Arc::clone(count)))
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
fn an_argument_is_a_read_only_view_of_the_very_memory() {
    for backend in rows(HERE) {
        let pool = pool(backend, 1);
        let look = Function::source(
            "def look(view):
    try:
        view[0] = 1
    except TypeError as error:
        refused = str(error)
    return type(view).__name__, view.readonly, view.nbytes, bytes(view[:3]), refused",
            "look",
        );
        for length in [0, 3, 100, LARGE] {
            let seen: (String, bool, usize, ByteBuf, String) =
                pool.call(&look, (Buffer::from(vec![5; length]),)).unwrap();
            let (kind, read_only, n, start, refused) = seen;
            assert_eq!((kind.as_str(), read_only, n), ("memoryview", true, length));
            assert_eq!(*start, vec![5; length.min(3)]);
            assert_eq!(refused, "cannot modify read-only memory");
        }
        let back = Function::source("def back(view): return view", "back");
        let memory = Buffer::from(vec![1; LARGE]);
        let same: Buffer = pool.call(&back, (&memory,)).unwrap();
        assert_eq!(same.as_ptr(), memory.as_ptr());
        let part = Function::source("def part(view): return [view[10:20], view[::2]]", "part");
        let error = pool.call::<Vec<Buffer>, _>(&part, (&memory,)).unwrap_err();
        assert!(error.to_string().contains("contiguous"), "{error}");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Frame {
    name: String,
    pixels: Buffer,
    mask: Option<Buffer>,
}

#[test]
fn buffers_may_stand_anywhere_in_arguments_and_results() {
    let pool = pool(PARALLEL, 1);
    let frame = Frame {
        name: "a".into(),
        pixels: Buffer::from(vec![1; LARGE]),
        mask: Some(Buffer::from(&b"mask"[..])),
    };
    let same = Function::source("def same(frame): return frame", "same");
    let back: Frame = pool.call(&same, (&frame,)).unwrap();
    assert_eq!(back, frame);
    assert_eq!(back.pixels.as_ptr(), frame.pixels.as_ptr());
    let arguments = keywords(
        (vec![frame.pixels.clone(); 2],),
        HashMap::from([("last", frame.mask.clone())]),
    );
    let lengths = Function::source(
        "def lengths(two, *, last): return [len(view) for view in two], bytes(last)",
        "lengths",
    );
    let (two, last): (Vec<usize>, ByteBuf) = pool.call(&lengths, arguments).unwrap();
    assert_eq!((two, &**last), (vec![LARGE; 2], &b"mask"[..]));
    let inputs = (0..100_usize).map(|n| (Buffer::from(vec![n as u8; n * 1000]), n));
    let first = Function::source("def first(view, n): return view[:n]", "first");
    for (n, part) in pool.map::<Buffer, _>(&first, inputs).enumerate() {
        assert_eq!(*part.unwrap(), vec![n as u8; n]);
    }
}

#[test]
fn what_is_bytes_in_python_stays_bytes_whatever_its_size_and_wherever_it_goes() {
    let pools = [pool(PARALLEL, 1), pool(Backend::Thread, 1)];
    let kind = Function::source(
        "def kind(data): return type(data).__name__, len(data), bytes(data)[-1]",
        "kind",
    );
    for length in [1, 1000, 100_000, LARGE] {
        let make = Function::source("def make(n): return {'data': b'x' * n, 'n': n}", "make");
        for (here, there) in [(&pools[0], &pools[1]), (&pools[1], &pools[0])] {
            let value: Value = here.call(&make, (length,)).unwrap();
            let data = value.get("data").unwrap();
            assert_eq!(*data, Value::Bytes(vec![b'x'; length]));
            let payload: Payload = here.call(&make, (length,)).unwrap();
            assert!(payload.type_name() == "dict" && payload == payload.clone());
            let fields: HashMap<String, Payload> = payload.decode().unwrap();
            drop(payload);
            let data = &fields["data"];
            assert_eq!(data.type_name(), "bytes");
            let seen: (String, usize, u8) = there.call(&kind, (data,)).unwrap();
            assert_eq!(seen, ("bytes".into(), length, b'x'));
            let pair: (String, usize, u8) = there
                .call(
                    &Function::source("def f(pair): return type(pair[1]).__name__, 2, 3", "f"),
                    ((0, data),),
                )
                .unwrap();
            assert_eq!(pair.0, "bytes");
            let bytes: ByteBuf = data.decode().unwrap();
            assert_eq!(bytes.len(), length);
            let borrowed: &serde_bytes::Bytes = data.decode().unwrap();
            assert_eq!(**borrowed, **bytes);
            let numbers: Vec<u8> = data.decode().unwrap();
            assert_eq!(numbers, **bytes);
            assert!(data.decode::<String>().is_err() && data.decode::<i64>().is_err());
            let buffer: Buffer = data.decode().unwrap();
            assert_eq!(*buffer, **bytes);
            let seen: (String, usize, u8) = there.call(&kind, (&buffer,)).unwrap();
            assert_eq!(
                seen.0, "memoryview",
                "a Buffer is asked for, and is one again"
            );
        }
    }
}

#[test]
fn a_bytearray_and_a_memoryview_keep_their_types_and_what_changes_is_copied() {
    let pool = pool(PARALLEL, 1);
    let make = Function::source(
        "import array
kept = bytearray(b'abc' * 50_000)
def make():
    numbers = memoryview(array.array('i', [1, 2]))
    return {'kept': kept, 'both': [kept, kept], 'view': memoryview(kept)[3:6],
            'numbers': numbers, 'constant': memoryview(bytes(100_000))[5:]}
",
        "make",
    );
    let value: Value = pool.call(&make, ()).unwrap();
    let payload: Payload = pool.call(&make, ()).unwrap();
    let Some(Value::ByteArray(kept)) = value.get("kept") else {
        panic!("{value:?}")
    };
    assert_eq!(**kept, b"abc".repeat(50_000));
    assert_eq!(
        value.get("view"),
        Some(&Value::Buffer(Buffer::from(&b"abc"[..])))
    );
    let ints: Vec<u8> = [1_i32, 2].iter().flat_map(|n| n.to_ne_bytes()).collect();
    assert_eq!(value.get("numbers"), Some(&Value::Buffer(ints.into())));
    assert_eq!(
        value.get("constant"),
        Some(&Value::Buffer(vec![0; 99_995].into()))
    );
    let look = Function::source(
        "def look(value):
    first, second = value['both']
    first.append(1)
    return [type(item).__name__ for item in value.values()], first is second, len(second), \
         value['kept'] is first",
        "look",
    );
    let types = [
        "bytearray",
        "list",
        "memoryview",
        "memoryview",
        "memoryview",
    ];
    let expected = (types.map(str::to_owned).to_vec(), true, 150_001, true);
    let seen: (Vec<String>, bool, usize, bool) = pool.call(&look, (payload,)).unwrap();
    assert_eq!(seen, expected);
    let seen: (Vec<String>, bool, usize, bool) = pool.call(&look, (value,)).unwrap();
    assert_eq!(
        (seen.0, seen.2),
        (expected.0, 150_000),
        "a Value knows nothing of what was shared"
    );
}

#[test]
fn other_formats_see_bytes() {
    let buffer = Buffer::from(vec![1, 2, 255]);
    let json = serde_json::to_string(&buffer).unwrap();
    assert_eq!(json, "[1,2,255]");
    assert_eq!(serde_json::from_str::<Buffer>(&json).unwrap(), buffer);
    assert_eq!(
        serde_json::to_string(&Value::Buffer(buffer.clone())).unwrap(),
        json
    );
    assert_eq!(format!("{buffer:?}"), "Buffer(3 bytes)");
    assert_eq!(*buffer.slice(1..3), [2, 255]);
    assert_eq!(*buffer.slice(1..3).slice(1..2), [255]);
    assert!(std::panic::catch_unwind(|| buffer.slice(2..4)).is_err());
    assert!(serde_json::from_str::<Buffer>("null").is_err());
}

#[test]
fn memory_lives_as_long_as_python_keeps_a_view_and_no_longer() {
    let alive = Arc::new(AtomicUsize::new(0));
    for backend in rows(HERE) {
        let pool = pool(backend, 1);
        let keep = Function::source(
            "kept = []
def keep(view, action):
    if action == 'keep':
        kept.append(view[1:])
    if action == 'drop':
        kept.clear()
    return sum(len(view) for view in kept)",
            "keep",
        );
        let call = |action| {
            let buffer = Counted::buffer(1000, &alive);
            pool.call::<usize, _>(&keep, (buffer, action)).unwrap()
        };
        assert_eq!(call("look"), 0);
        soon("given back", || alive.load(Ordering::SeqCst) == 0);
        assert_eq!(call("keep"), 999);
        assert_eq!(call("keep"), 1998);
        soon("given back", || alive.load(Ordering::SeqCst) == 2);
        assert_eq!(call("drop"), 0);
        soon("given back", || alive.load(Ordering::SeqCst) == 0);
        // What an interpreter keeps goes with it.
        if backend == Backend::Interpreter {
            call("keep");
            pool.shutdown();
            soon("given back", || alive.load(Ordering::SeqCst) == 0);
        } else {
            call("drop");
        }
    }
}

#[test]
fn arguments_that_never_arrive_give_their_memory_back() {
    let alive = Arc::new(AtomicUsize::new(0));
    let pool = pool(PARALLEL, 1);
    let nap = Function::at("time:sleep");
    let busy = pool.submit::<(), _>(&nap, 0.2).unwrap();
    let queued: Vec<_> = (0..10)
        .map(|_| {
            pool.submit::<(), _>(&nap, Counted::buffer(10, &alive))
                .unwrap()
        })
        .collect();
    assert_eq!(alive.load(Ordering::SeqCst), 10);
    drop(pool);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    drop(busy);
    for task in queued {
        assert_eq!(task.wait(), Err(Error::cancelled(None)));
    }
    let failing = (Counted::buffer(10, &alive), f64::NAN, Failing);
    assert!(
        support::pool(PARALLEL, 1)
            .call::<(), _>(&nap, failing)
            .is_err()
    );
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it keeps what is freed for a while"
)]
fn an_idle_worker_gives_lent_memory_back_by_itself() {
    let pool = pool(PARALLEL, 1);
    let make = Function::source("def make(n): return b'x' * n", "make");
    let large: Buffer = pool.call(&make, (256 << 20,)).unwrap();
    let with = resident_kib();
    assert!(with > 256 << 10, "it is all there: {with} kB");
    drop(large);
    soon("freed", || resident_kib() < with - (200 << 10));
}

#[test]
fn results_outlive_their_pool_which_does_not_wait_for_them() {
    for backend in rows(BACKENDS) {
        let pool = pool(backend, 1);
        let make = Function::source(
            "import atexit, sys
def make(n, path):
    atexit.register(lambda: open(path, 'w').write('done'))
    return bytes([n]) * 100_000",
            "make",
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exit");
        let task = pool
            .submit::<Buffer, _>(&make, (1, path.to_str().unwrap()))
            .unwrap();
        let buffer: Buffer = pool.call(&make, (2, path.to_str().unwrap())).unwrap();
        let payload: Payload = pool.call(&make, (3, path.to_str().unwrap())).unwrap();
        let start = Instant::now();
        drop(pool);
        assert!(
            start.elapsed() < Duration::from_secs(4),
            "{:?}",
            start.elapsed()
        );
        if backend == Backend::Interpreter {
            assert!(path.exists(), "exit functions do not wait for what is out");
        }
        // From as many threads as may be.
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (buffer, payload) = (buffer.clone(), payload.clone());
                thread::spawn(move || {
                    assert_eq!(*buffer, [2; 100_000]);
                    assert_eq!(*payload.decode::<Buffer>().unwrap(), [3; 100_000]);
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*task.wait().unwrap(), [1; 100_000]);
        let other = support::pool(PARALLEL, 1);
        let seen: (Buffer, u8) = other
            .call(
                &Function::source("def f(view): return view, view[-1]", "f"),
                (&buffer,),
            )
            .unwrap();
        assert_eq!((seen.0.as_ptr(), seen.1), (buffer.as_ptr(), 2));
        drop((buffer, payload, other));
        assert_eq!(*seen.0, [2; 100_000]);
    }
}

/// The threads of this process that have that name.
fn n_threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

#[test]
fn the_thread_of_a_worker_ends_when_the_last_of_its_memory_is_back() {
    let pool = Pool::builder().workers(8).build().unwrap();
    let make = Function::source("def make(): return bytes(100_000)", "make");
    let results = pool.broadcast::<Buffer, _>(&make, ()).unwrap();
    let mut buffers: Vec<Buffer> = results.into_iter().map(Result::unwrap).collect();
    drop(pool);
    // Workers of other tests have lower numbers.
    let is_there = || n_threads_named("owngil-7") > 0;
    assert!(is_there());
    let clone = buffers[7].clone();
    buffers.clear();
    assert!(is_there() && clone.iter().all(|byte| *byte == 0));
    drop(clone);
    soon("ended", || !is_there());
}

#[test]
fn many_threads_drop_results_while_workers_make_more() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let make = Function::source(
        "def make(n): return [bytes([n % 256]) * 70_000] * 2",
        "make",
    );
    let (sender, receiver) = crossbeam_channel::unbounded::<(usize, Vec<Buffer>)>();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let receiver = receiver.clone();
            thread::spawn(move || {
                receiver.iter().fold(0, |n, (number, pair)| {
                    assert!(pair.iter().all(|part| **part == [number as u8; 70_000]));
                    n + 1
                })
            })
        })
        .collect();
    drop(receiver);
    for (number, pair) in pool.map::<Vec<Buffer>, _>(&make, 0..2000_usize).enumerate() {
        sender.send((number, pair.unwrap())).unwrap();
    }
    drop(sender);
    let read: usize = readers
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(read, 2000);
}

#[test]
fn a_worker_that_panics_leaves_its_results_readable() {
    let sink = |_: OutputStream, _: &[u8]| panic!("a faulty sink");
    let pool = Pool::builder()
        .workers(1)
        .output(OutputPolicy::Sink(Arc::new(sink)))
        .build()
        .unwrap();
    let make = Function::source("def make(): return bytes(100_000)", "make");
    let buffer: Buffer = pool.call(&make, ()).unwrap();
    let shout = Function::source("def shout(): print('now')", "shout");
    assert!(matches!(
        pool.call::<(), _>(&shout, ()),
        Err(Error::WorkerLost(_))
    ));
    let another: Buffer = pool.call(&make, ()).unwrap();
    drop(pool);
    assert_eq!(buffer, another);
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn without_a_pool_results_are_copied_and_arguments_are_not() {
    let (large, same) = Interpreter::scope(|python| {
        python.exec("def make(n): return bytes(n)\ndef back(view): return view")?;
        let memory = Buffer::from(vec![3; LARGE]);
        python.set("view", &memory)?;
        let same: Buffer = python.eval("view")?;
        assert_eq!(same.as_ptr(), memory.as_ptr());
        Ok((python.eval::<Buffer>("make(1_000_000)")?, same))
    })
    .unwrap();
    assert_eq!((large.len(), same.len()), (1_000_000, LARGE));
}

/// Objects that are pickled, with large parts of each kind.
const OBJECTS: &str = "
import dataclasses, pickle

@dataclasses.dataclass
class Frame:
    name: str
    pixels: bytes
    notes: list

class Picture:
    '''Pickles its memory out of band, and keeps it as it is given.'''
    def __init__(self, memory):
        self.memory = memory
    def __reduce_ex__(self, protocol):
        return Picture, (pickle.PickleBuffer(self.memory),)
    def __eq__(self, other):
        return bytes(self.memory) == bytes(other.memory)

def make(n):
    pixels = bytes(range(256)) * (n // 256)
    return [
        Frame('a' * n, pixels, ['ü' * n, bytearray(pixels), pixels]),
        [Picture(pixels), Picture(bytearray(pixels)), Picture(memoryview(pixels)[1:])],
        Frame('second', b'', []),
    ]

def check(value, n):
    frame, (constant, changing, part), _ = value
    assert value == make(n)
    assert frame.pixels is frame.notes[2]
    assert type(constant.memory) is type(part.memory) is memoryview, type(constant.memory)
    assert constant.memory.readonly and part.memory.readonly
    assert type(changing.memory) is bytearray
    frame.notes[1].append(1)
    changing.memory[0] = 7
    return len(frame.pixels)

def strided():
    return Picture(memoryview(bytes(1000))[::2])
";

#[test]
fn objects_cross_with_their_large_parts_beside_the_pickle() {
    let (make, check) = (
        Function::source(OBJECTS, "make"),
        Function::source(OBJECTS, "check"),
    );
    for backend in rows(BACKENDS) {
        let pools = [pool(backend, 1), pool(PARALLEL, 1)];
        for n in [256, 32 * 1024, 64 * 1024, 256 * 1024] {
            let payload: Payload = pools[0].call(&make, (n,)).unwrap();
            assert_eq!(payload.type_name(), "list");
            if n == 256 * 1024 {
                assert!(payload.as_bytes().len() < 1000, "{payload:?}");
            }
            let value: Value = pools[0].call(&make, (n,)).unwrap();
            let Value::List(items) = &value else {
                panic!("{value:?}")
            };
            let Value::Opaque(frame) = &items[0] else {
                panic!("{value:?}")
            };
            assert!(frame.type_name().ends_with(".Frame"));
            // As it is, as a tree, and out of a container with other buffers before it.
            for pool in &pools {
                for _ in 0..2 {
                    let seen: usize = pool.call(&check, (&payload, n)).unwrap();
                    assert_eq!(seen, n);
                }
                assert_eq!(pool.call::<usize, _>(&check, (&value, n)).unwrap(), n);
                let pixels = Function::source("def f(a, b): return b[1].pixels[-1], b[0][1]", "f");
                let buffer = Buffer::from(vec![3; n]);
                let seen: (u8, Buffer) = pool
                    .call(&pixels, ((&buffer, 1), ((&buffer, &buffer), frame)))
                    .unwrap();
                assert_eq!(seen, (255, buffer));
            }
            let parts: Vec<Payload> = payload.decode().unwrap();
            let alone = Function::source("def f(frame, n): return frame.notes[0] == 'ü' * n", "f");
            assert!(pools[1].call::<bool, _>(&alone, (&parts[0], n)).unwrap());
            let frame = frame.to_payload();
            drop((payload, parts, value));
            assert!(pools[1].call::<bool, _>(&alone, (&frame, n)).unwrap());
        }
        let strided = Function::source(OBJECTS, "strided");
        let error = pools[0].call::<Payload, _>(&strided, ()).unwrap_err();
        assert!(error.to_string().contains("contiguous"), "{error}");
    }
}

#[test]
#[cfg_attr(
    Py_GIL_DISABLED,
    ignore = "free-threaded: it makes no interpreters of one's own"
)]
fn without_a_pool_objects_cross_with_large_parts_too() {
    let seen = Interpreter::scope(|python| {
        let (make, check) = (
            Function::source(OBJECTS, "make"),
            Function::source(OBJECTS, "check"),
        );
        let payload: Payload = python.call(&make, (1 << 20,))?;
        python.call::<usize, _>(&check, (payload, 1 << 20))
    });
    assert_eq!(seen, Ok(1 << 20));
}
