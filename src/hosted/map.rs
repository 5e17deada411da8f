//! Map: the calls of a function for many inputs, as a host asks for their results.
//!
//! A *lazy* map takes inputs when results are asked for, a bounded number ahead. An *eager* one takes all inputs at once,
//! and a thread of its own, which needs no GIL, makes the calls whether or not results are asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, unbounded};
use owngil_ffi::{Attached, Borrowed, Kept, Object, PyResult};

use super::functions::function_of;
use super::pool::{CountedMap, HostPool};
use super::settings::{count, seconds_left};
use super::wait::wait;
use super::{codec, outcome};
use crate::bell::Bell;
use crate::bytes::Bytes;
use crate::payload::{Codec, CrossingError, Encoding};
use crate::pool::{Canceller, Window};
use crate::task::Items;

/// How many values are handed over at once, at most.
const N_AT_ONCE: usize = 1024;

/// A map whose results are being asked for.
#[derive(Debug)]
struct HostMap {
    pool: Arc<HostPool>,
    /// There until the map is dropped.
    source: Option<Source>,
    /// It was closed, and its calls are not wanted any more.
    is_closed: bool,
    current: Items,
    deadline: Option<Instant>,
    /// How many values are handed over at once.
    n_at_once: usize,
    /// How many results were handed over.
    n_given: u64,
    /// A result showed that there is no use in waiting for others.
    is_hopeless: bool,
}

#[derive(Debug)]
enum Source {
    Lazy(Box<Lazy>),
    Eager {
        n_inputs: u64,
        results: Receiver<Items>,
    },
}

/// Takes inputs as there is room for them.
#[derive(Debug)]
struct Lazy {
    window: Window,
    /// The host's iterator, until it has ended.
    inputs: Option<Kept>,
    is_star: bool,
    /// How many inputs may be taken before their results were handed over.
    ahead: u64,
}

/// `map(function, inputs, star, ordered, chunksize, ahead, timeout)`: the functions that `_native.MapIterator` unpacks.
pub(super) fn open<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> PyResult<'a, Object<'a>> {
    let [function, inputs, star, ordered, chunk, ahead, timeout] = arguments else {
        return Err(attached.raise_type_error("map takes seven arguments"));
    };
    pool.admit(attached)?;
    let function = function_of(function)?;
    let is_star = star.is_true()?;
    let mut window = Window::new(&pool.pool, &function, ordered.is_true()?);
    if let Some(n) = count(chunk, "chunksize")? {
        window.fix_chunk(n);
    }
    let canceller = window.canceller();
    let ahead = count(ahead, "ahead")?;
    let iterator = attached
        .import(c"builtins")?
        .invoke("iter", &[Object::clone(inputs)])?;
    let source = match ahead {
        Some(ahead) => {
            window.set_bell(Arc::clone(&pool.bell));
            Source::Lazy(Box::new(Lazy {
                window,
                inputs: Some(iterator.keep()),
                is_star,
                ahead: match ahead {
                    0 => u64::MAX,
                    ahead => ahead as u64,
                },
            }))
        }
        None => eager(pool, attached, window, &iterator, is_star)?,
    };
    let limit = seconds_left(timeout, "timeout")?;
    let mut map = HostMap {
        pool: Arc::clone(pool),
        source: Some(source),
        is_closed: false,
        current: Items::default(),
        deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
        n_at_once: match ahead {
            None | Some(0) => N_AT_ONCE,
            Some(ahead) => (ahead / 8).clamp(1, N_AT_ONCE),
        },
        n_given: 0,
        is_hopeless: false,
    };
    if ahead != Some(0) {
        map.feed(attached)?;
    }
    functions(attached, map, canceller)
}

/// In the order `take`, `close`, `interrupt`, `length_hint`.
fn functions<'a>(
    attached: Attached<'a>,
    map: HostMap,
    canceller: Canceller,
) -> PyResult<'a, Object<'a>> {
    let map = Arc::new(Mutex::new(Some(map)));
    let (taken, closed, hinted) = (Arc::clone(&map), Arc::clone(&map), map);
    let interrupter = canceller.clone();
    let take = attached.callback(move |attached, _| {
        let mut map = match taken.try_lock() {
            Ok(map) => map,
            Err(TryLockError::Poisoned(map)) => map.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(attached.raise_runtime_error("another thread uses this map already"));
            }
        };
        let Some(open) = map.as_mut() else {
            return Ok(attached.none());
        };
        let taken = open.take(attached)?;
        if taken.is_none() {
            *map = None;
        }
        Ok(taken.unwrap_or_else(|| attached.none()))
    })?;
    let close = attached.callback(move |attached, _| {
        canceller.cancel();
        if let Ok(mut map) = closed.try_lock()
            && let Some(mut map) = map.take()
        {
            map.is_closed = true;
        }
        Ok(attached.none())
    })?;
    let interrupt = attached.callback(move |attached, _| {
        interrupter.interrupt();
        Ok(attached.none())
    })?;
    let length_hint = attached.callback(move |attached, _| {
        let known = hinted.try_lock().ok();
        let n_left = known.and_then(|map| map.as_ref().map(HostMap::n_left));
        attached.int(n_left.unwrap_or(0) as i64)
    })?;
    attached.tuple([take, close, interrupt, length_hint])
}

