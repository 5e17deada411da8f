//! Which imports can live in an interpreter with its own GIL, which need more, and why.
//!
//! Most C extensions refuse such interpreters, and some packages leave them out without a word. The
//! doctor finds out what a script or a module pulls in: from the source, from the files' symbol
//! tables, and by imports in children that may crash. What it found is kept until a file changes.
//!
//! ```
//! use owngil::doctor::{Doctor, Need, Subject};
//!
//! // By source and symbol tables alone; `trials_by` names a program that tries the imports too.
//! let report = Doctor::new().without_cache().examine(&Subject::modules(["json", "nothing_like_this"]))?;
//! assert_eq!(report.imports[0].need, Need::Unknown); // nobody has tried
//! assert_eq!(report.imports[1].need, Need::Missing);
//! # Ok::<(), owngil::Error>(())
//! ```

mod attempt;
mod cache;
mod evidence;
mod listed;
mod loaded;
mod native;
mod outcome;
mod role;
mod survey;
mod trial;
mod verdict;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use owngil_ffi::Initialization;

use crate::error::Result;
use crate::function::{Function, Place};
use crate::tested::List;

use cache::Cache;
use evidence::Evidence;
use survey::{Found, Standing, Survey};
use trial::{Children, Way};

pub use attempt::Attempt;
pub use role::run_trial_if_asked;

/// How long one trial may take, unless the doctor is told otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Whose imports are examined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A script: what its source imports, inside functions too. The script itself never runs.
    Script(PathBuf),
    /// Modules by their names.
    Modules(Vec<String>),
    /// Every installed distribution that has extension modules.
    Installed,
}

impl Subject {
    /// What a function's file or module imports; none for one from source text.
    pub fn of(function: &Function) -> Option<Subject> {
        match function.place() {
            Place::File { path, .. } => Some(Subject::Script(path.clone())),
            Place::Script { script, shown } => match script.path() {
                Some(path) => Some(Subject::Script(path.to_owned())),
                None if script.text().is_none() => Some(Subject::modules([shown.as_str()])),
                None => None,
            },
            Place::Module { module, .. } => Some(Subject::modules([module.as_str()])),
            Place::Source { .. } | Place::Malformed { .. } => None,
        }
    }

    /// Modules by their names: `numpy`, `xml.etree.ElementTree`.
    pub fn modules<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Subject {
        Subject::Modules(names.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Script(path) => write!(f, "{}", path.display()),
            Subject::Modules(names) => f.write_str(&names.join(", ")),
            Subject::Installed => f.write_str("every installed package with native modules"),
        }
    }
}

/// What an import needs, from the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Need {
    /// It loads in an interpreter with its own GIL as it is.
    Strict,
    /// Nobody has tried, and the files do not tell.
    Unknown,
    /// It loads there from a copy of its file that belongs to the interpreter, and was tested so.
    PrivateCopy,
    /// It needs a process, or nobody has tested private copies of it; see [`tested`](crate::tested).
    Process,
    /// It is not installed, or something that it imports is not.
    Missing,
    /// It works nowhere: it raises, crashes or hangs in a plain process too.
    Broken,
}

impl Need {
    /// The word for it: `strict`, `unknown`, `private copy`, `process`, `missing` or `broken`.
    pub fn as_str(self) -> &'static str {
        match self {
            Need::Strict => "strict",
            Need::Unknown => "unknown",
            Need::PrivateCopy => "private copy",
            Need::Process => "process",
            Need::Missing => "missing",
            Need::Broken => "broken",
        }
    }

    /// Whether it runs at all.
    pub fn is_met(self) -> bool {
        self < Need::Missing
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was found out about a subject.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Python's version, with that of its build.
    pub python: String,
    /// Python's executable.
    pub executable: PathBuf,
    /// A row for each package of the top level, in the order in which they are named.
    pub imports: Vec<Import>,
}

