//! Results: the ends of a batch's calls, collected by the worker and read by the caller.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Completed, Timing};
use crate::bytes::Bytes;
use crate::error::{Error, Result, WorkerLost};
use crate::output::Output;
use crate::payload::{self, CrossingError, Encoding, Reader};
use crate::wire::{self, Failure};

/// The tag of a failed call in a stream of results; no value starts with it.
const FAILED: u8 = 0xCD;

/// Collects the ends of one batch's calls after another; its buffer serves them all.
#[derive(Debug, Default)]
pub(crate) struct Collecting {
    bytes: Encoding,
    n: u32,
    n_failed: u32,
    beside: Beside,
}

impl Collecting {
    /// Where to append the next value, before [`end_call`](Collecting::end_call).
    #[inline]
    pub(crate) fn out(&mut self) -> &mut Encoding {
        &mut self.bytes
    }

    /// Sets memory aside for a batch with that many bytes of arguments: many short values are about as long.
    #[inline]
    pub(crate) fn expect(&mut self, n_bytes: usize) {
        self.bytes.reserve(n_bytes.min(64 << 10));
    }

    /// Ends one call, whose value was appended if it is `Ok`.
    #[inline]
    pub(crate) fn end_call(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.fail(&error);
        }
        self.n += 1;
    }

    /// Adds what the call that ended last has printed.
    #[cold]
    pub(crate) fn printed(&mut self, output: Output) {
        self.beside.outputs.push((self.n - 1, output));
    }

    /// Adds when and where the call that ended last ran.
    #[cold]
    pub(crate) fn timed(&mut self, timing: Timing) {
        self.beside.timings.push((self.n - 1, timing));
    }

    #[cold]
    fn fail(&mut self, error: &Error) {
        self.n_failed += 1;
        let record = wire::encode(&Failure::from(error)).or_else(|reason| {
            wire::encode(&Failure::Lost(
                WorkerLost::new(format!("its failure could not be encoded: {reason}")),
                Vec::new(),
            ))
        });
        payload::write_tagged(&mut self.bytes, FAILED, &record.unwrap_or_default());
    }

    /// How many calls have ended.
    #[inline]
    pub(crate) fn n(&self) -> u32 {
        self.n
    }

    /// What they gave, failures included.
    #[inline]
    pub(crate) fn values(&self) -> &Encoding {
        &self.bytes
    }

    /// How many of the calls so far have failed.
    #[inline]
    pub(crate) fn n_failed(&self) -> u32 {
        self.n_failed
    }

    /// The results so far; what comes next belongs to another batch.
    #[inline]
    pub(crate) fn finish(&mut self) -> Results {
        Results {
            bytes: Bytes::take_from(&mut self.bytes),
            n: self.take_n(),
            nanoseconds: 0,
            beside: std::mem::take(&mut self.beside).boxed(),
        }
    }

    #[inline]
    fn take_n(&mut self) -> u32 {
        self.n_failed = 0;
        std::mem::take(&mut self.n)
    }
}

/// The ends of a batch's calls, in order: values, and records of failures, as one byte string.
///
/// Small: each cache line of it that is handed to another thread costs as much as a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    bytes: Bytes,
    n: u32,
    /// How long the calls took, up to four seconds, where that is recorded.
    nanoseconds: u32,
    beside: Option<Box<Beside>>,
}

/// What few batches have, by the places of the calls that have it.
#[derive(Clone, Debug, Default)]
struct Beside {
    /// What was printed.
    outputs: Vec<(u32, Output)>,
    timings: Vec<(u32, Timing)>,
}

impl Beside {
    #[inline]
    fn boxed(self) -> Option<Box<Beside>> {
        let is_empty = self.outputs.is_empty() && self.timings.is_empty();
        (!is_empty).then(|| Box::new(self))
    }
}

impl Results {
    /// `n` calls that all ended in the same way.
    pub(crate) fn all_failed(n: u32, error: &Error) -> Results {
        let mut collecting = Collecting::default();
        (0..n).for_each(|_| collecting.end_call(Err(error.clone())));
        collecting.finish()
    }

