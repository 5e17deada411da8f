//! Scheduler: makes the calls of a schedule, one by one, and reports how they end.

use super::ending::End;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use owngil::{Error, Function, Pool, Timing};
use serde::de::DeserializeOwned;

use super::event::{Ended, Event, ResultKind, Trail, Verdict};
use super::halt::{Halt, OutcomeCounts, When};
use super::in_flight::{Depth, InFlight, Trial};
use super::rate_limit::RateLimit;
use super::reorder::ReorderBuffer;
use super::retry::Retry;
use super::selection::{Next, Selection};
use super::timeout::Limit;
use super::under_way::{Each, Taken, UnderWay};
use super::{Ending, Schedule};
use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input::call::material::Material;
use crate::joblog::{Joblog, Outcome, Past, Row};
use crate::options::size;
use crate::output::TaskOutput;

/// How many calls may be under way: as many as the pool's queue holds, so that nothing waits for it.
const N_UNDER_WAY_MAX: usize = 1024;

/// How many ends may wait to be reported while others are looked for.
const N_UNTOLD_MAX: usize = 256;

/// What is called.
#[derive(Debug)]
pub(crate) struct Callee<'p, T> {
    pub(crate) pool: &'p Pool,
    /// What its calls print.
    pub(crate) task_output: &'p TaskOutput,
    pub(crate) function: Function,
    /// Whether a value stands for a failure.
    pub(crate) fails: fn(&T) -> bool,
    /// How the items of what it returns are taken, if they are.
    pub(crate) each: Option<Each<T>>,
}

/// Asks for the end of a run, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    is_asked: Arc<AtomicBool>,
    asked: Sender<()>,
}

impl Stop {
    /// Begins nothing more.
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
        // One is enough.
        let _ = self.asked.try_send(());
    }
}

/// The calls of a schedule. It yields what becomes of each input; each end is to be `settle`d.
#[derive(Debug)]
pub(crate) struct Dispatch<'p, A, T> {
    target: Callee<'p, T>,
    selection: Selection<A>,
    rate_limit: RateLimit,
    limit: Limit,
    retry: Retry,
    halt: Option<Halt>,
    counts: OutcomeCounts,
    total: Option<u64>,
    joblog: Option<Joblog>,
    reorder: ReorderBuffer<Event<T>>,
    depth: Depth,
    /// Whether each worker has one call at most.
    is_strict: bool,
    calls: UnderWay<T>,
    /// What is known of each of these calls, by its index among them.
    in_flight: HashMap<u64, InFlight<A>>,
    /// What has failed and is tried again, by when.
    again: BTreeMap<(Instant, u64), Trial<A>>,
    stop: Stop,
    asked: Receiver<()>,
    end: Option<End>,
}

impl<'p, A: Material, T: DeserializeOwned + Clone> Dispatch<'p, A, T> {
    pub(super) fn new(
        schedule: Schedule<'_>,
        target: Callee<'p, T>,
        inputs: Receiver<A>,
        account: Option<(Joblog, Past)>,
    ) -> Self {
        let args = schedule.args;
        let (joblog, past) = account.unzip();
        let rate_limit = RateLimit::new(args.delay, args.memfree);
        let limit = Limit::new(args.timeout);
        let (ask, asked) = bounded(1);
        let stop = Stop {
            is_asked: Arc::default(),
            asked: ask,
        };
        if let Some(joblog) = &joblog {
            let stop = stop.clone();
            joblog.on_trouble(move || stop.ask());
        }
        let has_items = target.each.is_some();
        Dispatch {
            calls: UnderWay::new(target.each.clone()),
            target,
            selection: Selection::new(
                inputs,
                schedule.shard,
                past.unwrap_or_default(),
                schedule.rng,
            ),
            is_strict: !rate_limit.is_free()
                || limit.is_relative()
                || args.halt.is_some()
                || has_items,
            rate_limit,
            limit,
            retry: Retry::new(args.retries, args.retry_delay),
            halt: args.halt,
            counts: OutcomeCounts::default(),
            total: schedule.total,
            joblog,
            reorder: ReorderBuffer::new(schedule.is_ordered),
            depth: Depth::default(),
            in_flight: HashMap::new(),
            again: BTreeMap::new(),
            stop,
            asked,
            end: None,
        }
    }

