//! Try: `owngil doctor --try`, which tests private copies of a package, and adds it to the user's own list if they
//! work.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use clap::Args as ClapArgs;
use owngil::doctor::{Attempt, Doctor};
use owngil::tested::{List, Package};

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::python::own_list;

/// How many workers call the function.
const N_WORKERS: &str = "4";

/// How often each input is given, so that every worker gets some.
const N_TIMES: usize = 4;

/// How often the workers are started.
const N_ROUNDS: usize = 2;

/// What is to be tried, or shown.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Private copies")]
pub(crate) struct TryArgs {
    /// List the packages that were tested with private copies, and those that run in processes, with
    /// the reasons
    #[arg(long, conflicts_with_all = ["all", "words", "json", "package"])]
    pub(crate) list: bool,

    /// Test private copies of this installed package: four workers import it at once, repeatedly, in a
    /// process that may crash
    #[arg(long = "try", value_name = "PACKAGE[==VERSION]", conflicts_with_all = ["all", "json"])]
    pub(crate) package: Option<String>,

    /// With `--try`, also call this function in four workers, and compare with a plain process; the
    /// arguments are its inputs
    #[arg(
        long = "with",
        value_name = "FILE.py:NAME|MODULE:NAME",
        requires = "package"
    )]
    pub(crate) function: Option<String>,

    /// With `--try`, add this version to your own list of tested packages if the test passes
    #[arg(long, requires = "package")]
    pub(crate) add: bool,
}

/// What is to be tried.
#[derive(Debug)]
pub(crate) struct Trying {
    package: String,
    function: Option<String>,
    inputs: Vec<String>,
    add: bool,
}

impl Trying {
    /// What the arguments ask for, if anything.
    pub(crate) fn new(args: TryArgs, inputs: &[String]) -> Result<Option<Trying>, Fatal> {
        let Some(package) = args.package else {
            return Ok(None);
        };
        if args.function.is_none() && !inputs.is_empty() {
            let message = "--try takes one package; inputs are for its function";
            let hint = "name a function of yours: --with FILE.py:NAME";
            return Err(Fatal::new(Exit::Usage, message).hint(hint));
        }
        Ok(Some(Trying {
            package,
            function: args.function,
            inputs: inputs.to_vec(),
            add: args.add,
        }))
    }

    /// Tries, and says what held.
    pub(crate) fn run(
        &self,
        doctor: &Doctor<'_>,
        program: &Path,
        time_limit: Duration,
    ) -> Result<(String, Exit), Fatal> {
        let attempt = self.attempt(doctor)?;
        let mut text = format!("{} {}\n", attempt.distribution, attempt.version);
        let mut failure = attempt.failure.clone();
        if failure.is_none() {
            text += &format!(
                "held: {} imported by four workers at once, three times, each time new ones, with {} of its {} \
                 native modules\n",
                attempt.modules.join(", "),
                attempt.n_native,
                attempt.n_files
            );
            if let Some(function) = &self.function {
                match compared(
                    program,
                    &attempt.executable,
                    function,
                    &self.inputs,
                    time_limit,
                )? {
                    None => {
                        text += &format!(
                            "held: {function} in four workers gives what it gives in a plain process, twice\n"
                        )
                    }
                    Some(why) => failure = Some(format!("{function} {why}")),
                }
            }
        }
        if let Some(why) = failure {
            text += &format!("failed: {why}\n");
            text += "verdict: it needs worker processes\n";
            return Ok((text, Exit::Failed));
        }
        text += "verdict: nothing speaks against private copies\n";
        if self.add {
            text += &self.added(&attempt)?;
        }
        Ok((text, Exit::Success))
    }

