//! Commands: each from its arguments to its exit status.

pub(crate) mod bench;
pub(crate) mod doctor;
mod items;
pub(crate) mod map;
pub(crate) mod run;
pub(crate) mod shell;
pub(crate) mod topics;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input;
use crate::options::args::{Args, Command, ScriptArg};
use crate::options::config::Config;
use crate::options::plan::{CallsPlan, RunPlan};
use crate::options::suggest::nearest;
use crate::options::unknown::hint_for;
use crate::output::Values;
use crate::python::choice::{Asked, Choice};
use crate::session::Session;
use crate::terminal::{self, stdin::Stdin};
use bench::BenchPlan;
use doctor::DoctorPlan;

/// Does what the words of the command line say.
pub(crate) fn main(words: impl IntoIterator<Item = OsString>) -> Exit {
    let words = input::guarded(words);
    match read(words).and_then(|read| read.map_or_else(Ok, execute)) {
        Ok(exit) => exit,
        Err(fatal) => {
            // The pipe may be closed.
            let _ = write!(io::stderr(), "{fatal}");
            fatal.exit
        }
    }
}

/// What the words say, with the defaults of the project; or, where an error has been written already, how to end.
fn read(mut words: Vec<OsString>) -> Result<Result<Args, Exit>, Fatal> {
    let mut command = Args::command();
    command.build();
    let refused = |error: clap::Error| {
        // Help and version are no errors, and go to standard output.
        let _ = error.print();
        if let Some(hint) = hint_for(&error) {
            let _ = writeln!(io::stderr(), "\nhint: {hint}");
        }
        match error.use_stderr() {
            true => Exit::Usage,
            false => Exit::Success,
        }
    };
    let matches = match command.clone().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => {
            return Err(unknown(&error, &command));
        }
        Err(error) => return Ok(Err(refused(error))),
    };
    let Some((config, defaults)) = Config::defaults(&command, &matches)? else {
        return Ok(Args::from_arg_matches(&matches).map_err(refused));
    };
    // Before the options of the command, which has no words before its name.
    words.splice(2..2, defaults.words);
    let again = command.try_get_matches_from(&words);
    let again = again.and_then(|matches| Args::from_arg_matches(&matches));
    let mut args = again.map_err(|error| config.refused(&error))?;
    if let Some(process) = args.command.process() {
        process.project.python = defaults.python;
    }
    Ok(Ok(args))
}

/// There is no such command; it may be what one of them was to do.
fn unknown(error: &clap::Error, command: &clap::Command) -> Fatal {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word,
        _ => "",
    };
    let names = command.get_subcommands().map(clap::Command::get_name);
    let hint = match nearest(names, word) {
        Some(name) => format!("did you mean {name}?"),
        None if word.ends_with(".py") => format!("`owngil run {word}` runs a script"),
        None if word.contains(':') => format!("`owngil map {word}` calls a function"),
        None => "`owngil --help` lists them".to_owned(),
    };
    Fatal::new(Exit::Usage, format!("there is no command {word:?}")).hint(hint)
}

fn execute(args: Args) -> Result<Exit, Fatal> {
    match &args.command {
        Command::Completions(args) => return shell::completions(args, Args::command()),
        Command::Man(args) => return shell::man(args, Args::command()),
        Command::Help(args) => return topics::help(args, Args::command()),
        _ => {}
    }
    become_python_of(&args.command)?;
    let session = Session::begin().map_err(|error| {
        Fatal::new(Exit::Failed, "cannot use the standard streams").cause(error)
    })?;
    terminal::log::start(&session.stderr)?;
    let mut command = args.command;
    let is_verbose = command.process().is_some_and(|process| process.verbose);
    let done = run_command(command, &session);
    done.map_err(|fatal| if is_verbose { fatal } else { fatal.trimmed() })
}

/// Has a command in a host's Python go on under the Python that it is for, before it takes over the standard streams.
fn become_python_of(command: &Command) -> Result<(), Fatal> {
    let (process, script) = match command {
        Command::Map(args) => (&args.common.process, args.calls.target.file()),
        Command::Run(args) => {
            let script = args.script.as_ref().filter(|_| !args.module);
            (&args.common.process, script.and_then(ScriptArg::file))
        }
        Command::Bench(args) => (&args.process, args.calls.target.file()),
        Command::Doctor(args) => (&args.process, None),
        Command::Completions(_) | Command::Man(_) | Command::Help(_) => return Ok(()),
    };
    if !owngil::hosted::is_hosted() {
        return Ok(());
    }
    let asked = Asked {
        option: process.python.as_deref(),
        project: process.project.python.as_deref(),
        script: script.as_deref(),
        is_shown: false,
    };
    let folder = env::current_dir().ok();
    let choice = Choice::find(asked, |name| env::var_os(name), folder.as_deref())?;
    choice.become_it().map_err(Fatal::from)
}

fn run_command(command: Command, session: &Session) -> Result<Exit, Fatal> {
    let inputs = match &command {
        Command::Map(args) => Some(&args.calls.input),
        Command::Bench(args) => Some(&args.calls.input),
        Command::Run(args) => Some(&args.input),
        _ => None,
    };
    if inputs.is_some_and(|inputs| inputs.allow_nan) {
        crate::json::allow_nan();
    }
    match command {
        Command::Map(mut args) => {
            let mut common = std::mem::take(&mut args.common);
            common.process.script = args.calls.target.file();
            common.process.verbose |= common.schedule.dry_run && !common.process.quiet;
            let values = Values::new(&args.values, common.joblog.joblog.is_some())?;
            let plan = CallsPlan::new("map", args.calls, Stdin::find())?;
            Stdin::close()?;
            map::map(plan, (values, args.values.each), &common, session)
        }
        Command::Run(mut args) => {
            let mut common = std::mem::take(&mut args.common);
            let script = args.script.as_ref().filter(|_| !args.module);
            common.process.script = script.and_then(ScriptArg::file);
            common.process.verbose |= common.schedule.dry_run && !common.process.quiet;
            common.schedule.isolate = args.isolate;
            let plan = RunPlan::new(args, Stdin::find())?;
            Stdin::close()?;
            run::run(plan, &common, session)
        }
        Command::Bench(mut args) => {
            args.process.script = args.calls.target.file();
            let plan = BenchPlan::new(args, Stdin::find())?;
            Stdin::close()?;
            bench::bench(plan, session)
        }
        Command::Doctor(args) => doctor::doctor(DoctorPlan::new(args)?, session),
        Command::Completions(_) | Command::Man(_) | Command::Help(_) => Ok(Exit::Success),
    }
}