    /// These, and then those. They refer to no buffers.
    pub(crate) fn followed_by(self, others: Results) -> Results {
        let bytes = [&self.bytes[..], &others.bytes[..]].concat();
        let mut beside = self.beside.unwrap_or_default();
        let later = others.beside.unwrap_or_default();
        let place = |place| self.n + place;
        let outputs = later.outputs.into_iter();
        beside
            .outputs
            .extend(outputs.map(|(at, output)| (place(at), output)));
        let timings = later.timings.into_iter();
        beside
            .timings
            .extend(timings.map(|(at, timing)| (place(at), timing)));
        Results {
            bytes: Bytes::of(bytes, others.bytes.buffers().to_vec()),
            n: self.n + others.n,
            nanoseconds: others.nanoseconds,
            beside: beside.boxed(),
        }
    }

    /// The error of a batch whose values do not matter, or that only loaded its function.
    pub(crate) fn only_failure(self) -> Result<()> {
        let reader = self.bytes.reader();
        match reader.peek() {
            Ok(FAILED) => Err(failure(reader).0),
            _ => Ok(()),
        }
    }

    /// Whether the first call was cancelled.
    #[cold]
    pub(crate) fn is_cancelled(&self) -> bool {
        let reader = self.bytes.reader();
        reader.peek() == Ok(FAILED) && matches!(failure(reader).0, Error::Cancelled { .. })
    }

    /// The end of a batch of one call, whose value `decode` reads.
    pub(crate) fn only_result_by<R>(
        &self,
        decode: impl FnOnce(&mut Reader<'_>) -> std::result::Result<R, CrossingError>,
    ) -> Result<R> {
        read_by(&mut self.bytes.reader(), decode)
    }

    /// The end of a batch of one call.
    pub(super) fn only_result<T: DeserializeOwned>(&self) -> Result<T> {
        debug_assert_eq!(self.n, 1, "a task is a batch of one call");
        read_result(&mut self.bytes.reader())
    }

    pub(super) fn only_output(&self) -> Output {
        let printed = self.outputs().first();
        printed.map_or_else(Output::default, |(_, output)| output.clone())
    }

    pub(super) fn only_timing(&self) -> Option<Timing> {
        self.timings().first().map(|(_, timing)| *timing)
    }

    /// What calls have printed, by their places.
    pub(crate) fn outputs(&self) -> &[(u32, Output)] {
        self.beside.as_ref().map_or(&[], |beside| &beside.outputs)
    }

    /// When and where calls ran, by their places.
    pub(crate) fn timings(&self) -> &[(u32, Timing)] {
        self.beside.as_ref().map_or(&[], |beside| &beside.timings)
    }

    /// How long the calls took, up to four seconds, if that was noted.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.into())
    }

    pub(crate) fn note_elapsed(&mut self, elapsed: Duration) {
        self.nanoseconds = elapsed.as_nanos().try_into().unwrap_or(u32::MAX);
    }

    /// Adds what the first call has printed.
    pub(crate) fn add_output(&mut self, output: Output) {
        self.beside.get_or_insert_default().outputs = vec![(0, output)];
    }

    /// Adds when and where the first call ran, where that is known.
    pub(crate) fn add_timing(&mut self, timing: Option<Timing>) {
        if let Some(timing) = timing {
            self.beside.get_or_insert_default().timings = vec![(0, timing)];
        }
    }

    /// Results that came from another process.
    pub(crate) fn of(
        bytes: Bytes,
        n: u32,
        outputs: Vec<(u32, Output)>,
        timings: Vec<(u32, Timing)>,
    ) -> Results {
        Results {
            bytes,
            n,
            nanoseconds: 0,
            beside: Beside { outputs, timings }.boxed(),
        }
    }

    /// The values and failures, encoded.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How much memory they hold, in values and in what was printed.
    pub(crate) fn n_bytes(&self) -> usize {
        let printed = self.outputs().iter().map(|(_, output)| output.n_bytes());
        self.bytes.n_bytes() + printed.sum::<usize>()
    }

