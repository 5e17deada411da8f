//! Streams: calls whose items are taken as they come, and how these calls end.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crossbeam_channel::{Receiver, Sender, unbounded};
use owngil::{ItemStream, Result, Timing};
use serde::de::DeserializeOwned;

/// How many items of one call may be held before its turn comes. More of them wait in the pool, by number and by
/// bytes, and then the generator is suspended.
const N_HELD_MAX: usize = 256;

/// How many calls may have ended before their turn, for each that runs.
const N_AHEAD: usize = 4;

/// The calls whose items have not all been taken.
#[derive(Debug)]
pub(in crate::schedule) struct Streams<T> {
    /// By their indices, in the order in which they began.
    open: BTreeMap<u64, Open<T>>,
    n_begun: u64,
    n_running: usize,
    wanted: Each<T>,
    /// The last that gave something: others come first then.
    last: u64,
    /// The indices of those that may give something.
    ready: Receiver<u64>,
    report: Sender<u64>,
}

/// How the items of calls are taken.
#[derive(Clone, Debug)]
pub(crate) struct Each<T> {
    /// Whether all items of one call come before those of the next.
    pub(crate) is_grouped: bool,
    /// What stands for the value of a call whose items have all come.
    pub(crate) whole: T,
}

/// A call whose items have not all been taken.
#[derive(Debug)]
struct Open<T> {
    /// `None` once it has ended.
    stream: Option<ItemStream<T>>,
    waker: Waker,
    held: VecDeque<T>,
    end: Option<Result<()>>,
}

/// What is taken of a call.
#[derive(Debug)]
pub(in crate::schedule) enum Taken<T> {
    Item(T),
    End(Result<T>, Option<Timing>),
}

/// Reports that a stream may give something.
struct Ready {
    index: u64,
    report: Sender<u64>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        // The run may be over.
        let _ = self.report.send(self.index);
    }
}

impl<T: DeserializeOwned + Clone> Streams<T> {
    pub(super) fn new(wanted: Each<T>) -> Streams<T> {
        let (report, ready) = unbounded();
        Streams {
            open: BTreeMap::new(),
            n_begun: 0,
            n_running: 0,
            wanted,
            last: 0,
            ready,
            report,
        }
    }

    /// Begins a call; returns its index.
    ///
    /// # Errors
    ///
    /// Those of submitting it.
    pub(super) fn begin(&mut self, mut stream: ItemStream<T>) -> Result<u64> {
        stream.start()?;
        let index = self.n_begun;
        self.n_begun += 1;
        self.n_running += 1;
        let report = self.report.clone();
        self.open.insert(
            index,
            Open {
                stream: Some(stream),
                waker: Waker::from(Arc::new(Ready { index, report })),
                held: VecDeque::new(),
                end: None,
            },
        );
        self.look(index);
        Ok(index)
    }

    /// How many count as under way: those that run, and more where many have ended before their turn.
    pub(super) fn n_under_way(&self) -> usize {
        self.n_running.max(self.open.len() / N_AHEAD)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The indices of those to `look` at.
    pub(super) fn ready(&self) -> &Receiver<u64> {
        &self.ready
    }

    /// Interrupts one.
    pub(super) fn interrupt(&self, index: u64) {
        let stream = self.open.get(&index).and_then(|open| open.stream.as_ref());
        if let Some(stream) = stream {
            stream.canceller().interrupt();
        }
    }

    /// Interrupts all.
    pub(super) fn interrupt_all(&self) {
        self.open.keys().for_each(|index| self.interrupt(*index));
    }

    /// Ends one whose items are no longer wanted, as if these were its last.
    pub(super) fn close(&mut self, index: u64) {
        if let Some(open) = self.open.get_mut(&index) {
            open.held.clear();
            if open.stream.take().is_some() {
                self.n_running -= 1;
            }
            open.end = Some(Ok(()));
        }
    }

    /// Takes what has come of one, as long as it may be held.
    pub(super) fn look(&mut self, index: u64) {
        let Some(open) = self.open.get_mut(&index) else {
            return;
        };
        let mut context = Context::from_waker(&open.waker);
        while let Some(stream) = open
            .stream
            .as_mut()
            .filter(|_| open.held.len() < N_HELD_MAX)
        {
            let polled = pin!(stream.next_async()).poll(&mut context);
            let end = match polled {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(item))) => {
                    open.held.push_back(item);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => Ok(()),
            };
            (open.stream, open.end) = (None, Some(end));
            self.n_running -= 1;
        }
    }

    /// What comes next, of those that have been looked at.
    pub(super) fn next(&mut self) -> Option<(u64, Taken<T>)> {
        while let Ok(index) = self.ready.try_recv() {
            self.look(index);
        }
        let index = match self.wanted.is_grouped {
            true => *self.open.first_key_value()?.0,
            false => {
                let later = self.open.range(self.last + 1..);
                let mut all = later.chain(self.open.range(..=self.last));
                *all.find(|(_, open)| !open.held.is_empty() || open.end.is_some())?
                    .0
            }
        };
        self.last = index;
        let open = self.open.get_mut(&index)?;
        if let Some(item) = open.held.pop_front() {
            if open.held.is_empty() {
                self.look(index);
            }
            return Some((index, Taken::Item(item)));
        }
        let end = open.end.take()?.map(|()| self.wanted.whole.clone());
        self.open.remove(&index);
        Some((index, Taken::End(end, None)))
    }
}
