//! Pool: a pool as a host sees it, whose calls have tickets.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use owngil_ffi::{Attached, Borrowed, Object, PyResult};

use super::backlog::Backlog;
use super::calls::{Calls, Taken};
use super::functions::function_of;
use super::map;
use super::settings::{builder, count, seconds};
use super::wait::{SLICE, wait};
use super::{add, codec, outcome, process, raised, report};
use crate::bell::Bell;
use crate::bytes::Bytes;
use crate::error::Error;
use crate::payload::Encoding;
use crate::pool::Pool;
use crate::task::{Batch, Job, Recipient};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct HostPool {
    pub(super) pool: Pool,
    calls: Arc<Calls>,
    /// What a wait on Python's main thread sleeps at.
    pub(super) bell: Arc<Bell>,
    backlog: Arc<Backlog>,
    /// It takes no more calls.
    is_closed: AtomicBool,
    /// The maps that go on by themselves.
    n_maps: Arc<AtomicUsize>,
    /// In which process it was made.
    process: u32,
}

/// Adds `open_pool(…)`, which gives the functions of a new pool.
pub(super) fn populate<'a>(attached: Attached<'a>, module: &Object<'a>) -> PyResult<'a, ()> {
    add(attached, module, "open_pool", open)
}

fn open<'a>(attached: Attached<'a>, arguments: &[Borrowed<'a>]) -> PyResult<'a, Object<'a>> {
    if attached.id() != 0 {
        let message =
            "a pool is made in the main interpreter, not in a worker that is an interpreter";
        return Err(attached.raise_runtime_error(message));
    }
    let builder = builder(attached, arguments)?;
    let built = attached.detach(|| builder.build());
    let pool = built.map_err(|error| raised(attached, &error))?;
    owngil_ffi::hosted::keep_handlers(attached)?;
    let bell = Bell::new().map_err(|error| attached.raise_os_error(&error.to_string()))?;
    let bell = Arc::new(bell);
    let pool = Arc::new(HostPool {
        pool,
        calls: Arc::new(Calls::new(Arc::clone(&bell))),
        bell,
        backlog: Arc::default(),
        is_closed: AtomicBool::new(false),
        n_maps: Arc::default(),
        process: std::process::id(),
    });
    process::note(&pool);
    functions(attached, &pool)
}

type Method = for<'a> fn(&Arc<HostPool>, Attached<'a>, &[Borrowed<'a>]) -> PyResult<'a, Object<'a>>;

/// In the order in which `_native.Pool` unpacks them.
const METHODS: [Method; 13] = [
    submit,
    take_done,
    wake,
    cancel,
    is_running,
    interrupt,
    map::open,
    stacks,
    stats,
    shutdown,
    terminate,
    n_workers,
    backend,
];

fn functions<'a>(attached: Attached<'a>, pool: &Arc<HostPool>) -> PyResult<'a, Object<'a>> {
    let function = |method: Method| {
        let pool = Arc::clone(pool);
        attached.callback(move |attached, arguments| {
            pool.check(attached)?;
            method(&pool, attached, arguments)
        })
    };
    let functions: PyResult<'a, Vec<_>> = METHODS.into_iter().map(function).collect();
    attached.tuple(functions?)
}

impl HostPool {
    /// That it is not one of the process that this one was forked off from.
    fn check<'a>(&self, attached: Attached<'a>) -> PyResult<'a, ()> {
        match self.is_of_this_process() {
            true => Ok(()),
            false => Err(attached.raise_runtime_error(
                "the pool belongs to the process that this one was forked from\nhint: make a pool here",
            )),
        }
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// That it takes calls. From the first on, the program's environment variables are those of its workers: other threads
    /// of the program need the GIL to change them.
    pub(super) fn admit<'a>(&self, attached: Attached<'a>) -> PyResult<'a, ()> {
        match self.is_closed.load(Ordering::Relaxed) {
            false => {
                self.pool.take_variables();
                Ok(())
            }
            true => Err(raised(attached, &Error::ShutDown)),
        }
    }

    /// Counts a map that goes on by itself, until what this gives is dropped.
    pub(super) fn count_map(&self) -> CountedMap {
        self.n_maps.fetch_add(1, Ordering::SeqCst);
        CountedMap(Arc::clone(&self.n_maps))
    }

    /// Runs what is queued, and ends the workers.
    fn drain(&self) {
        while !self.backlog.await_empty(SLICE) || self.n_maps.load(Ordering::SeqCst) > 0 {
            thread::sleep(SLICE / 10);
        }
        self.pool.shutdown();
        self.calls.close();
    }

    /// Ends what is queued and what runs, and the workers.
    pub(super) fn end(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.backlog.clear();
        self.pool.cancel();
        self.calls.close();
    }
}

/// See [`HostPool::count_map`].
#[derive(Debug)]
pub(super) struct CountedMap(Arc<AtomicUsize>);