    /// What ends it early.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// What becomes of another input, once that is known.
    pub(crate) fn next(&mut self) -> Option<Event<T>> {
        loop {
            if let Some(event) = self.reorder.take() {
                return Some(event);
            }
            if self.is_stopping() {
                self.drop_untried();
            } else {
                self.begin();
            }
            if self.reorder.n_ready() > 0 {
                continue;
            }
            let is_over = self.is_stopping() || self.selection.is_empty() && self.again.is_empty();
            if is_over && self.calls.is_empty() {
                return self.reorder.take();
            }
            self.wait();
        }
    }

    /// Says what was made of an end, which is written down.
    pub(crate) fn settle(&mut self, trail: Trail, verdict: Verdict) {
        self.counts.add(verdict);
        let outcome = match (verdict, trail.kind) {
            (Verdict::CutShort, _) => return,
            (Verdict::Succeeded, _) => Outcome::Ok,
            (Verdict::Failed(_), ResultKind::TimedOut) => Outcome::Timeout,
            (Verdict::Failed(_), ResultKind::Lost) => Outcome::Lost,
            (Verdict::Failed(_), ResultKind::Value | ResultKind::Failed) => Outcome::Failed,
        };
        if outcome == Outcome::Ok {
            self.limit.learn(trail.elapsed);
        }
        if let (Some(joblog), Some((input, shown)), false) =
            (&mut self.joblog, trail.named, trail.is_unfinished)
        {
            let (code, called) = (joblog.code, joblog.called.clone());
            joblog.note(|result| Row {
                index: trail.index,
                begun: trail.begun,
                elapsed: trail.elapsed,
                status: match (outcome, verdict) {
                    (Outcome::Timeout, _) => 124,
                    (_, Verdict::Failed(status)) => status,
                    _ => 0,
                },
                command: format!("{called} {shown}"),
                outcome,
                n_tries: trail.n_tries,
                input,
                code,
                result,
            });
        }
        if let Some(halt) = self.halt
            && self.end.is_none()
            && halt.is_reached(self.counts, self.total)
        {
            self.end = Some(End::Halted(halt));
            if halt.when == When::Now {
                self.calls.cancel_all();
            }
        }
    }

    /// Takes no more items of that call, which then ends.
    pub(crate) fn close(&mut self, call: u64) {
        self.calls.close(call);
    }

    /// How it ended.
    pub(crate) fn finish(self) -> Ending {
        Ending {
            end: self.end,
            joblog: self.joblog,
        }
    }

    fn is_stopping(&self) -> bool {
        self.end.is_some() || self.stop.is_asked.load(Ordering::Relaxed)
    }

    /// Begins as many calls as may be under way.
    fn begin(&mut self) {
        while self.reorder.n_ready() < N_UNTOLD_MAX && self.has_slot() {
            let now = Instant::now();
            if self.rate_limit.wait(now).is_some() {
                return;
            }
            let trial = match self.again.first_entry() {
                Some(first) if first.key().0 <= now => first.remove(),
                _ if !self.reorder.has_room() => return,
                _ => match self.selection.next() {
                    Next::Run(index, input) => Trial {
                        place: self.reorder.begin(),
                        index,
                        input,
                        n_failed: 0,
                    },
                    Next::Pass(index) => {
                        self.reorder.push(Event::Passed(index));
                        continue;
                    }
                    Next::Changed(index, input) => {
                        self.end = Some(End::Changed(self.changed(index, &input)));
                        return;
                    }
                    Next::NotYet | Next::End => return,
                },
            };
            self.rate_limit.begin(now);
            self.submit(trial, now);
        }
    }

