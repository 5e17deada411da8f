//! DryRun: what a run would do, listed without a call.

use std::fmt::Write;

use crossbeam_channel::Receiver;
use owngil::{Backend, Function, Pool};

use super::Schedule;
use super::selection::{Next, Selection};
use crate::exit::Exit;
use crate::input::call::material::Material;
use crate::joblog::Past;
use crate::options::args::CommonArgs;
use crate::session::Session;

/// How many calls are shown.
const N_SHOWN: usize = 5;

/// Shows the first calls, and where they would run.
pub(crate) fn show<A: Material>(
    schedule: Schedule<'_>,
    (pool, function, called): (&Pool, &Function, &str),
    inputs: Receiver<A>,
    past: Past,
    (common, session): (&CommonArgs, &Session),
) -> Exit {
    let (calls, is_more) = first(schedule, inputs, past);
    let mut text = String::new();
    for call in calls {
        // A String takes all that is written to it.
        let _ = writeln!(text, "{called} {call}");
    }
    if is_more {
        text.push_str("… and so on\n");
    }
    let n = pool.n_workers();
    let plural = if n == 1 { "" } else { "s" };
    let (backend, why) = placed(pool, function, common.backend());
    let _ = writeln!(text, "backend: {backend}, {n} worker{plural}: {why}");
    session
        .stdout
        .append(|out| out.extend_from_slice(text.as_bytes()));
    session.stdout.drain();
    session.signals.finish().unwrap_or(Exit::Success)
}

/// The first inputs that would be run, and whether there are more.
fn first<A: Material>(
    schedule: Schedule<'_>,
    inputs: Receiver<A>,
    past: Past,
) -> (Vec<String>, bool) {
    let mut selection = Selection::new(inputs, schedule.shard, past, schedule.rng);
    let mut shown = Vec::new();
    loop {
        match selection.next() {
            Next::Run(..) if shown.len() == N_SHOWN => return (shown, true),
            Next::Run(_, input) => shown.push(input.shown()),
            Next::Changed(index, input) => {
                let number = index + 1;
                shown.push(format!(
                    "{} (number {number} was another one)",
                    input.shown()
                ));
                return (shown, true);
            }
            Next::Pass(_) => {}
            Next::NotYet => {
                let arrived = selection.arriving().map(Receiver::recv);
                if let Some(arrived) = arrived {
                    selection.arrive(arrived);
                }
            }
            Next::End => return (shown, false),
        }
    }
}

/// Where the calls would run, and why.
fn placed(pool: &Pool, function: &Function, asked: Backend) -> (Backend, String) {
    let moved = pool.moved();
    match moved.iter().find(|moved| moved.function == *function) {
        Some(moved) => (Backend::Process, moved.reason.to_string()),
        None if asked == Backend::Auto && pool.backend() == Backend::Thread => {
            let is_parallel = owngil::runtime_info().is_ok_and(|info| !info.is_gil_enabled);
            let why = match is_parallel {
                true => "in parallel, since this Python is free-threaded",
                false => "one at a time: this Python is free-threaded, but its GIL is on",
            };
            (Backend::Thread, why.to_owned())
        }
        None if asked == Backend::Auto && pool.backend() != Backend::Process => {
            let why = "each with a GIL of its own; a call that is refused there moves to processes";
            (Backend::Interpreter, why.to_owned())
        }
        None if asked == Backend::Auto => {
            (pool.backend(), "--init is refused elsewhere".to_owned())
        }
        None => (asked, "it was asked for".to_owned()),
    }
}