impl Drop for CountedMap {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for HostPool {
    /// Without waiting: the thread may be attached.
    fn drop(&mut self) {
        let pool = self.pool.clone();
        if !self.is_of_this_process() {
            // Its threads are not here.
            std::mem::forget(pool);
            return;
        }
        self.backlog.clear();
        let _ = thread::Builder::new().spawn(move || {
            pool.cancel();
            drop(pool);
        });
    }
}

thread_local! {
    /// What calls are encoded into.
    static BUFFER: RefCell<Encoding> = RefCell::default();
}

fn submit<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let [function, positional, keywords, timeout] = arguments else {
        return Err(
            attached.raise_type_error("submit takes a function, args, kwargs and a timeout")
        );
    };
    pool.admit(attached)?;
    let function = function_of(function)?;
    let limit = seconds(timeout, "timeout")?;
    let keywords = (!keywords.is_none()).then_some(&**keywords);
    // Pickling may make a call itself.
    let mut buffer = BUFFER.take();
    let encoded = codec::with_codec(attached, |codec| {
        let encode = || codec::encode_call(codec, attached, positional, keywords, &mut buffer);
        pool.pool.encoding(encode)
    })?;
    encoded.map_err(|error| raised(attached, &error.into()))?;
    let calls = Bytes::take_from(&mut buffer);
    BUFFER.set(buffer);
    let batch = pool
        .pool
        .limited(Batch::of_encoded(&function, calls, 1, None), limit);
    let slot = pool.pool.slot();
    let job = Job::new(batch, Recipient::Task(Arc::clone(&slot)));
    let given = pool.backlog.give(&pool.pool, function, job);
    given.map_err(|error| raised(attached, &error))?;
    attached.int(pool.calls.add(&slot) as i64)
}

fn take_done<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let [max, timeout] = arguments else {
        return Err(attached.raise_type_error("take_done takes a number and a timeout"));
    };
    let max = count(max, "max")?.unwrap_or(usize::MAX);
    let limit = seconds(timeout, "timeout")?;
    let taken = wait(attached, &pool.bell, limit, |slice| {
        pool.calls.take(max, slice)
    })?;
    let Some(Taken(taken)) = taken else {
        return attached.list([]);
    };
    let is_broken = pool.pool.has_failed();
    let done = codec::with_codec(attached, |codec| {
        let done = taken.iter().map(|(ticket, slot)| {
            let result = slot
                .wait()
                .only_result_by(|reader| codec::decode(codec, attached, reader));
            let is_value = attached.bool(result.is_ok());
            let value = match result {
                Ok(value) => value,
                Err(error) => outcome::failure(attached, &error, is_broken)?,
            };
            attached.tuple([attached.int(*ticket as i64)?, is_value, value])
        });
        done.collect::<PyResult<'a, Vec<_>>>()
    })?;
    attached.list(done?)
}

fn wake<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    _: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    pool.calls.wake();
    Ok(attached.none())
}

/// What is asked of one call.
fn of_call<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    ask: impl FnOnce(&Pool, &Arc<crate::task::Slot>) -> bool + Send,
) -> PyResult<'a, Object<'a>> {
    let ticket = arguments.first().and_then(|ticket| ticket.as_i64());
    let Some(ticket) = ticket else {
        return Err(attached.raise_type_error("a ticket is a number"));
    };
    let slot = pool.calls.slot(ticket as u64);
    let answer = slot.is_some_and(|slot| attached.detach(|| ask(&pool.pool, &slot)));
    Ok(attached.bool(answer))
}

fn cancel<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    of_call(pool, attached, arguments, Pool::cancel_queued)
}

fn is_running<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    of_call(pool, attached, arguments, Pool::runs)
}

fn interrupt<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    of_call(pool, attached, arguments, |pool, slot| {
        let is_open = slot.results().is_none();
        pool.end_call(slot);
        is_open
    })
}

fn stacks<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    _: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let text = attached.detach(|| pool.pool.stacks().to_string());
    attached.str(&text)
}

fn stats<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    _: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let (stats, moved) = attached.detach(|| (pool.pool.stats(), pool.pool.moved()));
    report::stats(attached, &stats, &moved)
}

/// Runs `work` on a thread of its own.
fn on_thread<'a>(attached: Attached<'a>, work: impl FnOnce() + Send + 'static) -> PyResult<'a, ()> {
    let thread = thread::Builder::new().name("owngil-shutdown".to_owned());
    let started = thread.spawn(work);
    started
        .map(drop)
        .map_err(|error| attached.raise_os_error(&error.to_string()))
}

fn shutdown<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let waits = match arguments.first() {
        Some(waits) => waits.is_true()?,
        None => true,
    };
    if !pool.is_closed.swap(true, Ordering::SeqCst) {
        let drained = Arc::clone(pool);
        on_thread(attached, move || drained.drain())?;
    }
    if waits {
        // Not for the thread: what is terminated meanwhile may never end.
        wait(attached, &pool.bell, None, |slice| {
            pool.calls.await_closed(slice)
        })?;
    }
    Ok(attached.none())
}

fn terminate<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    _: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    pool.is_closed.store(true, Ordering::SeqCst);
    let ended = Arc::clone(pool);
    on_thread(attached, move || ended.end())?;
    wait(attached, &pool.bell, None, |slice| {
        pool.calls.await_closed(slice)
    })?;
    Ok(attached.none())
}

fn n_workers<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    _: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    attached.int(pool.pool.n_workers() as i64)
}

fn backend<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    _: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    attached.str(&pool.pool.backend().to_string())
}
