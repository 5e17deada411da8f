//! Run: `owngil run`, a script once per input or once per worker.

use std::sync::{Arc, OnceLock};

use owngil::{Error, Value};

use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::fatal::Fatal;
use crate::input::reader::lock;
use crate::input::{Inputs, Shape, Template, text};
use crate::options::args::CommonArgs;
use crate::options::plan::RunPlan;
use crate::output::{StdoutOwner, TaskOutput, TaskSummary};
use crate::schedule::{Calls, Came, Schedule, Verdict, Wanted};
use crate::session::Session;
use crate::terminal::report::Report;

/// Runs the script.
pub(crate) fn run(
    mut plan: RunPlan,
    common: &CommonArgs,
    session: &Session,
) -> Result<Exit, Fatal> {
    match plan.inputs.take() {
        Some(inputs) => for_each_input(&plan, inputs, common, session),
        None => on_each_worker(&plan, common, session),
    }
}

fn for_each_input(
    plan: &RunPlan,
    inputs: Inputs,
    common: &CommonArgs,
    session: &Session,
) -> Result<Exit, Fatal> {
    let n_inputs = inputs.n;
    let called = plan.script.to_string();
    let calls = Calls::new((common, session), plan.script, called, n_inputs)?;
    let task_output = session.task_output(common, StdoutOwner::Tasks)?;
    let pool = session.start_pool(common, n_inputs, task_output.policy())?;
    pool.load(&plan.script)?;
    let calls = calls.accounted(&pool, &plan.arguments)?;
    let template = Arc::new(Template::new(&plan.arguments));
    let blocks = inputs.blocks(Shape::Script(template));
    let (fed, pending) = calls.feed(blocks, &pool, &task_output)?;
    if common.schedule.dry_run {
        return calls.show(&pool, fed);
    }
    let report = session.report_of_inputs(common, fed.0.total())?;
    let wanted = Wanted {
        fails: |status: &i64| *status != 0,
        each: None,
    };
    let ending = calls.make((&pool, &task_output), fed, wanted, |index, came| {
        let (block, place) = lock(&pending).end_call(index);
        let Came::End(outcome) = came else {
            report.passed();
            return Verdict::CutShort;
        };
        report.took(outcome.spent(), || block.label(place));
        let result = outcome.result;
        let is_refused = matches!(&result, Err(error) if error.python().is_none());
        let problem = is_refused.then(|| block.problem(place)).flatten();
        let is_no_input = problem.is_some();
        let ended = EndedRun {
            index,
            input: &task_output.wanted(|| block.bytes(place)),
            record: &|| block.record(place).to_vec(),
            label: &|| match is_no_input {
                false => block.label(place),
                true => block.origin(place),
            },
            problem: problem.map(Failure::from),
            result,
        };
        ended.tell(&report, &task_output)
    });
    task_output.finish();
    session.stdout.drain();
    ending.close(report, &pool, &pending, (common, session))
}

fn on_each_worker(plan: &RunPlan, common: &CommonArgs, session: &Session) -> Result<Exit, Fatal> {
    if !Schedule::new(common, None)?.is_plain() || common.joblog.joblog.is_some() {
        let message =
            "a script that runs once on every worker has no inputs to select or to record";
        return Err(Fatal::new(Exit::Usage, message).hint("name inputs after `:::`"));
    }
    if common.output.results.is_some() {
        let message = "--results: a script that runs once on every worker has no inputs";
        return Err(Fatal::new(Exit::Usage, message).hint("name inputs after `:::`"));
    }
    let task_output = session.task_output(common, StdoutOwner::Workers)?;
    task_output.find_by(|worker| Some(worker_name(worker).into_bytes()));
    let pool = session.start_pool(common, None, task_output.policy())?;
    pool.load(&plan.script)?;
    session.signals.on_first(&pool, || {});
    let n = pool.n_workers();
    if !common.process.quiet && (n > 1 || !plan.arguments.is_empty()) {
        let how = match plan.arguments.is_empty() {
            true => "(`-j 1` runs it once)",
            false => "with these arguments (`:::` before the inputs runs it once for each)",
        };
        let note =
            format!("note: no inputs were given: each of {n} workers runs the script once {how}\n");
        session.stderr.write(note.as_bytes());
    }
    let report = session.report(
        common,
        "worker",
        Arc::new(OnceLock::from(pool.n_workers() as u64)),
    );
    let arguments = Words::new(&plan.arguments);
    let statuses = pool.broadcast::<i64, _>(&plan.script, arguments)?;
    for (worker, result) in statuses.into_iter().enumerate() {
        let name = worker_name(worker as u64);
        let ended = EndedRun {
            index: worker as u64,
            input: name.as_bytes(),
            label: &|| name.clone(),
            record: &|| name.clone().into_bytes(),
            problem: None,
            result,
        };
        ended.tell(&report, &task_output);
    }
    task_output.finish();
    session.stdout.drain();
    session.tell_placement(&pool, common);
    Ok(report.finish(session.signals.finish()))
}

/// The arguments of the call that runs a script.
struct Words(Vec<Value>);

impl Words {
    fn new(words: &[Vec<u8>]) -> Words {
        Words(words.iter().map(|word| text(word)).collect())
    }
}

impl Serialize for Words {
    /// A tuple: each word is an argument.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0
            .iter()
            .try_for_each(|word| tuple.serialize_element(word))?;
        tuple.end()
    }
}

fn worker_name(number: u64) -> String {
    format!("worker {}", number + 1)
}

/// How a run of the script has ended.
struct EndedRun<'a> {
    index: u64,
    input: &'a [u8],
    /// What a message calls it.
    label: &'a dyn Fn() -> String,
    /// It as it was read.
    record: &'a dyn Fn() -> Vec<u8>,
    /// Why no call could be made of its input.
    problem: Option<Failure>,
    result: owngil::Result<i64>,
}

impl EndedRun<'_> {
    /// Passes on what it has printed, and says what came of it.
    fn tell(self, report: &Report, task_output: &TaskOutput) -> Verdict {
        let status = match &self.result {
            Ok(status) if *status != 0 => *status as i32,
            _ => 1,
        };
        let failure = match &self.result {
            _ if self.problem.is_some() => self.problem,
            Ok(0) | Err(Error::Cancelled { .. }) => None,
            Ok(status) => {
                let what = format!("the script ended with status {status}");
                Some(Failure::new(what))
            }
            Err(error) => Some(Failure::from(error)),
        };
        let error = failure.as_ref().map(Failure::text);
        let last = task_output.end(TaskSummary {
            index: self.index,
            input: self.input,
            value: None,
            error: error.as_deref(),
        });
        if let Err(Error::Cancelled { stack, .. }) = &self.result {
            report.cut_short(stack.is_some());
            report.printed(&last.printed);
            return Verdict::CutShort;
        }
        match failure.or_else(|| last.trouble.as_ref().map(Failure::unkept)) {
            Some(failure) => {
                report.failed(&(self.label)(), self.record, &failure, &last.printed);
                Verdict::Failed(status)
            }
            None => {
                report.succeeded();
                report.printed(&last.printed);
                Verdict::Succeeded
            }
        }
    }
}
