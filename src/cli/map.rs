//! Map: `owngil map`, one call per input, results as JSON Lines.

use std::sync::Arc;

use owngil::{Completed, Error, Output, OutputPolicy, Value};

use super::args::CommonArgs;
use super::exit::Exit;
use super::fatal::Fatal;
use super::feed::{Feed, Ledger, TEXT_MAX};
use super::input::Block;
use super::json;
use super::plan::CallsPlan;
use super::report::{Failure, Report, append_lines};
use super::session::Session;

/// Makes the calls.
pub(crate) fn map(plan: CallsPlan, common: &CommonArgs, session: &Session) -> Result<Exit, Fatal> {
    let n_inputs = plan.inputs.n;
    let pool = session.start_pool(common, n_inputs, OutputPolicy::Capture)?;
    pool.load(&plan.function)?;

    let room = TEXT_MAX * (1 + pool.n_workers());
    let (feed, inputs, ledger) = Feed::start(plan.inputs.blocks(plan.shape), room)
        .map_err(|error| Fatal::new(Exit::Failed, "cannot start to read").cause(error))?;
    let results = pool.map_channel::<Value, _>(&plan.function, inputs, common.keep_order);
    let canceller = results.canceller();
    session.signals.on_first(&pool, move || {
        canceller.cancel();
        feed.close();
    });

    let mut results_of = Results {
        session,
        report: session.report(common, "input", n_inputs),
        ledger,
    };
    for completed in results.completed() {
        results_of.take(completed);
    }
    let Results { report, ledger, .. } = results_of;
    session.stdout.drain();
    session.tell_placement(&pool, common);
    let exit = report.finish(session.signals.finish());
    match ledger.trouble() {
        Some(trouble) => Err(trouble),
        None => Ok(exit),
    }
}

/// What becomes of results.
struct Results<'a> {
    session: &'a Session,
    report: Report,
    ledger: Ledger,
}

impl Results<'_> {
    fn take(&mut self, completed: Completed<Value>) {
        let Completed {
            index,
            result,
            output,
            ..
        } = completed;
        let (block, place) = self.ledger.end_call(index);
        let failure = match result {
            Ok(value) => match self.write(&value) {
                None => {
                    self.report.succeeded();
                    return self.report.printed(&printed(output));
                }
                Some(failure) => failure,
            },
            Err(Error::Cancelled(stack)) => {
                self.report.cut_short(stack.is_some());
                return self.report.printed(&printed(output));
            }
            Err(error) => Failure::from(&error),
        };
        self.fail(&block, place, failure, &printed(output));
    }

    /// Writes a result, or says why it is none.
    fn write(&mut self, value: &Value) -> Option<Failure> {
        let written = self.session.stdout.append(|out| {
            let start = out.len();
            let written = json::write(value, out);
            match written {
                Ok(_) => out.push(b'\n'),
                Err(_) => out.truncate(start),
            }
            written
        });
        match written {
            Ok(n) => {
                self.report.not_finite(n);
                None
            }
            Err(unfit) => Some(Failure::new(unfit.to_string()).hint(unfit.hint())),
        }
    }

    #[cold]
    fn fail(&self, block: &Arc<Block>, place: usize, failure: Failure, printed: &[u8]) {
        match block.problem(place) {
            None => self.report.failed(&block.label(place), &failure, printed),
            Some(problem) => self
                .report
                .failed(&block.origin(place), &problem.into(), printed),
        }
    }
}

/// All that a function printed: standard output is for results.
fn printed(output: Output) -> Vec<u8> {
    let mut text = Vec::new();
    append_lines(&mut text, &output.stdout);
    append_lines(&mut text, &output.stderr);
    text
}
