//! Map: `owngil map`, one call per input, results as JSON Lines.

use std::sync::{Arc, Mutex};

use owngil::{Error, Value};

use super::items::Items;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fatal::Fatal;
use crate::input::Block;
use crate::input::call::binding::Binding;
use crate::input::reader::{PendingInputs, lock};
use crate::json;
use crate::options::args::CommonArgs;
use crate::options::plan::CallsPlan;
use crate::output::{Remaining, ResultRecord, StdoutOwner, TaskOutput, TaskSummary, Values};
use crate::schedule::{CallOutcome, Calls, Came, Each, Verdict, Wanted};
use crate::session::Session;
use crate::terminal::report::Report;

/// Makes the calls. With `is_each`, each item of what they return is a result.
pub(crate) fn map(
    plan: CallsPlan,
    (values, is_each): (Values, bool),
    common: &CommonArgs,
    session: &Session,
) -> Result<Exit, Fatal> {
    let n_inputs = plan.inputs.n;
    let called = plan.reference.clone();
    let calls = Calls::new((common, session), plan.function, called, n_inputs)?;
    let task_output = session.task_output(common, StdoutOwner::Results)?;
    let pool = session.start_pool(common, n_inputs, task_output.policy())?;
    let function = plan.function;
    pool.load(&function)?;
    let calls = calls.accounted(&pool, &[])?;

    let binding = Binding::new(&pool, &function, &common.process, session);
    let blocks = plan.blocks(binding);
    let (fed, pending) = calls.feed(blocks, &pool, &task_output)?;
    if common.schedule.dry_run {
        return calls.show(&pool, fed);
    }
    let calls = calls.timed(values.has_envelope());
    let is_recorded = common.joblog.joblog.is_some();
    let wanted = Wanted {
        fails: |_| false,
        each: is_each.then_some(Each {
            is_grouped: common.keep_order || is_recorded,
            whole: Value::None,
        }),
    };
    let mut results = Results {
        session,
        items: is_each.then(|| Items::new(is_recorded)),
        report: session.report_of_inputs(common, fed.0.total())?,
        pending,
        values,
        task_output: Arc::clone(&task_output),
    };
    let ending = calls.make(
        (&pool, &task_output),
        fed,
        wanted,
        |index, came| match came {
            Came::Item(item) => results.take_item(index, &item),
            Came::End(outcome) => results.take(index, Some(outcome)),
            Came::Nothing => results.take(index, None),
        },
    );
    let Results {
        report,
        pending,
        values,
        ..
    } = results;
    session.stdout.append(|out| values.finish(out));
    session.stdout.drain();
    task_output.finish();
    ending.close(report, &pool, &pending, (common, session))
}

/// What to do where the keys of an object do not fit.
const KEYWORDS: &str = "the entries of an object are keyword arguments; --as arg passes it whole, and **rest takes what is left";

/// Whether it is the call itself that cannot be, and nothing has run of the function.
fn is_of_the_call(error: &Error) -> bool {
    error.python().is_some_and(|python| {
        python.type_name() == "TypeError" && !python.traceback().contains("\n  File ")
    })
}

/// What to do where a function has nothing to iterate over.
const NO_ITEMS: &str = "without --each, what the function returns is one result";

/// Whether it is what the function has returned that has no items.
fn is_of_items(error: &Error) -> bool {
    error.python().is_some_and(|python| {
        // That of a coroutine says more, with a hint of its own.
        let says_more = python.message().contains('\n');
        let is_meant = python.message().starts_with("a stream needs an iterable");
        is_of_the_call(error) && is_meant && !says_more
    })
}

/// What becomes of results.
struct Results<'a> {
    session: &'a Session,
    /// Where each item is a result.
    items: Option<Items>,
    report: Report,
    pending: Arc<Mutex<PendingInputs>>,
    values: Values,
    task_output: Arc<TaskOutput>,
}

