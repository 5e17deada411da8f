//! Which imports can live in an interpreter with its own GIL, which need more, and why.
//!
//! Most C extensions refuse such interpreters, and some packages silently go on without the modules that do. The
//! doctor finds out what a script or a module imports: from the source, from the files' symbol tables,
//! and by trying imports in child processes, which may crash. Results are kept until a file changes.
//!
//! ```
//! use owngil::doctor::{Doctor, Need, Subject};
//!
//! // By source and symbol tables alone; `trials_by` names a program that tries the imports too.
//! let report = Doctor::new().without_cache().examine(&Subject::modules(["json", "nothing_like_this"]))?;
//! assert_eq!(report.imports[0].need, Need::Unknown); // untried
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
mod report;
mod subject;
mod survey;
mod trial;
mod verdict;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::Result;
use crate::tested::List;

use cache::Cache;
use evidence::Evidence;
use survey::{Found, ImportStanding, Survey};
use trial::{Children, Way};

pub use attempt::Attempt;
pub use report::{Import, NativeModule, Need, Report};
pub use subject::Subject;
pub(crate) use trial::run_trial;
pub use trial::run_trial_if_asked;

/// How long one trial may take, by default.
const TIME_LIMIT: Duration = Duration::from_secs(60);

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
    /// Creates a doctor that starts no child processes, and uses cached results.
    ///
    /// The cache is `owngil/doctor` in `XDG_CACHE_HOME`, or in `~/.cache`. You can delete it at any time.
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

    /// Tries imports in child processes. They run `program`, whose `main` must call [`run_trial_if_asked`] first, and
    /// which creates the interpreters. The command `owngil` is such a program.
    pub fn trials_by(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Sets the list of what was tested. The default is the list that ships with the library.
    pub fn tested(mut self, list: List) -> Self {
        self.list = list;
        self
    }

    /// Sets the folder of the cache.
    pub fn cache_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(Cache::in_folder(folder.into()));
        self
    }

    /// Neither reads nor writes the cache.
    pub fn without_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// Ignores cached results, and caches the new ones.
    pub fn refresh(mut self) -> Self {
        self.is_refreshing = true;
        self
    }

    /// Sets how long a trial may take before it counts as hanging. The default is one minute.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how many imports to try at the same time. The default is one per core.
    pub fn at_once(mut self, n: usize) -> Self {
        self.n_at_once = n.max(1);
        self
    }

    /// Sets a callback for progress. Its arguments are the import being tried, how many are done, and how many there
    /// are.
    pub fn on_progress(mut self, progress: impl Fn(&str, usize, usize) + Send + Sync + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Finds out what the subject's imports need. Starts CPython, if it does not run yet.
    ///
    /// An import that is missing, broken or crashes is a verdict, not an error.
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
        if found.kind == ImportStanding::Missing {
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
