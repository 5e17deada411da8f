//! InterpreterState: the objects that a worker keeps in its interpreter, and how it runs a batch by them.

use std::ops::ControlFlow;
use std::sync::Arc;

use owngil_ffi::{Attached, Kept, Loans, Object, PyResult, hosted};

use super::budget::Budget;
use super::calling::{Callee, pass_call};
use super::clock::Clock;
use super::codecs::codec;
use super::functions::{Functions, call_once, named};
use super::interrupted::{self, Origin};
use super::progress::Progress;
use super::refusals::Refusals;
use super::refused::Refused;
use super::setup::deferred::Deferred;
use super::setup::host;
use super::setup::host_functions::Here;
use super::setup::own_directory::OwnDirectory;
use super::setup::programs::BOOTSTRAP;
use super::setup::site;
use super::setup::streams::Streams;
use super::streaming::{Around, Streaming};
use crate::children;
use crate::error::{Error, Result};
use crate::inherited::Inherited;
use crate::monitor::{JobMonitor, Ran, Sampling};
use crate::output::{Capture, Children};
use crate::payload::{Codec, Mark, Reader};
use crate::task::{Batch, Collecting, Results};

/// The objects that a worker keeps in its interpreter.
#[derive(Debug)]
pub(super) struct InterpreterState {
    pub(super) codec: Codec,
    pub(super) functions: Functions,
    /// Serves one batch after the other.
    pub(super) collecting: Collecting,
    /// Where the last batch stopped, if it did.
    pub(super) refused: Option<Refused>,
    /// The extension modules that it refused, where that moves what asked for them.
    pub(super) refusals: Option<Refusals>,
    /// The worker's own, where it has one.
    pub(super) directory: Option<OwnDirectory>,
    /// A call stopped here and moved, and what it left behind is not what others expect.
    pub(super) is_tainted: bool,
    /// Writes out what its files hold.
    pub(super) flush_files: Kept,
    pub(super) budget: Budget,
    pub(super) sampling: Sampling,
    pub(super) progress: Option<Box<dyn Progress>>,
    /// The host functions of its pool, where workers share the interpreter.
    pub(super) host_functions: Option<Here>,
    pub(super) streaming: Streaming,
    /// The namespace of `exec` and `eval`.
    pub(super) globals: Kept,
}

/// Where a call began.
struct Begun {
    /// The number of calls of the batch before it.
    made: u32,
    /// Where its arguments are.
    from: usize,
    /// Where its value goes.
    mark: Mark,
}

/// What the objects of an interpreter are made from.
pub(super) struct Making<'m> {
    pub(super) fallback: Arc<Capture>,
    pub(super) loans: Option<Loans>,
    pub(super) worker: Option<&'m JobMonitor>,
    pub(super) is_alone: bool,
    pub(super) children: Children,
    pub(super) refusals: Option<Refusals>,
    pub(super) inherited: &'m Arc<Inherited>,
}

