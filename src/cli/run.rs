//! Run: `owngil run`, a script once per input or once per worker.

use std::sync::Arc;

use owngil::{Error, Output, OutputPolicy, Stream, Value};

use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::args::CommonArgs;
use super::course::{Calls, Course, Verdict};
use super::exit::Exit;
use super::fatal::Fatal;
use super::feed::Feed;
use super::input::{Inputs, Shape, Template, text};
use super::joblog::code_with;
use super::plan::RunPlan;
use super::report::{Failure, Report, append_lines};
use super::session::Session;

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
    let code = code_with(&called, &plan.arguments);
    let calls = Calls::new((common, session), plan.script, (called, code), n_inputs)?;
    let pool = session.start_pool(common, n_inputs, OutputPolicy::Capture)?;
    pool.load(&plan.script)?;
    let template = Arc::new(Template::new(&plan.arguments));
    let blocks = inputs.blocks(Shape::Script(template));
    let (feed, inputs, mut ledger) = Feed::start(blocks, calls.room(&pool))
        .map_err(|error| Fatal::new(Exit::Failed, "cannot start to read").cause(error))?;
    if common.course.dry_run {
        return calls.show(&pool, inputs);
    }
    let report = session.report(common, "input", n_inputs);
    let fails = |status: &i64| *status != 0;
    let ending = calls.make(&pool, (feed, inputs), fails, |index, ended| {
        let (block, place) = ledger.end_call(index);
        let Some((result, output, spent)) = ended else {
            return Verdict::CutShort;
        };
        report.took(spent, || block.label(place));
        let printed = pass_on(session, output);
        let is_refused = matches!(&result, Err(error) if error.python().is_none());
        match is_refused.then(|| block.problem(place)).flatten() {
            None => tell(&report, &block.label(place), result, &printed),
            Some(problem) => {
                report.failed(&block.origin(place), &problem.into(), &printed);
                Verdict::Failed(1)
            }
        }
    });
    session.stdout.drain();
    session.tell_placement(&pool, common);
    let exit = report.finish(session.signals.finish());
    let exit = ending.tell(exit, &session.stderr, common.process.quiet)?;
    match ledger.trouble() {
        Some(trouble) => Err(trouble),
        None => Ok(exit),
    }
}

fn on_each_worker(plan: &RunPlan, common: &CommonArgs, session: &Session) -> Result<Exit, Fatal> {
    let (stdout, stderr) = (Arc::clone(&session.stdout), Arc::clone(&session.stderr));
    let sink = move |stream: Stream, text: &[u8]| {
        let mut lines = Vec::with_capacity(text.len() + 1);
        append_lines(&mut lines, text);
        match stream {
            Stream::Stdout => stdout.append(|out| out.append(&mut lines)),
            Stream::Stderr => stderr.write(&lines),
        }
    };
    if !Course::new(common, None)?.is_plain() || common.joblog.joblog.is_some() {
        let message = "a script that runs once on every worker has no inputs to choose among or to account for";
        return Err(Fatal::new(Exit::Usage, message).hint("name inputs after `:::`"));
    }
    let pool = session.start_pool(common, None, OutputPolicy::Sink(Arc::new(sink)))?;
    pool.load(&plan.script)?;
    session.signals.on_first(&pool, || {});
    let report = session.report(common, "worker", Some(pool.n_workers()));
    let arguments = Words::new(&plan.arguments);
    let statuses = pool.broadcast::<i64, _>(&plan.script, arguments)?;
    for (worker, result) in statuses.into_iter().enumerate() {
        let label = format!("worker {}", worker + 1);
        tell(&report, &label, result, b"");
    }
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

/// Passes on what a run printed to standard output; returns what is for standard error.
fn pass_on(session: &Session, output: Output) -> Vec<u8> {
    if !output.stdout.is_empty() {
        session
            .stdout
            .append(|out| append_lines(out, &output.stdout));
        if !output.stderr.is_empty() {
            // Where both are one terminal, they should stand together.
            session.stdout.drain();
        }
    }
    output.stderr
}

fn tell(report: &Report, label: &str, result: owngil::Result<i64>, printed: &[u8]) -> Verdict {
    let (failure, status) = match result {
        Ok(0) => {
            report.succeeded();
            report.printed(printed);
            return Verdict::Succeeded;
        }
        Ok(status) => (
            Failure::new(format!("the script ended with status {status}")),
            status as i32,
        ),
        Err(Error::Cancelled(stack)) => {
            report.cut_short(stack.is_some());
            report.printed(printed);
            return Verdict::CutShort;
        }
        Err(error) => (Failure::from(&error), 1),
    };
    report.failed(label, &failure, printed);
    Verdict::Failed(status)
}
