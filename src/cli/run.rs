//! Run: `owngil run`, a script once per input or once per worker.

use std::sync::Arc;

use owngil::{Completed, Error, Output, OutputPolicy, Stream, Value};

use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::args::CommonArgs;
use super::exit::Exit;
use super::fatal::Fatal;
use super::input::{shortened, text};
use super::plan::RunPlan;
use super::report::{Failure, Report, append_lines};
use super::session::Session;

/// Runs the script.
pub(crate) fn run(plan: RunPlan, common: &CommonArgs, session: &Session) -> Result<Exit, Fatal> {
    match &plan.inputs {
        Some(inputs) => for_each_input(&plan, inputs, common, session),
        None => on_each_worker(&plan, common, session),
    }
}

fn for_each_input(
    plan: &RunPlan,
    inputs: &[Vec<u8>],
    common: &CommonArgs,
    session: &Session,
) -> Result<Exit, Fatal> {
    let pool = session.start_pool(common, Some(inputs.len()), OutputPolicy::Capture)?;
    pool.load(&plan.script)?;
    let calls = inputs
        .iter()
        .map(|input| Words::new(&plan.arguments.filled(input)));
    let map = match common.keep_order {
        true => pool.map::<i64, _>(&plan.script, calls),
        false => pool.map_unordered::<i64, _>(&plan.script, calls),
    };
    let canceller = map.canceller();
    session.signals.on_first(&pool, move || canceller.cancel());
    let report = session.report(common, "input", Some(inputs.len()));
    for completed in map.completed() {
        let Completed {
            index,
            result,
            output,
            ..
        } = completed;
        let quoted = shortened(&inputs[index as usize]);
        let label = format!("input {} ({quoted:?})", index + 1);
        let printed = pass_on(session, output);
        tell(&report, &label, result, &printed);
    }
    session.stdout.drain();
    session.tell_placement(&pool, common);
    Ok(report.finish(session.signals.finish()))
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
    let pool = session.start_pool(common, None, OutputPolicy::Sink(Arc::new(sink)))?;
    pool.load(&plan.script)?;
    session.signals.on_first(&pool, || {});
    let report = session.report(common, "worker", Some(pool.n_workers()));
    let arguments = Words::new(plan.arguments.as_written());
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

fn tell(report: &Report, label: &str, result: owngil::Result<i64>, printed: &[u8]) {
    let failure = match result {
        Ok(0) => {
            report.succeeded();
            return report.printed(printed);
        }
        Ok(status) => Failure::new(format!("the script ended with status {status}")),
        Err(Error::Cancelled(stack)) => {
            report.cut_short(stack.is_some());
            return report.printed(printed);
        }
        Err(error) => Failure::from(&error),
    };
    report.failed(label, &failure, printed);
}