impl HostMap {
    fn n_left(&self) -> u64 {
        let n_taken = match &self.source {
            Some(Source::Lazy(lazy)) => lazy.window.n_taken(),
            Some(Source::Eager { n_inputs, .. }) => *n_inputs,
            None => 0,
        };
        n_taken.saturating_sub(self.n_given)
    }

    /// Takes inputs as there is room for them.
    fn feed<'a>(&mut self, attached: Attached<'a>) -> PyResult<'a, ()> {
        match &mut self.source {
            Some(Source::Lazy(lazy)) => lazy.feed(attached, self.n_given),
            Some(Source::Eager { .. }) | None => Ok(()),
        }
    }

    /// The next values, and the failure that follows them if there is one; `None` at the end.
    fn take<'a>(&mut self, attached: Attached<'a>) -> PyResult<'a, Option<Object<'a>>> {
        loop {
            if let Some(taken) = self.take_current(attached)? {
                self.feed(attached)?;
                return Ok(Some(taken));
            }
            if self.is_hopeless {
                return Ok(None);
            }
            self.feed(attached)?;
            if !self.advance(attached)? {
                return Ok(None);
            }
        }
    }

    /// Of the results that have come.
    fn take_current<'a>(&mut self, attached: Attached<'a>) -> PyResult<'a, Option<Object<'a>>> {
        let mut values = Vec::new();
        let mut failed = None;
        codec::with_codec(attached, |codec| {
            while values.len() < self.n_at_once && failed.is_none() {
                let next = self
                    .current
                    .next_result_by(|reader| codec::decode(codec, attached, reader));
                match next {
                    None => break,
                    Some(Ok(value)) => values.push(value),
                    Some(Err(error)) => failed = Some(error),
                }
            }
        })?;
        self.n_given += values.len() as u64 + u64::from(failed.is_some());
        if values.is_empty() && failed.is_none() {
            return Ok(None);
        }
        let failure = match &failed {
            None => attached.none(),
            Some(error) => {
                if let Some(Source::Lazy(lazy)) = &mut self.source {
                    self.is_hopeless |= lazy.window.is_hopeless(error);
                }
                outcome::failure(attached, error, self.pool.pool.has_failed())?
            }
        };
        let values = attached.list(values)?;
        attached.tuple([values, failure]).map(Some)
    }

    /// Gets the next results; `false` at the end.
    fn advance<'a>(&mut self, attached: Attached<'a>) -> PyResult<'a, bool> {
        let left = |now| self.deadline.map(|at| at.saturating_duration_since(now));
        let left = left(Instant::now());
        let next = match &mut self.source {
            Some(Source::Lazy(lazy)) => lazy.advance(attached, &self.pool.bell, left)?,
            Some(Source::Eager { results, .. }) => {
                wait(attached, &self.pool.bell, left, |slice| {
                    received(results, slice)
                })?
            }
            None => Some(None),
        };
        match next {
            Some(Some(items)) => {
                self.current = items;
                Ok(true)
            }
            Some(None) => Ok(false),
            None => {
                let timeout = attached
                    .import(c"builtins")?
                    .get("TimeoutError")?
                    .call(&[])?;
                Err(attached.raise_instance(timeout))
            }
        }
    }
}

impl Drop for HostMap {
    /// The calls that were taken are made, unless the map was closed.
    fn drop(&mut self) {
        if let (Some(Source::Lazy(mut lazy)), false) = (self.source.take(), self.is_closed)
            && !lazy.window.is_empty()
        {
            lazy.window.is_closed = true;
            let counted = self.pool.count_map();
            let (unread, _) = unbounded();
            let thread = thread::Builder::new().name("owngil-map".to_owned());
            let bell = Arc::clone(&self.pool.bell);
            let _ =
                thread.spawn(move || drive(lazy.window, VecDeque::new(), &unread, &bell, counted));
        }
    }
}