impl Report {
    /// What the subject needs: the most that one of its imports needs. Imports that it goes on without
    /// do not count where they are missing or broken.
    pub fn need(&self) -> Need {
        let counts = |import: &&Import| import.need.is_met() || !import.is_optional;
        let needs = self.imports.iter().filter(counts).map(|import| import.need);
        needs.max().unwrap_or(Need::Strict)
    }
}

/// A package, or a module of the top level, that is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import {
    /// Its name.
    pub name: String,
    /// What is imported of it: modules, each with what is taken `from` it, divided by spaces.
    pub targets: Vec<String>,
    /// Where in the script.
    pub lines: Vec<u32>,
    /// Only inside functions, so a run comes to it late or never.
    pub is_lazy: bool,
    /// Only where an `ImportError` is caught.
    pub is_optional: bool,
    /// Its distribution's name and version, for [`Subject::Installed`].
    pub distribution: Option<String>,
    /// Its file; none for what is built in, missing, or a folder.
    pub path: Option<PathBuf>,
    /// What it needs.
    pub need: Need,
    /// Why, in words.
    pub why: String,
    /// The native module that this comes from, if it does.
    pub decisive: Option<String>,
    /// Native modules that it silently goes on without where those that refuse stay refused.
    pub left_out: Vec<String>,
    /// Those that it goes on without even with private copies.
    pub left_out_with_copies: Vec<String>,
    /// The native modules that it pulls in.
    pub native: Vec<NativeModule>,
    /// Packages that it needs processes for, since nobody has tested private copies of them in these versions.
    pub untested: Vec<String>,
    /// Whether this was known from before.
    pub is_remembered: bool,
}

/// A module in machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NativeModule {
    /// Its full name.
    pub name: String,
    /// Its file; none for what is part of Python's own binary.
    pub path: Option<PathBuf>,
    /// Whether it is of the standard library.
    pub is_standard: bool,
    /// What it needs.
    pub need: Need,
    /// Why: the rest of a sentence that begins with its name.
    pub why: String,
    /// By which modules it comes to be imported, from the first to itself. Empty where it was not.
    pub chain: Vec<String>,
    /// How it gives its module; none for what has no file.
    pub initialization: Option<Initialization>,
    /// Whether it calls `PyGILState_Ensure`, which may attach threads to the main interpreter.
    pub uses_gil_state: bool,
    /// Whether each copy takes room from the reserve for thread-local data.
    pub has_static_tls: bool,
}

type Progress<'a> = Box<dyn Fn(&str, usize, usize) + Send + Sync + 'a>;

/// Finds out what imports need.
#[must_use]
pub struct Doctor<'a> {
    program: Option<PathBuf>,
    list: List,
    cache: Option<Cache>,
    is_refreshing: bool,
    time_limit: Duration,
    n_at_once: usize,
    progress: Option<Progress<'a>>,
}

impl Default for Doctor<'_> {
    fn default() -> Self {
        Doctor::new()
    }
}