    fn attempt(&self, doctor: &Doctor<'_>) -> Result<Attempt, Fatal> {
        let (name, version) = match self.package.split_once("==") {
            Some((name, version)) => (name, Some(version)),
            None => (self.package.as_str(), None),
        };
        let attempt = doctor.attempt(name.trim())?.ok_or_else(|| {
            let message =
                format!("no package {name} with native modules is installed in this Python");
            Fatal::new(Exit::Usage, message)
                .hint("--python names another Python; `owngil doctor --all` shows what there is")
        })?;
        match version.filter(|version| *version != attempt.version) {
            Some(version) => {
                let installed = &attempt.version;
                let message = format!("{name} {version} is not installed; {installed} is");
                Err(Fatal::new(Exit::Usage, message))
            }
            None => Ok(attempt),
        }
    }

    /// Adds it to the user's list, and says so.
    fn added(&self, attempt: &Attempt) -> Result<String, Fatal> {
        if !attempt.is_published {
            return Ok(
                "not added: it is not a published wheel, and the list covers only those\n"
                    .to_owned(),
            );
        }
        let cannot = |path: &Path, error: std::io::Error| {
            Fatal::new(Exit::Failed, format!("cannot add it to {}", path.display())).cause(error)
        };
        let path = own_list::path()
            .ok_or_else(|| Fatal::new(Exit::Failed, "there is no home folder for your own list"))?;
        let evidence = match &self.function {
            Some(function) => format!("tried by `owngil doctor`, with {function}"),
            None => "tried by `owngil doctor`".to_owned(),
        };
        let row = attempt.row(evidence);
        let own = List::shipped().with_file(&path)?;
        let is_there = own.packages().any(|other| is_same(other, &row));
        if !is_there {
            append(&path, &row.line()).map_err(|error| cannot(&path, error))?;
        }
        Ok(format!("added to {}\n", path.display()))
    }
}

fn is_same(one: &Package, other: &Package) -> bool {
    let key = |row: &Package| {
        let [name, python] = [&row.distribution, &row.python].map(|text| text.to_lowercase());
        (name, python, row.oldest.clone(), row.newest.clone())
    };
    key(one) == key(other)
}

fn append(path: &PathBuf, line: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let head = match file.metadata()?.len() {
        0 => "# distribution\tmodules\tpython\toldest\tnewest\tevidence\n",
        _ => "",
    };
    // In one piece, since another doctor may do the same.
    file.write_all(format!("{head}{line}").as_bytes())
}

/// How the function's results in four workers differ from those in a plain process, if they do.
fn compared(
    program: &Path,
    python: &Path,
    function: &str,
    inputs: &[String],
    time_limit: Duration,
) -> Result<Option<String>, Fatal> {
    let run = |place: &[&str]| -> Result<Output, Fatal> {
        let mut command = Command::new(program);
        let limit = time_limit.as_secs_f64().to_string();
        command.args(["map", "-q", "-k", "--chunk", "1", "--timeout", &limit]);
        command
            .arg("--python")
            .arg(python)
            .args(place)
            .arg(function);
        match inputs {
            [] => command
                .args(["--input", "jsonl", "--as", "args", ":::"])
                .args(["[]"; N_TIMES]),
            inputs => command.arg(":::").args((0..N_TIMES).flat_map(|_| inputs)),
        };
        let output = command.stdin(Stdio::null()).output();
        output.map_err(|error| Fatal::new(Exit::Failed, "cannot run the function").cause(error))
    };
    let plain = run(&["--backend", "process", "-j", "1"])?;
    if !plain.status.success() {
        let message = format!("{function} fails in a plain process too");
        return Err(Fatal::new(Exit::Failed, message).cause(last_words(&plain)));
    }
    let workers = [
        "--backend",
        "interpreter",
        "--extensions",
        "private",
        "-j",
        N_WORKERS,
    ];
    for _ in 0..N_ROUNDS {
        let found = run(&workers)?;
        if !found.status.success() {
            let (status, words) = (found.status, last_words(&found));
            return Ok(Some(format!(
                "ends in four workers with {status} ({words})"
            )));
        }
        if found.stdout != plain.stdout {
            return Ok(Some("gives other results in four workers".to_owned()));
        }
    }
    Ok(None)
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or("it says nothing").trim().to_owned()
}
