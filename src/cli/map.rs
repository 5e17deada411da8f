//! Map: `owngil map`, one call per input, results as JSON Lines.

use std::sync::Arc;

use owngil::{Error, Output, OutputPolicy, Value};

use super::args::CommonArgs;
use super::course::{Calls, Outcome, Verdict};
use super::exit::Exit;
use super::fatal::Fatal;
use super::feed::{Feed, Ledger};
use super::input::Block;
use super::joblog::code_of;
use super::json;
use super::plan::CallsPlan;
use super::report::{Failure, Report, append_lines};
use super::session::Session;

/// Makes the calls.
pub(crate) fn map(plan: CallsPlan, common: &CommonArgs, session: &Session) -> Result<Exit, Fatal> {
    let n_inputs = plan.inputs.n;
    let called = (plan.reference.clone(), code_of(&plan.reference));
    let calls = Calls::new((common, session), plan.function, called, n_inputs)?;
    let pool = session.start_pool(common, n_inputs, OutputPolicy::Capture)?;
    pool.load(&plan.function)?;

    let blocks = plan.inputs.blocks(plan.shape);
    let (feed, inputs, ledger) = Feed::start(blocks, calls.room(&pool))
        .map_err(|error| Fatal::new(Exit::Failed, "cannot start to read").cause(error))?;
    if common.course.dry_run {
        return calls.show(&pool, inputs);
    }
    let mut results = Results {
        session,
        report: session.report(common, "input", n_inputs),
        ledger,
    };
    let ending = calls.make(
        &pool,
        (feed, inputs),
        |_| false,
        |index, ended| results.take(index, ended),
    );
    let Results { report, ledger, .. } = results;
    session.stdout.drain();
    session.tell_placement(&pool, common);
    let exit = report.finish(session.signals.finish());
    let exit = ending.tell(exit, &session.stderr, common.process.quiet)?;
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
    fn take(&mut self, index: u64, ended: Outcome<Value>) -> Verdict {
        let (block, place) = self.ledger.end_call(index);
        let Some((result, output, spent)) = ended else {
            return Verdict::CutShort;
        };
        self.report.took(spent, || block.label(place));
        let failure = match result {
            Ok(value) => match self.write(&value) {
                None => {
                    self.report.succeeded();
                    self.report.printed(&printed(output));
                    return Verdict::Succeeded;
                }
                Some(failure) => failure,
            },
            Err(Error::Cancelled(stack)) => {
                self.report.cut_short(stack.is_some());
                self.report.printed(&printed(output));
                return Verdict::CutShort;
            }
            Err(error) => Failure::from(&error),
        };
        self.fail(&block, place, failure, &printed(output));
        Verdict::Failed(1)
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