impl Results<'_> {
    /// Writes an item.
    fn take_item(&mut self, index: u64, item: &Value) -> Verdict {
        let items = self
            .items
            .as_mut()
            .expect("items come where they are asked for");
        match items.write((index, item), &mut self.values, &self.session.stdout) {
            Ok(n) => {
                self.report.not_finite(n);
                Verdict::Succeeded
            }
            Err(verdict) => verdict,
        }
    }

    fn take(&mut self, index: u64, outcome: Option<CallOutcome<Value>>) -> Verdict {
        let (block, place) = lock(&self.pending).end_call(index);
        let Some(outcome) = outcome else {
            self.report.passed();
            return Verdict::CutShort;
        };
        self.report.took(outcome.spent(), || block.label(place));
        let result = &outcome.result;
        let was_running = match result {
            Err(Error::Cancelled { stack, .. }) => Some(stack.is_some()),
            _ if self.items.as_ref().is_some_and(|items| items.is_torn) => Some(false),
            _ => None,
        };
        if let Some(was_running) = was_running {
            if let Some(items) = &mut self.items {
                items.cut_short(index);
            }
            let last = self.end(index, &block, place, None, None);
            self.report.cut_short(was_running);
            self.report.printed(&last.printed);
            return Verdict::CutShort;
        }
        let problem = match result {
            Err(error) if error.python().is_none() => block.problem(place),
            _ => None,
        };
        let is_no_input = problem.is_some();
        let failure = match (result, problem) {
            (_, Some(problem)) => Some(Failure::from(problem)),
            (Err(error), None) if block.has_keywords() && is_of_the_call(error) => {
                Some(Failure::from(error).or_hint(KEYWORDS))
            }
            (Err(error), None) if is_of_items(error) => {
                Some(Failure::from(error).or_hint(NO_ITEMS))
            }
            (Err(error), None) => Some(Failure::from(error)),
            (Ok(_), None) => None,
        };
        let unfit = self.write(index, &block, place, &outcome, failure.as_ref());
        let failure = failure.or(unfit);
        let value = result.as_ref().ok().filter(|_| failure.is_none());
        let last = self.end(index, &block, place, value, failure.as_ref());
        let failure = failure.or_else(|| last.trouble.as_ref().map(Failure::unkept));
        let Some(failure) = failure else {
            self.report.succeeded();
            self.report.printed(&last.printed);
            return Verdict::Succeeded;
        };
        let label = match is_no_input {
            true => block.origin(place),
            false => block.label(place),
        };
        let input = || block.record(place).to_vec();
        self.report.failed(&label, &input, &failure, &last.printed);
        Verdict::Failed(1)
    }

    /// Writes a result, or says why it is none.
    fn write(
        &mut self,
        index: u64,
        block: &Block,
        place: usize,
        outcome: &CallOutcome<Value>,
        failure: Option<&Failure>,
    ) -> Option<Failure> {
        if let Some(items) = &mut self.items {
            return items.take_unfit(index);
        }
        let values = &mut self.values;
        let written = match (values.has_envelope(), &outcome.result) {
            (false, Ok(value)) => self.session.stdout.append(|out| values.write(value, out)),
            (false, Err(_)) => return None,
            (true, _) => {
                let mut input = Vec::new();
                block.write_json(place, &mut input);
                let record = ResultRecord {
                    index,
                    input: &input,
                    result: outcome.result.as_ref(),
                    failure: failure.map(|failure| failure.what.as_str()),
                    spent: outcome.timing.map(|timing| (timing.worker, timing.elapsed)),
                    attempt: outcome.attempt,
                };
                let stdout = &self.session.stdout;
                stdout.append(|out| values.write_record(record, out))
            }
        };
        match written {
            Ok(n) => {
                self.report.not_finite(n);
                None
            }
            Err(failure) => Some(failure),
        }
    }

    /// Passes on what the call has printed.
    fn end(
        &self,
        index: u64,
        block: &Block,
        place: usize,
        value: Option<&Value>,
        failure: Option<&Failure>,
    ) -> Remaining {
        let mut text = Vec::new();
        let error = failure.filter(|_| self.task_output.wants_summary());
        let error = error.map(|failure| failure.text());
        if self.task_output.wants_summary()
            && let Some(value) = value
            && json::write(value, &mut text).is_ok()
        {
            text.push(b'\n');
        }
        self.task_output.end(TaskSummary {
            index,
            input: &self.task_output.wanted(|| block.bytes(place)),
            value: (!text.is_empty()).then_some(&text[..]),
            error: error.as_deref(),
        })
    }
}