impl InterpreterState {
    pub(super) fn new<'a>(
        attached: Attached<'a>,
        making: Making<'_>,
    ) -> PyResult<'a, InterpreterState> {
        let Making {
            fallback,
            loans,
            worker,
            is_alone,
            children,
            refusals,
            inherited,
        } = making;
        let bootstrap = attached.dict()?;
        bootstrap.insert(&attached.str("__name__")?, &attached.str("owngil")?)?;
        BOOTSTRAP.run(attached, &bootstrap)?;
        let set_up = |name, arguments: &[_]| call_once(attached, &bootstrap, name, arguments);
        let is_hosted = hosted::is_hosted();
        // Threads of a host's main interpreter, which stays as it is.
        let is_guest = is_hosted && attached.id() == 0 && !is_alone;
        let is_worker = worker.is_some();
        let number = match worker {
            Some(worker) => attached.int(worker.worker() as i64)?,
            None => attached.none(),
        };
        let load = match worker {
            // Elsewhere one module stands for several workers.
            Some(worker) if attached.id() != 0 || is_alone => {
                let worker = worker.weak();
                attached
                    .callback(move |attached, arguments| host::load(attached, arguments, &worker))?
            }
            _ => attached.none(),
        };
        let [is_alone_there, is_hosted_there] = [is_alone, is_hosted].map(|is| attached.bool(is));
        let around = [number, is_alone_there, is_hosted_there, load];
        if is_guest {
            set_up("install_module", &around)?;
            return InterpreterState::of(attached, &bootstrap, loans, None, None);
        }
        let streams = Streams::install(attached, &bootstrap, fallback, loans.is_none())?;
        set_up("install_module", &around)?;
        let deferred = Deferred::new(attached)?;
        set_up("let_threads_be_waited_for", &[])?;
        if attached.id() != 0 || is_worker {
            let is_process = attached.id() == 0 && is_alone;
            set_up("keep_process", &[attached.bool(is_process)])?;
        }
        if attached.id() != 0 {
            set_up("be_main_thread", &[])?;
            set_up("look_at_own_frames", &[])?;
            #[cfg(target_os = "linux")]
            deferred.install("locks", &[])?;
            deferred.install("whole_process", &[])?;
        }
        // A worker process's own worker is alone in the main interpreter, too.
        if attached.id() != 0 || (is_worker && !is_alone) {
            deferred.install("signals", &[])?;
        }
        let directory =
            streams.prepare_children(attached, &bootstrap, &deferred, children, inherited)?;
        if let Some(refusals) = &refusals {
            refusals.install(attached, &bootstrap)?;
        }
        if attached.id() != 0 {
            site::run(attached, refusals.as_ref())?;
        }
        InterpreterState::of(attached, &bootstrap, loans, refusals, directory)
    }

    fn of<'a>(
        attached: Attached<'a>,
        bootstrap: &Object<'a>,
        loans: Option<Loans>,
        refusals: Option<Refusals>,
        directory: Option<OwnDirectory>,
    ) -> PyResult<'a, InterpreterState> {
        let globals = attached.dict()?;
        globals.insert(&attached.str("__name__")?, &attached.str("__owngil__")?)?;
        Ok(InterpreterState {
            codec: codec(attached, bootstrap, loans)?,
            functions: Functions::new(bootstrap),
            collecting: Collecting::default(),
            refused: None,
            refusals,
            directory,
            is_tainted: false,
            flush_files: named(attached, bootstrap, "flush_files")?.keep(),
            budget: Budget::default(),
            sampling: Sampling::default(),
            progress: None,
            host_functions: None,
            streaming: Streaming::default(),
            globals: globals.keep(),
        })
    }

    /// Writes out what files hold, before a call that stopped here is made again elsewhere.
    #[cold]
    pub(super) fn flush_files(&self, attached: Attached<'_>) {
        // An exception of a file is that file's: what is lost so is lost at the end of plain Python, too.
        let _ = self.flush_files.get(attached).call(&[]);
    }

    /// Whether no further batch is to run here.
    pub(super) fn is_over(&self, attached: Attached<'_>) -> bool {
        self.is_tainted || self.functions.is_retiring() || self.budget.is_exhausted(attached)
    }

    /// Makes the calls of a batch one after the other.
    pub(super) fn run(
        &mut self,
        attached: Attached<'_>,
        batch: &Batch,
        monitor: &JobMonitor,
    ) -> (Results, Ran) {
        let callable = self.load(attached, batch, monitor);
        let mut reader = batch.calls();
        self.collecting.expect(reader.remaining());
        if let Some(progress) = &mut self.progress {
            progress.begins();
        }
        let mut n_calls = batch.len();
        let mut is_refused = self.has_refused();
        let mut clock = batch.is_timed().then(|| Clock::start(monitor.worker()));
        for made in 0..batch.len() {
            let begun = Begun {
                made,
                from: reader.position(),
                mark: self.collecting.out().mark(),
            };
            monitor.capture().begin_call(made);
            let outcome = match &callable {
                // It would not run as it does in plain Python.
                Ok(_) if is_refused && !batch.is_cancelled() => Ok(()),
                _ => self.call(attached, batch, &callable, &mut reader, monitor),
            };
            if children::is_forked() {
                children::end_forked(&outcome);
            }
            if let Some(directory) = &self.directory {
                directory.put_back(monitor.capture());
            }
            match outcome {
                Ok(()) if !self.has_refused() => self.collecting.end_call(Ok(())),
                outcome => match self.settle(attached, outcome, begun, &mut reader, monitor) {
                    ControlFlow::Continue(outcome) => {
                        self.collecting.end_call(outcome);
                        is_refused = self.has_refused();
                    }
                    ControlFlow::Break(()) => {
                        n_calls = made;
                        break;
                    }
                },
            }
            if let (Some(clock), Ok(_)) = (&mut clock, &callable) {
                self.collecting.timed(clock.lap());
            }
            self.note_ended(attached, batch, made, monitor);
        }
        if let Some(items) = batch.is_stream().then(|| monitor.items()).flatten() {
            attached.detach(|| items.flush());
        }
        let ran = Ran {
            n_calls,
            n_failed: self.collecting.n_failed(),
            crossing: self.sampling.take(),
        };
        (self.collecting.finish(), ran)
    }

    /// The outcome of a call that raised, or in which something was refused; it breaks where the call moves elsewhere.
    #[cold]
    fn settle(
        &mut self,
        attached: Attached<'_>,
        outcome: Result<()>,
        begun: Begun,
        reader: &mut Reader<'_>,
        monitor: &JobMonitor,
    ) -> ControlFlow<(), Result<()>> {
        if self.has_refused() {
            // A value that the call may have given is not the one that it has in plain Python.
            self.collecting.out().rewind(begun.mark);
        }
        let mut outcome = match self.unless_refused(outcome, monitor) {
            ControlFlow::Continue(outcome) => outcome,
            ControlFlow::Break(reason) => {
                // What it printed so far, it will print again.
                attached.detach(|| monitor.capture().forget());
                self.refused = Some(Refused {
                    n_made: begun.made,
                    at: begun.from,
                    reason,
                });
                return ControlFlow::Break(());
            }
        };
        if let Err(error) = &mut outcome {
            pass_call(reader, begun.from);
            self.budget.explain(attached, error);
            let origin = interrupted::settle(error, monitor);
            self.is_tainted |= origin == Origin::Interrupted { in_import: true };
        }
        ControlFlow::Continue(outcome)
    }

    /// Loads the function of a batch, and settles the working directory. The result of a batch without calls is
    /// whether that went well.
    fn load<'a>(
        &mut self,
        attached: Attached<'a>,
        batch: &Batch,
        monitor: &JobMonitor,
    ) -> Result<Object<'a>> {
        let function = batch.function();
        let callable = self.functions.known(attached, function);
        let callable = callable.unwrap_or_else(|| {
            let functions = &mut self.functions;
            monitor.load(|| functions.load_now(attached, function, &self.budget))
        });
        let callable = callable.map_err(|mut error| {
            // What was interrupted while it was loaded may be loaded again, in an interpreter that has nothing of it.
            if interrupted::settle(&mut error, monitor) != Origin::Raised {
                self.functions.forget(function);
                self.is_tainted = true;
            }
            error
        });
        if let Some(directory) = &mut self.directory {
            directory.settle(monitor.capture());
        }
        if batch.len() == 0
            && let Err(error) = self.loaded(&callable)
        {
            self.collecting.end_call(Err(error));
        }
        callable
    }

    /// Makes the next call of a batch, unless that is pointless by now.
    #[inline]
    fn call<'a>(
        &mut self,
        attached: Attached<'a>,
        batch: &Batch,
        callable: &Result<Object<'a>>,
        reader: &mut Reader<'_>,
        monitor: &JobMonitor,
    ) -> Result<()> {
        let progress = self.progress.as_ref();
        if batch.is_cancelled() || progress.is_some_and(|progress| progress.is_stopped()) {
            return Err(Error::cancelled(None));
        }
        match callable {
            Ok(callable) => {
                let callee = Callee {
                    codec: &self.codec,
                    attached,
                    callable,
                    budget: &self.budget,
                    timer: batch.limit().map(|_| monitor),
                };
                let out = self.collecting.out();
                if batch.is_stream() {
                    let refusals = self.refusals.as_ref();
                    let around = Around { monitor, refusals };
                    return self.streaming.run(callee, reader, out, around);
                }
                callee.call_sampled(reader, out, &mut self.sampling)
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// Reports that a call of the batch has ended, and takes what it printed.
    #[inline]
    fn note_ended(
        &mut self,
        attached: Attached<'_>,
        batch: &Batch,
        made: u32,
        monitor: &JobMonitor,
    ) {
        if let Some(progress) = &mut self.progress
            && batch.len() > 1
        {
            progress.ended(self.collecting.n(), self.collecting.values());
        }
        let is_last = made + 1 == batch.len();
        let capture = monitor.capture();
        if (capture.is_dirty() || is_last && capture.has_pipes())
            && let Some(output) = attached.detach(|| capture.finish_call())
        {
            self.collecting.printed(output);
        }
    }
}
