//! Run: all calls of a run: a plain map, or a schedule where an option needs one.

use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;
use owngil::{Completed, Function, Pool, Timing};
use serde::de::DeserializeOwned;

use super::ending::Ending;
use super::event::{Event, Verdict};
use super::scheduler::{Callee, Dispatch};
use super::under_way::Each;
use super::{Schedule, dry_run};
use crate::exit::Exit;
use crate::failure::Spent;
use crate::fatal::Fatal;
use crate::input::reader::{Feed, PendingInputs, TEXT_MAX, lock};
use crate::input::{Blocks, Input};
use crate::joblog::{self, Joblog, Past};
use crate::options::args::CommonArgs;
use crate::output::TaskOutput;
use crate::session::Session;

/// Inputs as they come, and what ends them.
pub(crate) type Fed = (Arc<Feed>, Receiver<Input>);

/// The calls of a run, before Python starts.
pub(crate) struct Calls<'a> {
    common: &'a CommonArgs,
    session: &'a Session,
    function: Function,
    /// As it is written.
    called: String,
    /// Its digest, where there is an account.
    code: u64,
    schedule: Schedule<'a>,
    account: Option<(Joblog, Past)>,
    is_timed: bool,
}

/// How an input ended.
#[derive(Debug)]
pub(crate) struct CallOutcome<T> {
    pub(crate) result: owngil::Result<T>,
    /// Of its last call, where that was asked for.
    pub(crate) timing: Option<Timing>,
    /// How often it was called.
    pub(crate) attempt: u32,
}

/// What comes of an input.
#[derive(Debug)]
pub(crate) enum Came<T> {
    /// Nothing: it is not for this run.
    Nothing,
    /// One of the items of its call.
    Item(T),
    End(CallOutcome<T>),
}

/// What is wanted of calls.
#[derive(Debug)]
pub(crate) struct Wanted<T> {
    /// Whether a value stands for a failure.
    pub(crate) fails: fn(&T) -> bool,
    /// How the items of what they return are taken, if they are.
    pub(crate) each: Option<Each<T>>,
}

impl<T> CallOutcome<T> {
    /// What it took.
    pub(crate) fn spent(&self) -> Spent {
        Spent {
            elapsed: self.timing.map(|timing| timing.elapsed),
            n_tries: self.attempt,
        }
    }
}

impl<'a> Calls<'a> {
    /// Finds out what is asked for. `called` is how the function was written.
    pub(crate) fn new(
        (common, session): (&'a CommonArgs, &'a Session),
        function: Function,
        called: String,
        n_inputs: Option<usize>,
    ) -> Result<Calls<'a>, Fatal> {
        let schedule = Schedule::new(common, n_inputs)?;
        Ok(Calls {
            common,
            session,
            function,
            called,
            code: 0,
            schedule,
            account: None,
            is_timed: false,
        })
    }

    /// Opens the account, if there is to be one. The function is loaded, and a script has these arguments
    /// of its own.
    pub(crate) fn accounted(mut self, pool: &Pool, arguments: &[Vec<u8>]) -> Result<Self, Fatal> {
        let (common, called) = (self.common, &self.called);
        if common.joblog.joblog.is_some() {
            self.code = joblog::code_of(called, &self.function, arguments, pool);
        }
        if !common.schedule.dry_run {
            self.account = self.session.account(common, called.clone(), self.code)?;
        }
        Ok(self)
    }

    /// Asks for the time of each call.
    pub(crate) fn timed(mut self, is_timed: bool) -> Self {
        self.is_timed = is_timed;
        self
    }

    /// Begins to read the inputs; what passes on output may look them up meanwhile.
    pub(crate) fn feed(
        &self,
        blocks: Blocks,
        pool: &Pool,
        task_output: &TaskOutput,
    ) -> Result<(Fed, Arc<Mutex<PendingInputs>>), Fatal> {
        // How many bytes of text may be in memory.
        let room = match self.schedule.holds_all() {
            true => usize::MAX,
            false => TEXT_MAX * (1 + pool.n_workers()),
        };
        let (feed, inputs, pending) = Feed::start(blocks, room)
            .map_err(|error| Fatal::new(Exit::Failed, "cannot start to read").cause(error))?;
        let pending = Arc::new(Mutex::new(pending));
        let finding = Arc::clone(&pending);
        task_output.find_by(move |index| {
            let (block, place) = lock(&finding).find(index)?;
            Some(block.bytes(place))
        });
        Ok(((feed, inputs), pending))
    }

    /// Shows the first calls in place of making them, where that is asked for.
    pub(crate) fn show(self, pool: &Pool, (_, inputs): Fed) -> Result<Exit, Fatal> {
        let past = joblog::look(&self.common.joblog, self.code)?;
        let target = (pool, &self.function, &*self.called);
        Ok(dry_run::show(
            self.schedule,
            target,
            inputs,
            past,
            (self.common, self.session),
        ))
    }

    /// Makes the calls. `take` gets what comes of each input, by its index, and says what was made of that: of an item
    /// that fails, the input gets no more.
    pub(crate) fn make<T: DeserializeOwned + Clone>(
        self,
        (pool, task_output): (&Arc<Pool>, &TaskOutput),
        (feed, inputs): Fed,
        wanted: Wanted<T>,
        mut take: impl FnMut(u64, Came<T>) -> Verdict,
    ) -> Ending {
        let signals = &self.session.signals;
        if self.schedule.is_plain() && self.account.is_none() && wanted.each.is_none() {
            let results = pool.map_channel(&self.function, inputs, self.common.keep_order);
            let results = match self.common.chunk {
                Some(n) => results.chunk(n.get()),
                None => results,
            };
            let results = match self.is_timed || self.common.wants_summary() {
                true => results.timed(true),
                false => results,
            };
            let canceller = results.canceller();
            signals.on_first(pool, move || {
                canceller.cancel();
                feed.close();
            });
            for completed in results.completed() {
                let Completed {
                    index,
                    result,
                    timing,
                    ..
                } = completed;
                let outcome = CallOutcome {
                    result,
                    timing,
                    attempt: 1,
                };
                take(index, Came::End(outcome));
            }
            return Ending::default();
        }
        let target = Callee {
            pool,
            task_output,
            function: self.function,
            fails: wanted.fails,
            each: wanted.each,
        };
        let mut dispatch = Dispatch::new(self.schedule, target, inputs, self.account);
        let stop = dispatch.stop();
        signals.on_first(pool, move || {
            stop.ask();
            feed.close();
        });
        while let Some(event) = dispatch.next() {
            match event {
                Event::Passed(index) => {
                    take(index, Came::Nothing);
                }
                Event::Item { call, index, item } => {
                    if take(index, Came::Item(item)) != Verdict::Succeeded {
                        dispatch.close(call);
                    }
                }
                Event::Noted(note) if self.common.process.quiet => drop(note),
                Event::Noted(note) => self.session.stderr.write(note.as_bytes()),
                Event::Ended(ended) => {
                    let outcome = CallOutcome {
                        result: ended.result,
                        timing: ended.timing,
                        attempt: ended.trail.n_tries,
                    };
                    let verdict = take(ended.index, Came::End(outcome));
                    dispatch.settle(ended.trail, verdict);
                }
            }
        }
        dispatch.finish()
    }
}
