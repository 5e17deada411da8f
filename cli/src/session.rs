//! Session: the streams and signals of this process, and the pool that it starts.

use crate::options::jobs::n_cores;
use std::env;
use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use owngil::{OutputPolicy, Pool};

use crate::exit::Exit;
use crate::failures::FailedInputs;
use crate::fatal::Fatal;
use crate::joblog::{Joblog, Past};
use crate::options::args::{CommonArgs, ProcessArgs};
use crate::options::jobs::Jobs;
use crate::output::{StdoutOwner, TaskOutput};
use crate::python::choice::{self, Asked, Choice};
use crate::python::own_list;
use crate::python::placement::{self, Moves};
use crate::terminal::progress::How;
use crate::terminal::report::{Detail, Report, SummaryLevel};
use crate::terminal::signals::Signals;
use crate::terminal::stderr::Stderr;
use crate::terminal::stdout::Stdout;
use crate::terminal::stray::Stray;
use crate::terminal::total::NInputs;

/// How long an interrupted call may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// What a run has of its process.
pub(crate) struct Session {
    pub(crate) stdout: Arc<Stdout>,
    pub(crate) stderr: Arc<Stderr>,
    pub(crate) signals: Signals,
    /// What the run is on; it is the run that holds it.
    pool: OnceLock<Weak<Pool>>,
}

impl Session {
    /// Takes over the streams and the signals, before CPython starts.
    pub(crate) fn begin() -> io::Result<Session> {
        let stderr = Arc::new(Stderr::open()?);
        let failures = Arc::clone(&stderr);
        let beside = Arc::clone(&stderr);
        let stdout = Stdout::start(beside, move |error| {
            if error.kind() == ErrorKind::BrokenPipe {
                // The reader has closed the pipe: `owngil map … | head`.
                owngil::exit(Exit::Success.status());
            }
            failures.try_write(format!("error: cannot write results: {error}\n").as_bytes());
            owngil::exit(Exit::Failed.status());
        })?;
        let signals = Signals::handle(Arc::clone(&stdout), Arc::clone(&stderr))?;
        Ok(Session {
            stdout,
            stderr,
            signals,
            pool: OnceLock::new(),
        })
    }

    /// Opens the account that a run is to keep, if any. `called` is what the inputs are for, and `code` its
    /// digest.
    pub(crate) fn account(
        &self,
        common: &CommonArgs,
        called: String,
        code: u64,
    ) -> Result<Option<(Joblog, Past)>, Fatal> {
        let streams = (&self.stdout, &*self.stderr);
        Joblog::open(&common.joblog, called, code, streams, common.process.quiet)
    }

    /// Starts Python, and a pool that suits so many tasks.
    pub(crate) fn start_pool(
        &self,
        common: &CommonArgs,
        n_tasks: Option<usize>,
        output: OutputPolicy,
    ) -> Result<Arc<Pool>, Fatal> {
        self.start_python(&common.process)?;
        let jobs = common.jobs.map_or_else(n_cores, Jobs::n_workers);
        let n_workers = n_tasks.map_or(jobs, |n_tasks| jobs.min(n_tasks).max(1));
        let builder = Pool::builder().workers(n_workers);
        let builder = builder
            .backend(common.backend())
            .extensions(common.extensions())
            .tested(own_list::read()?)
            // JSON has no other.
            .plain_results(true)
            .own_directories(true);
        let mut builder = common.schedule.applied(builder.output(output).grace(GRACE));
        if !common.process.quiet {
            let stderr = Arc::clone(&self.stderr);
            let moves = Moves::default();
            builder = builder.on_move(move |moved| {
                if let Some(note) = moves.note(moved) {
                    stderr.write(note.as_bytes());
                }
            });
        }
        owngil::tell_of_crashes();
        let pool = Arc::new(builder.build()?);
        self.signals.on_look(&pool);
        let _ = self.pool.set(Arc::downgrade(&pool));
        Ok(pool)
    }

