//! Selection: which input comes next: `--resume` and shards skip some, `--shuf` changes the order.

use crossbeam_channel::{Receiver, RecvError, TryRecvError};
use fastrand::Rng;

use super::shard::Shard;
use crate::input::call::material::Material;
use crate::joblog::{Known, Past};

/// The inputs, in the order in which they are to begin.
#[derive(Debug)]
pub(crate) struct Selection<A> {
    arriving: Receiver<A>,
    /// One that has arrived.
    arrived: Option<A>,
    is_exhausted: bool,
    n_arrived: u64,
    shard: Option<Shard>,
    past: Past,
    /// Those that were drawn lots for, once all are there.
    shuffled: Option<Shuffled<A>>,
}

#[derive(Debug)]
struct Shuffled<A> {
    rng: Rng,
    all: Vec<(u64, A)>,
}

/// What asking for the next one gives.
#[derive(Debug)]
pub(crate) enum Next<A> {
    /// It is to be run, with its index among all inputs.
    Run(u64, A),
    /// It is not for this run.
    Pass(u64),
    /// It is not the one that an earlier run has done under this index.
    Changed(u64, A),
    NotYet,
    End,
}

impl<A: Material> Selection<A> {
    pub(crate) fn new(
        arriving: Receiver<A>,
        shard: Option<Shard>,
        past: Past,
        rng: Option<Rng>,
    ) -> Selection<A> {
        Selection {
            arriving,
            arrived: None,
            is_exhausted: false,
            n_arrived: 0,
            shard,
            past,
            shuffled: rng.map(|rng| Shuffled {
                rng,
                all: Vec::new(),
            }),
        }
    }

    /// Where inputs arrive, if one is worth waiting for.
    pub(crate) fn arriving(&self) -> Option<&Receiver<A>> {
        (!self.is_exhausted && self.arrived.is_none()).then_some(&self.arriving)
    }

    /// Takes what has arrived.
    pub(crate) fn arrive(&mut self, arrived: Result<A, RecvError>) {
        match arrived {
            Ok(input) => self.arrived = Some(input),
            Err(RecvError) => self.exhaust(),
        }
    }

    fn exhaust(&mut self) {
        self.is_exhausted = true;
        if let Some(Shuffled { rng, all }) = &mut self.shuffled {
            rng.shuffle(all);
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        let n_left = self
            .shuffled
            .as_ref()
            .map_or(0, |shuffled| shuffled.all.len());
        self.is_exhausted && self.arrived.is_none() && n_left == 0
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Next<A> {
        loop {
            if self.arrived.is_none() && !self.is_exhausted {
                match self.arriving.try_recv() {
                    Ok(input) => self.arrived = Some(input),
                    Err(TryRecvError::Empty) => return Next::NotYet,
                    Err(TryRecvError::Disconnected) => self.exhaust(),
                }
            }
            let Some(input) = self.arrived.take() else {
                let shuffled = self.shuffled.as_mut();
                let next = shuffled.and_then(|shuffled| shuffled.all.pop());
                return next.map_or(Next::End, |(index, input)| Next::Run(index, input));
            };
            let index = self.n_arrived;
            self.n_arrived += 1;
            if self.shard.is_some_and(|shard| !shard.has(index)) {
                return Next::Pass(index);
            }
            match self.past.of(index, || input.fingerprint()) {
                Known::Done => return Next::Pass(index),
                Known::Changed => return Next::Changed(index, input),
                Known::ToDo => match &mut self.shuffled {
                    Some(shuffled) => shuffled.all.push((index, input)),
                    None => return Next::Run(index, input),
                },
            }
        }
    }
}