    fn submit(&mut self, trial: Trial<A>, now: Instant) {
        let depth = self.present_depth();
        let limit = self.limit.present();
        let mut call = self
            .target
            .pool
            .task(&self.target.function)
            .args(&trial.input)
            .index(trial.index)
            .timed(true);
        if let Some(limit) = limit {
            call = call.time_limit(limit);
        }
        let begun_at = SystemTime::now();
        match self.calls.begin(call) {
            Ok(call) => {
                let in_flight = InFlight {
                    trial,
                    begun: now,
                    begun_at,
                    depth,
                    is_limited: limit.is_some(),
                    is_over: false,
                };
                self.in_flight.insert(call, in_flight);
            }
            Err(error) => {
                let spent = (begun_at, Duration::ZERO);
                self.tell(trial, Err(error), None, spent, false);
            }
        }
    }

    /// Takes what has come of calls; returns whether anything has.
    fn take_what_has_come(&mut self) -> bool {
        while self.reorder.n_ready() < N_UNTOLD_MAX
            && let Some((call, taken)) = self.calls.next()
        {
            match taken {
                Taken::End(result, timing) => self.come_back(call, result, timing),
                Taken::Item(item) => {
                    let index = self.in_flight[&call].trial.index;
                    self.reorder.push(Event::Item { call, index, item });
                }
            }
        }
        self.reorder.n_ready() > 0
    }

    /// A call has come back.
    fn come_back(&mut self, call: u64, result: owngil::Result<T>, timing: Option<Timing>) {
        let in_flight = self.in_flight.remove(&call);
        let in_flight = in_flight.expect("each call is known until it comes back");
        let elapsed = in_flight.begun.elapsed();
        self.depth.learn(elapsed, in_flight.depth);
        let result = match result {
            Err(Error::Cancelled { stack, .. }) if in_flight.is_over => {
                Err(Error::timed_out(stack))
            }
            result => result,
        };
        let mut trial = in_flight.trial;
        let pause = match is_worth_another(&result, self.target.fails) {
            true => self.retry.pause(trial.n_failed + 1),
            false => None,
        };
        if let Some(pause) = pause
            && !self.is_stopping()
        {
            trial.n_failed += 1;
            self.target.task_output.forget(trial.index);
            let due = Instant::now() + pause;
            self.again.insert((due, trial.place), trial);
            return;
        }
        // Without it, in what the call took it has waited behind others.
        let elapsed = match timing {
            Some(timing) => timing.elapsed,
            None => elapsed / u32::try_from(in_flight.depth).unwrap_or(1),
        };
        let spent = (in_flight.begun_at, elapsed);
        self.tell(trial, result, timing, spent, pause.is_some());
    }

    fn tell(
        &mut self,
        trial: Trial<A>,
        result: owngil::Result<T>,
        timing: Option<Timing>,
        (begun, elapsed): (SystemTime, Duration),
        is_unfinished: bool,
    ) {
        if matches!(result, Err(Error::Load(_) | Error::ShutDown)) {
            // What one worker cannot load, none can.
            if self.end.is_none() {
                self.end = Some(End::Hopeless);
            } else if matches!(self.end, Some(End::Hopeless)) {
                return;
            }
            self.calls.cancel_all();
        }
        let input = &trial.input;
        let trail = Trail {
            index: trial.index,
            begun,
            elapsed,
            n_tries: trial.n_failed + 1,
            kind: ResultKind::of(&result),
            is_unfinished,
            named: self
                .joblog
                .as_ref()
                .map(|_| (input.fingerprint(), input.shown())),
        };
        let ended = Ended {
            index: trial.index,
            result,
            timing,
            trail,
        };
        self.reorder.end(trial.place, Event::Ended(ended));
    }