/// The next results, or the end of them; `None` when the time is up before.
fn received(results: &Receiver<Items>, limit: Option<Duration>) -> Option<Option<Items>> {
    match limit {
        None => Some(results.recv().ok()),
        // The other call would let other threads run first.
        Some(Duration::ZERO) => match results.try_recv() {
            Ok(items) => Some(Some(items)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        },
        Some(limit) => match results.recv_timeout(limit) {
            Ok(items) => Some(Some(items)),
            Err(RecvTimeoutError::Disconnected) => Some(None),
            Err(RecvTimeoutError::Timeout) => None,
        },
    }
}

impl Lazy {
    fn feed<'a>(&mut self, attached: Attached<'a>, n_given: u64) -> PyResult<'a, ()> {
        let Lazy {
            window,
            inputs,
            is_star,
            ahead,
        } = self;
        window.look();
        let Some(kept) = inputs else { return Ok(()) };
        let mut iterator = kept.get(attached).items()?;
        let mut is_at_end = window.is_closed;
        let fed = codec::with_codec(attached, |codec| -> PyResult<'a, ()> {
            while !is_at_end && window.has_room() && window.n_taken() - n_given < *ahead {
                let Some(input) = iterator.next().transpose()? else {
                    is_at_end = true;
                    break;
                };
                take(window, codec, attached, &input, *is_star);
                if window.has_arrived() {
                    // What waits for an input must not wait for all that there is room for.
                    break;
                }
            }
            Ok(())
        })?;
        if is_at_end || fed.is_err() {
            window.is_closed = true;
            *inputs = None;
        }
        if is_at_end || window.n_taken() - n_given >= *ahead {
            window.close_batch(|| None);
        }
        fed
    }

    fn advance<'a>(
        &mut self,
        attached: Attached<'a>,
        bell: &Bell,
        limit: Option<Duration>,
    ) -> PyResult<'a, Option<Option<Items>>> {
        let window = &mut self.window;
        if let Some(items) = window.take_ready() {
            return Ok(Some(Some(items)));
        }
        if window.is_empty() {
            return Ok(window
                .is_done()
                .then_some(None)
                .or(Some(Some(Items::default()))));
        }
        wait(attached, bell, limit, |slice| {
            window.wait_within(slice);
            window.take_ready().map(Some)
        })
    }
}

/// Appends the call for an input.
fn take<'a>(
    window: &mut Window,
    codec: &Codec,
    attached: Attached<'a>,
    input: &Object<'a>,
    is_star: bool,
) {
    window.take(|| None, |out| encode(codec, attached, input, is_star, out));
}

fn encode<'a>(
    codec: &Codec,
    attached: Attached<'a>,
    input: &Object<'a>,
    is_star: bool,
    out: &mut Encoding,
) -> Result<(), CrossingError> {
    match is_star {
        true => codec::encode_call(codec, attached, input, None, out),
        false => codec::encode_only(codec, attached, input, out),
    }
}

/// Encodes all inputs, and starts the thread that makes the calls.
fn eager<'a>(
    pool: &Arc<HostPool>,
    attached: Attached<'a>,
    window: Window,
    iterator: &Object<'a>,
    is_star: bool,
) -> PyResult<'a, Source> {
    let mut calls = VecDeque::new();
    codec::with_codec(attached, |codec| -> PyResult<'a, ()> {
        let mut buffer = Encoding::default();
        for input in iterator.items()? {
            let input = input?;
            let encode = || encode(codec, attached, &input, is_star, &mut buffer);
            let encoded = pool.pool.encoding(encode);
            calls.push_back(encoded.map(|()| Bytes::take_from(&mut buffer)));
        }
        Ok(())
    })??;
    let n_inputs = calls.len() as u64;
    let (sender, results) = unbounded();
    let counted = pool.count_map();
    let thread = thread::Builder::new().name("owngil-map".to_owned());
    let bell = Arc::clone(&pool.bell);
    let started = thread.spawn(move || {
        drive(window, calls, &sender, &bell, counted);
        drop(sender);
        bell.ring();
    });
    started.map_err(|error| attached.raise_os_error(&error.to_string()))?;
    Ok(Source::Eager { n_inputs, results })
}

/// Makes the calls, and hands on their results until all calls are made, whether or not they are asked for.
fn drive(
    mut window: Window,
    mut calls: VecDeque<Result<Bytes, CrossingError>>,
    results: &Sender<Items>,
    bell: &Bell,
    _counted: CountedMap,
) {
    loop {
        window.look();
        while window.has_room() && !window.is_closed {
            match calls.pop_front() {
                Some(call) => window.take_encoded(call, calls.len()),
                None => window.is_closed = true,
            }
        }
        if window.is_closed {
            window.close_batch(|| Some(0));
        }
        let mut any = false;
        while let Some(items) = window.take_ready() {
            any = true;
            let _ = results.send(items);
        }
        if any {
            bell.ring();
        }
        if window.is_done() {
            return;
        }
        if !any && !window.is_empty() {
            window.wait_within(None);
        }
    }
}