impl fmt::Debug for Doctor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor")
            .field("program", &self.program)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl<'a> Doctor<'a> {
    /// One that starts no children, and knows what others found out before.
    ///
    /// The cache is `owngil/doctor` in `XDG_CACHE_HOME`, or in `~/.cache`. It is safe to delete.
    pub fn new() -> Self {
        Doctor {
            program: None,
            list: List::shipped(),
            cache: Cache::of_user(),
            is_refreshing: false,
            time_limit: TIME_LIMIT,
            n_at_once: thread::available_parallelism().map_or(1, usize::from),
            progress: None,
        }
    }

    /// Tries imports in children: this program, whose `main` calls [`run_trial_if_asked`] first, makes
    /// the interpreters. The command `owngil` is one.
    pub fn trials_by(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Judges by this list of what was tested; by default by the one that ships with the library.
    pub fn tested(mut self, list: List) -> Self {
        self.list = list;
        self
    }

    /// Remembers in this folder.
    pub fn cache_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(Cache::in_folder(folder.into()));
        self
    }

    /// Neither reads nor writes what is remembered.
    pub fn without_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// Finds everything out anew, and remembers that.
    pub fn refresh(mut self) -> Self {
        self.is_refreshing = true;
        self
    }

    /// How long a trial may take before it counts as hanging; by default a minute.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How many imports are tried at the same time; by default one per core.
    pub fn at_once(mut self, n: usize) -> Self {
        self.n_at_once = n.max(1);
        self
    }

    /// Is told which import is being tried, how many are done, and how many there are.
    pub fn on_progress(mut self, told: impl Fn(&str, usize, usize) + Send + Sync + 'a) -> Self {
        self.progress = Some(Box::new(told));
        self
    }

    /// Finds out what the subject's imports need. Starts CPython, if it does not run yet.
    ///
    /// What is missing, broken or crashes is a verdict and no error.
    ///
    /// # Errors
    ///
    /// [`Error::Start`](crate::Error::Start); [`Error::Load`](crate::Error::Load) for a script that
    /// cannot be read or does not compile; [`Error::Config`](crate::Error::Config) where the program
    /// that is to try imports cannot be run.
    pub fn examine(&self, subject: &Subject) -> Result<Report> {
        let survey = Survey::of(subject)?;
        let every_file = *subject == Subject::Installed;
        let queue = Mutex::new((0, 0));
        let judged: Vec<Mutex<Option<Result<Import>>>> =
            survey.imports.iter().map(|_| Mutex::new(None)).collect();
        let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        let n_all = survey.imports.len();
        let work = || {
            loop {
                let (at, n_done) = {
                    let mut queue = lock();
                    queue.0 += 1;
                    (queue.0 - 1, queue.1)
                };
                let Some(found) = survey.imports.get(at) else {
                    return;
                };
                if let Some(progress) = &self.progress {
                    progress(&found.name, n_done, n_all);
                }
                let import = self.import(&survey, found, every_file);
                *judged[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(import);
                lock().1 += 1;
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.n_at_once.min(n_all) {
                scope.spawn(work);
            }
            work();
        });
        let imports = judged
            .into_iter()
            .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(Report {
            imports: imports.collect::<Result<_>>()?,
            python: survey.version,
            executable: PathBuf::from(survey.executable),
        })
    }

    fn import(&self, survey: &Survey, found: &Found, every_file: bool) -> Result<Import> {
        if found.kind == Standing::Missing {
            return Ok(verdict::judge(found, None, false, &self.list));
        }
        let key = key(survey, found, every_file);
        let known = self.cache.as_ref().filter(|_| !self.is_refreshing);
        if let Some(evidence) = known.and_then(|cache| cache.get(&key)) {
            return Ok(verdict::judge(found, Some(&evidence), true, &self.list));
        }
        let Some(program) = &self.program else {
            return Ok(verdict::judge(found, None, false, &self.list));
        };
        let children = Children {
            program,
            python: Path::new(&survey.executable),
            paths: &survey.paths,
            time_limit: self.time_limit,
        };
        let evidence = Evidence::gather(&children, found, every_file)?;
        if let Some(cache) = self.cache.as_ref().filter(|_| !evidence.is_fleeting()) {
            let files = found.files.iter().filter_map(|(_, path)| path.to_str());
            let files: Vec<String> = files
                .chain([found.path.as_str()])
                .filter(|path| !path.is_empty())
                .map(str::to_owned)
                .collect();
            cache.put(&key, &evidence, &files);
        }
        Ok(verdict::judge(found, Some(&evidence), false, &self.list))
    }
}

/// All that evidence depends on, but for files.
fn key(survey: &Survey, found: &Found, every_file: bool) -> String {
    let ways = [Way::Plain, Way::Strict, Way::Private];
    let ways = ways
        .map(|way| if way.is_here() { "+" } else { "-" })
        .concat();
    let head = format!(
        "{} {} {ways} {every_file}\n{}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        survey.version,
        survey.executable,
        found.path,
        found.targets.join("\n")
    );
    [&[head][..], &survey.paths].concat().join("\n")
}