    /// What waits for another try gets none.
    fn drop_untried(&mut self) {
        while let Some((_, trial)) = self.again.pop_first() {
            let spent = (SystemTime::now(), Duration::ZERO);
            let result = Err(Error::cancelled(None));
            self.tell(trial, result, None, spent, true);
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self) {
        if self.take_what_has_come() {
            return;
        }
        let now = Instant::now();
        if let Some(least) = self.rate_limit.lacks_memory(now) {
            let least = size::shown(least);
            let note = format!("note: waiting until {least} of memory are available (--memfree)\n");
            return self.reorder.push(Event::Noted(note));
        }
        let timer = self
            .next_look(now)
            .map(|at| at.saturating_duration_since(now));
        let wants_inputs =
            self.has_slot() && self.reorder.has_room() && self.rate_limit.wait(now).is_none();
        let nothing = never();
        let inputs = self.selection.arriving().filter(|_| wants_inputs);
        let inputs = inputs.unwrap_or(&nothing);
        select! {
            recv(self.calls.ready()) -> index => {
                index.into_iter().for_each(|index| self.calls.look(index));
                self.take_what_has_come();
            }
            recv(inputs) -> input => self.selection.arrive(input),
            recv(self.asked) -> _ => {}
            recv(timer.map_or_else(never, after)) -> _ => self.end_overdue(),
        }
    }

    /// How many calls each worker may have.
    fn present_depth(&self) -> usize {
        match self.is_strict {
            true => 1,
            false => self.depth.present(),
        }
    }

    /// Whether another call may be under way.
    fn has_slot(&self) -> bool {
        let n_workers = self.target.pool.n_workers();
        let n_max = (n_workers * self.present_depth()).min(N_UNDER_WAY_MAX.max(n_workers));
        !self.is_stopping() && self.calls.len() < n_max
    }

    /// When something is to be done, whatever happens until then.
    fn next_look(&mut self, now: Instant) -> Option<Instant> {
        let overdue = self.overdue_from();
        if !self.has_slot() || self.selection.is_empty() && self.again.is_empty() {
            return overdue;
        }
        let rate_limit = self.rate_limit.wait(now);
        let again = self.again.first_key_value().map(|((due, _), _)| *due);
        let again = again.map(|due| rate_limit.map_or(due, |rate_limit| rate_limit.max(due)));
        [overdue, again, rate_limit].into_iter().flatten().min()
    }

    /// When the first of those calls is over that began before a limit was known.
    fn overdue_from(&self) -> Option<Instant> {
        let limit = self.limit.present().filter(|_| self.limit.is_relative())?;
        let open = self
            .in_flight
            .values()
            .filter(|in_flight| !in_flight.is_limited && !in_flight.is_over);
        open.map(|in_flight| in_flight.begun + limit).min()
    }

    fn end_overdue(&mut self) {
        let Some(limit) = self.limit.present().filter(|_| self.limit.is_relative()) else {
            return;
        };
        let now = Instant::now();
        for (call, in_flight) in &mut self.in_flight {
            if !in_flight.is_limited && !in_flight.is_over && in_flight.begun + limit <= now {
                in_flight.is_over = true;
                self.calls.cancel(*call);
            }
        }
    }

    #[cold]
    fn changed(&self, index: u64, input: &A) -> Fatal {
        let path = self
            .joblog
            .as_ref()
            .map(|joblog| joblog.path().display().to_string());
        let number = index + 1;
        let message = format!(
            "the inputs have changed: input {number} is now {}",
            input.shown()
        );
        let cause = format!("{} accounts for another one", path.unwrap_or_default());
        Fatal::new(Exit::Usage, message)
            .cause(cause)
            .hint("use the same inputs as before (you may add more at the end), or another joblog")
    }
}

/// Whether another try could end otherwise.
fn is_worth_another<T>(result: &owngil::Result<T>, fails: fn(&T) -> bool) -> bool {
    match result {
        Ok(value) => fails(value),
        Err(Error::Python(_) | Error::TimedOut { .. } | Error::WorkerLost(_)) => true,
        Err(_) => false,
    }
}