    /// What tasks print, on its way to these streams.
    pub(crate) fn task_output(
        &self,
        common: &CommonArgs,
        place: StdoutOwner,
    ) -> Result<Arc<TaskOutput>, Fatal> {
        let streams = (&self.stdout, &self.stderr);
        let task_output = TaskOutput::new(&common.output, common.keep_order, place, streams)?;
        let stray = Stray::catch(Arc::clone(&task_output) as _).map_err(|error| {
            Fatal::new(Exit::Failed, format!("standard output of tasks: {error}"))
        })?;
        task_output.hold(stray);
        Ok(task_output)
    }

    /// Says where code ran, where that is not plain.
    pub(crate) fn tell_placement(&self, pool: &Pool, common: &CommonArgs) {
        if !common.process.quiet
            && let Some(note) = placement::private_copies(pool)
        {
            self.stderr.write(note.as_bytes());
        }
    }

    /// Starts Python; returns its version.
    pub(crate) fn start_python(&self, args: &ProcessArgs) -> Result<String, Fatal> {
        let folder = env::current_dir().ok();
        let asked = Asked {
            option: args.python.as_deref(),
            project: args.project.python.as_deref(),
            script: args.script.as_deref(),
            is_shown: self.stderr.is_terminal() && !args.quiet,
        };
        let choice = Choice::find(asked, |name| env::var_os(name), folder.as_deref())?;
        let info = choice.start().map_err(|error| match &choice.path {
            Some(path) => Fatal::from(error)
                .cause(format!("{} was chosen: {}", path.display(), choice.reason))
                .hint("--python PATH names another Python"),
            None => Fatal::from(error),
        })?;
        let note = choice.note.as_ref().filter(|_| !args.quiet);
        let mut text = note.cloned().unwrap_or_default();
        if args.verbose {
            let place = match &choice.path {
                Some(path) => format!("{}: ", path.display()),
                None => String::new(),
            };
            let build = choice::build(&info);
            text += &format!(
                "python: {}{build} ({place}{})\n",
                info.version, choice.reason
            );
        }
        if args.verbose {
            for warning in &info.warnings {
                text.push_str(&format!("warning: {warning}\n"));
            }
        }
        if !text.is_empty() {
            self.stderr.write(text.as_bytes());
        }
        Ok(info.version)
    }

    /// As [`report`](Session::report), which also keeps the inputs that fail if that is asked for.
    pub(crate) fn report_of_inputs(
        &self,
        common: &CommonArgs,
        total: NInputs,
    ) -> Result<Report, Fatal> {
        let mut report = self.report(common, "input", total);
        if let Some(path) = &common.failures.failed {
            let inputs = FailedInputs::create(path).map_err(|error| {
                Fatal::new(
                    Exit::Usage,
                    format!("--failed: {}: {error}", path.display()),
                )
            })?;
            report.keep_failed(inputs);
        }
        Ok(report)
    }

    /// A report on tasks; it shows progress where there is a screen, or to a machine.
    pub(crate) fn report(&self, common: &CommonArgs, noun: &'static str, total: NInputs) -> Report {
        let process = &common.process;
        let on_screen = self.stderr.is_screen() && !process.quiet;
        let detail = Detail {
            is_quiet: process.quiet,
            has_all_frames: process.verbose,
            n_shown: common.failures.max_errors_shown,
            summary: match (common.wants_summary(), on_screen) {
                (true, _) => SummaryLevel::Everything,
                (false, true) => SummaryLevel::Line,
                (false, false) => SummaryLevel::Nothing,
            },
        };
        let pool = self.pool.get().cloned().unwrap_or_default();
        let mut report = Report::new(Arc::clone(&self.stderr), detail, noun, pool);
        match common.progress.progress {
            How::Json => report.show_progress(true, total),
            How::Auto if on_screen => report.show_progress(false, total),
            How::Auto | How::None => {}
        }
        report
    }
}
