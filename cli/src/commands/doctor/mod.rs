//! Doctor: `owngil doctor`, what can run where, and why.
//!
//! The library finds it out; `table` shows it, `record` writes it as JSON, and `advice` says what
//! follows.

mod advice;
mod listing;
mod record;
mod table;
mod try_package;

use std::env;
use std::path::{MAIN_SEPARATOR, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use owngil::RuntimeInfo;
use owngil::doctor::{Doctor, Report, Subject};

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::options::args::{DoctorArgs, ProcessArgs};
use crate::options::jobs::Jobs;
use crate::options::jobs::n_cores;
use crate::python::choice;
use crate::python::own_list;
use crate::session::Session;
use crate::terminal::screen::Screen;

pub(crate) use try_package::TryArgs;
use try_package::Trying;

/// What `owngil doctor` is to do.
#[derive(Debug)]
pub(crate) struct DoctorPlan {
    /// None to show the list.
    task: Option<What>,
    is_json: bool,
    refresh: bool,
    no_cache: bool,
    time_limit: Duration,
    n_at_once: usize,
    process: ProcessArgs,
}

impl DoctorPlan {
    pub(crate) fn new(args: DoctorArgs) -> Result<DoctorPlan, Fatal> {
        Ok(DoctorPlan {
            task: match (args.trying.list, Trying::new(args.trying, &args.words)?) {
                (true, _) => None,
                (_, Some(trying)) => Some(What::Try(trying)),
                _ if args.all => Some(What::Examine(Subject::Installed)),
                _ => Some(What::Examine(subject(&args.words)?)),
            },
            is_json: args.json,
            refresh: args.refresh,
            no_cache: args.no_cache,
            time_limit: Duration::from_secs_f64(args.time_limit),
            n_at_once: args.jobs.map_or_else(n_cores, Jobs::n_workers),
            process: args.process,
        })
    }
}

/// What it is to find out.
#[derive(Debug)]
enum What {
    Examine(Subject),
    Try(Trying),
}

/// What the words name: one script, or modules.
fn subject(words: &[String]) -> Result<Subject, Fatal> {
    let is_script = |word: &&str| word.ends_with(".py") || word.contains(MAIN_SEPARATOR);
    let places: Vec<&str> = words.iter().map(|word| without_name(word)).collect();
    match places.iter().filter(|word| is_script(word)).count() {
        0 => Ok(Subject::modules(places)),
        1 if places.len() == 1 => Ok(Subject::Script(PathBuf::from(places[0]))),
        _ => {
            let fatal = Fatal::new(Exit::Usage, "a script is examined alone");
            Err(fatal.hint("name one SCRIPT.py, or one or more modules"))
        }
    }
}

/// `text.py` of `text.py:shout`: who maps a function may ask about it as it is.
fn without_name(word: &str) -> &str {
    match word.rsplit_once(':') {
        Some((place, name)) if !place.is_empty() && !name.contains(MAIN_SEPARATOR) => place,
        _ => word,
    }
}

/// Finds out, and tells.
pub(crate) fn doctor(mut plan: DoctorPlan, session: &Session) -> Result<Exit, Fatal> {
    let list = own_list::read()?;
    let Some(task) = plan.task else {
        return Ok(tell(session, &listing::listing(&list, Screen::find())));
    };
    if let What::Examine(Subject::Script(script)) = &task {
        plan.process.script = Some(script.clone());
    }
    session.start_python(&plan.process)?;
    refuse_free_threaded(&owngil::runtime_info()?)?;
    let program = env::current_exe().map_err(|error| {
        Fatal::new(
            Exit::Failed,
            "cannot find this program, which runs the import trials",
        )
        .cause(error)
    })?;
    let mut doctor = Doctor::new()
        .tested(list)
        .trials_by(&program)
        .time_limit(plan.time_limit)
        .at_once(plan.n_at_once);
    if plan.refresh {
        doctor = doctor.refresh();
    }
    if plan.no_cache {
        doctor = doctor.without_cache();
    }
    if session.stderr.is_terminal() && !plan.process.quiet {
        let stderr = Arc::clone(&session.stderr);
        doctor = doctor.on_progress(move |name, n_done, n_all| {
            stderr.set_status(format!("{n_done}/{n_all}  {name}"));
        });
    }
    let subject = match task {
        What::Examine(subject) => subject,
        What::Try(trying) => {
            let (text, exit) = trying.run(&doctor, &program, plan.time_limit)?;
            tell(session, &text);
            return Ok(exit);
        }
    };
    let examined = doctor.examine(&subject);
    session.stderr.set_status(String::new());
    let report = examined?;
    let text = match plan.is_json {
        true => record::json(&subject, &report)
            .map_err(|error| Fatal::new(Exit::Failed, "cannot write JSON").cause(error))?,
        false => table::table(&subject, &report, plan.process.verbose, Screen::find()),
    };
    tell(session, &text);
    Ok(exit(&report))
}

/// Writes what was found out.
fn tell(session: &Session, text: &str) -> Exit {
    session
        .stdout
        .append(|out| out.extend_from_slice(text.as_bytes()));
    session.stdout.drain();
    Exit::Success
}

/// What the doctor finds out is no question there.
fn refuse_free_threaded(info: &RuntimeInfo) -> Result<(), Fatal> {
    if !info.is_free_threaded {
        return Ok(());
    }
    let message =
        "the doctor checks what runs in interpreters with their own GIL, and this Python has none";
    let build = choice::build(info);
    let fatal = Fatal::new(Exit::Usage, message).cause(format!("{}{build}", info.version));
    Err(fatal.hint(
        "threads refuse no import here; whether one switches the GIL on shows\n      \
         python -c 'import sys, NAME; print(sys._is_gil_enabled())'",
    ))
}

/// Failed where something that is needed does not run anywhere.
fn exit(report: &Report) -> Exit {
    match report.need().is_met() {
        true => Exit::Success,
        false => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Subject, Fatal> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        subject(&words)
    }

    #[test]
    fn a_script_is_distinguished_from_modules() {
        let script = |path: &str| Subject::Script(PathBuf::from(path));
        assert_eq!(of(&["a.py"]).unwrap(), script("a.py"));
        assert_eq!(of(&["a.py:f.g"]).unwrap(), script("a.py"));
        assert_eq!(of(&["./tool"]).unwrap(), script("./tool"));
        assert_eq!(of(&["C:/a.py"]).unwrap(), script("C:/a.py"));
        let modules = Subject::modules(["numpy", "xml.etree"]);
        assert_eq!(of(&["numpy", "xml.etree:f"]).unwrap(), modules);
        assert_eq!(of(&["a.py", "numpy"]).unwrap_err().exit, Exit::Usage);
    }
}