    pub(crate) fn len(&self) -> u32 {
        self.n
    }

    /// Reads the results; `first` is the index of the first.
    pub(crate) fn into_items(self, first: u64) -> Items {
        let beside = self.beside.map_or_else(Beside::default, |beside| *beside);
        Items {
            bytes: self.bytes,
            position: 0,
            at: 0,
            n: self.n,
            first,
            is_late: false,
            outputs: beside.outputs.into_iter(),
            timings: beside.timings.into_iter(),
        }
    }
}

/// Reads results one by one.
#[derive(Debug, Default)]
pub(crate) struct Items {
    bytes: Bytes,
    position: usize,
    at: u32,
    n: u32,
    first: u64,
    /// Calls that were cancelled were so because their time was up.
    is_late: bool,
    outputs: std::vec::IntoIter<(u32, Output)>,
    timings: std::vec::IntoIter<(u32, Timing)>,
}

impl Items {
    /// Reports calls that were cancelled as timed out.
    pub(crate) fn late(mut self, is_late: bool) -> Items {
        self.is_late = is_late;
        self
    }

    /// The next call's end without what it printed; `None` after the last.
    #[inline]
    pub(crate) fn next_result<T: DeserializeOwned>(&mut self) -> Option<Result<T>> {
        self.next_result_by(|reader| payload::decode_value(reader))
    }

    /// The same, where `decode` reads the value. When that fails it has left the reader behind the value.
    #[inline]
    pub(crate) fn next_result_by<R>(
        &mut self,
        decode: impl FnOnce(&mut Reader<'_>) -> std::result::Result<R, CrossingError>,
    ) -> Option<Result<R>> {
        if self.at == self.n {
            return None;
        }
        let mut reader = self.bytes.reader();
        reader.seek(self.position);
        let result = read_by(&mut reader, decode);
        self.position = reader.position();
        self.at += 1;
        Some(match result {
            Err(Error::Cancelled { stack }) if self.is_late => Err(Error::timed_out(stack)),
            result => result,
        })
    }

    /// The next call's end; `None` after the last.
    pub(crate) fn next_item<T: DeserializeOwned>(&mut self) -> Option<Completed<T>> {
        let at = self.at;
        let result = self.next_result()?;
        Some(Completed {
            index: self.first + u64::from(at),
            result,
            output: take_at(&mut self.outputs, at).unwrap_or_default(),
            timing: take_at(&mut self.timings, at),
        })
    }
}

/// What the call at that place has; that of calls before it, which `next_result` alone has passed, is passed.
fn take_at<T>(items: &mut std::vec::IntoIter<(u32, T)>, at: u32) -> Option<T> {
    while items.as_slice().first()?.0 < at {
        items.next();
    }
    match items.as_slice().first()?.0 == at {
        true => items.next().map(|(_, item)| item),
        false => None,
    }
}

#[inline]
fn read_result<T: DeserializeOwned>(reader: &mut Reader<'_>) -> Result<T> {
    read_by(reader, |reader| payload::decode_value(reader))
}

#[inline]
fn read_by<R>(
    reader: &mut Reader<'_>,
    decode: impl FnOnce(&mut Reader<'_>) -> std::result::Result<R, CrossingError>,
) -> Result<R> {
    match reader.peek() {
        Ok(FAILED) => {
            let (error, position) = failure(*reader);
            reader.seek(position);
            Err(error)
        }
        _ => decode(reader).map_err(|error| Error::Value(error.root("result"))),
    }
}

/// The failure that stands there, and where it ends.
#[cold]
fn failure(mut reader: Reader<'_>) -> (Error, usize) {
    let record = reader.u8().and_then(|_| reader.block());
    let error = match record.map(wire::decode::<Failure>) {
        Ok(Ok(failure)) => failure.into(),
        Ok(Err(reason)) => Error::lost(format!("its failure was unreadable: {reason}")),
        Err(error) => Error::Value(error),
    };
    (error, reader.position())
}
