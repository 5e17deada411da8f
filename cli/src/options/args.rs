//! Args: the command line as it is written. What it means is decided in `plan`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use owngil::{Backend, Extensions, Version};

use super::config::ProjectArgs;
use super::jobs::Jobs;
use super::target::TargetArgs;
use crate::commands::doctor::TryArgs;
use crate::commands::shell::{CompletionsArgs, ManArgs};
use crate::commands::topics::HelpArgs;
use crate::failures::FailureArgs;
use crate::input::{GivenArg, InputArgs};
use crate::joblog::JoblogArgs;
use crate::output::{OutputArgs, ValueArgs};
use crate::schedule::{Isolate, ScheduleArgs};
use crate::terminal::progress::ProgressArgs;

/// owngil's version, and that of the Python that it is linked with.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let python = Version::running();
    format!("{} (Python {python})", env!("CARGO_PKG_VERSION"))
});

const EXAMPLES: &str = "\
Examples:
  owngil map text.py:shout hello world
  owngil map text.py:shout -a names.txt > shouted.jsonl
  owngil map scoring.py:score -k -a people.jsonl
  seq 5 | owngil map math:sqrt --input jsonl -k
  owngil run resize.py --size 200 {} ::: photos/*.jpg
  owngil bench --quick text.py:shout hello > report.txt
  owngil doctor warm_up.py

Run `owngil help COMMAND` for more on a command, `owngil help` for a list of topics.";

const MAP_EXAMPLES: &str = "\
Text or JSON Lines:
  --input lines   each line is one str, blank lines included
  --input jsonl   each line is one JSON value; blank lines are skipped
  --input json    JSON values over any number of lines; a single array gives its items
  --input auto    by the file's name (.jsonl and .ndjson, .json), else by the first line that is not
                  empty: a JSON object, array or quoted string means JSON Lines, the beginning of
                  an object or array means json, anything else is text
Several groups of inputs after ::: give every combination; :::+ pairs a group with the one before.

Exit status: 0 all succeeded, 1 some failed, 2 usage or a function that cannot be loaded,
  3 ended by --halt, 4 no usable Python, 130 interrupted.

Examples:
  owngil map text.py:shout hello world
  owngil map text.py:shout -a names.txt > shouted.jsonl
  owngil map scoring.py:score -k -a people.jsonl
  cat names.txt | owngil map text.py:shout -j 4
  seq 5 | owngil map math:sqrt --input jsonl -k
  owngil map -k operator:add ::: a b ::: x y z
  owngil map -c 'import re; lambda line: re.sub(\"[aeiou]\", \"\", line)' -a names.txt
  owngil map --glob '*.txt' --as file -c 'lambda text: len(text.split())'
  owngil map scoring.py:rank -a people.csv
  owngil map text.py:Words.count -a names.txt | sort | uniq -c
  owngil map text.py:shout -a names.txt --joblog names.log --resume >> shouted.jsonl";

const RUN_EXAMPLES: &str = "\
In ARGS, braces are replaced:
  {}              the input
  {.} {/} {//} {/.}
                  without extension; without folder; the folder; without both
  {1} {2} …       the value from the first, the second group after :::
  {NAME}          the column, or the entry of a JSON object, with this name
  {#} {%}         the number of the input, and of the worker, from 1

Exit status: 0 all succeeded, 1 some failed, 2 usage or a script that cannot be loaded,
  3 ended by --halt, 4 no usable Python, 130 interrupted.

Examples:
  owngil run resize.py ::: photos/*.jpg
  owngil run resize.py --size 200 {} ::: photos/*.jpg
  owngil run -k -j 2 resize.py --out thumbs/{/.}.jpg ::: a.jpg b.jpg
  ls photos | owngil run resize.py photos/{}
  owngil run --retries 3 --timeout 1m resize.py ::: photos/*.jpg
  owngil run -a sizes.csv resize.py --size {width} {file}
  owngil run warm_up.py";

const BENCH_EXAMPLES: &str = "\
The function is called many times with the same inputs. Its output is discarded.

Exit status: 0 measured, 1 a call failed or workers disagree, 2 usage or a function that cannot be
  loaded, 4 no usable Python, 130 interrupted.

Examples:
  owngil bench --quick text.py:shout hello world
  owngil bench --quick scoring.py:score -a people.jsonl --svg score.svg --json score.json
  seq 5 | owngil bench --quick math:sqrt --input jsonl -j 2";

const DOCTOR_EXAMPLES: &str = "\
What an import needs:
  strict        loads in an interpreter with its own GIL as it is
  private copy  loads there from a private copy of its files; this version was tested that way
  process       needs a process, or private copies of it are untested
  missing       is not installed, or imports something that is not
  broken        works nowhere: raises, crashes or hangs in plain Python too
Results are cached in owngil/doctor in XDG_CACHE_HOME or ~/.cache until a file changes.

Exit status: 0 everything runs, 1 something is missing or broken, 2 usage or a script that cannot be
  read, 4 no usable Python, 130 interrupted.

Examples:
  owngil doctor warm_up.py
  owngil doctor json xml.etree.ElementTree
  owngil doctor --json warm_up.py > imports.json
  owngil doctor --list > packages.txt";

/// Python functions and scripts over many inputs, in parallel in one process.
#[derive(Debug, Parser)]
#[command(
    name = "owngil",
    version = VERSION.as_str(),
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Map(MapArgs),
    Run(RunArgs),
    Bench(BenchArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Help(HelpArgs),
}

impl Command {
    /// What is asked of the process, where Python runs.
    pub(crate) fn process(&mut self) -> Option<&mut ProcessArgs> {
        match self {
            Command::Map(args) => Some(&mut args.common.process),
            Command::Run(args) => Some(&mut args.common.process),
            Command::Bench(args) => Some(&mut args.process),
            Command::Doctor(args) => Some(&mut args.process),
            Command::Completions(_) | Command::Man(_) | Command::Help(_) => None,
        }
    }
}

/// Call a Python function once for each input; print the results as JSON Lines.
///
/// Inputs are the arguments after the function, the lines of a file, or the lines of standard input.
/// Results go to standard output as calls finish. Output of the function and failures go to standard
/// error; a failure does not stop the run.
#[derive(Debug, ClapArgs)]
#[command(after_help = MAP_EXAMPLES)]
pub(crate) struct MapArgs {
    #[command(flatten)]
    pub(crate) calls: CallsArgs,

    #[command(flatten)]
    pub(crate) values: ValueArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

// Not documented for `clap`, which would take it for the help of the command that has them.
#[derive(Debug, ClapArgs)]
pub(crate) struct CallsArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,

    /// Inputs, each a str; `-` alone reads standard input
    #[arg(value_name = "ARGS")]
    pub(crate) inputs: Vec<OsString>,

    /// How to pass each input to the function
    #[arg(
        long = "as",
        value_name = "WHAT",
        default_value = "auto",
        help_heading = "Inputs"
    )]
    pub(crate) given: GivenArg,

    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Run a Python script once for each input, as `python SCRIPT ARGS…` would.
///
/// SCRIPT is a file, `-` for standard input, a folder or zip archive with a `__main__.py`, or with `-m` a module.
/// Arguments after the script, up to `:::`, are passed to it. Inputs follow `:::`, or come from a file or a pipe.
/// `{}` in ARGS stands for the input; without any `{}`, the input is the last argument. Without inputs, the script
/// runs once on every worker. The output of a run is kept together.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = RUN_EXAMPLES,
    override_usage = "owngil run [OPTIONS] SCRIPT [ARGS]... [::: INPUT...]"
)]
pub(crate) struct RunArgs {
    #[command(subcommand)]
    pub(crate) script: Option<ScriptArg>,

    /// SCRIPT names a module or package, as for `python -m`
    #[arg(short, long, help_heading = "Running")]
    pub(crate) module: bool,

    /// What each run gets for itself: modules, but for those of the standard library; only a
    /// namespace (packages stay loaded, with what was set in them); or a whole interpreter
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "modules",
        help_heading = "Running"
    )]
    pub(crate) isolate: Isolate,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// The script, and all that follows it.
///
/// To `clap` it is an unknown command: of what follows one of those nothing is looked at, while what
/// stands before it are options and nothing else.
#[derive(Debug, Subcommand)]
pub(crate) enum ScriptArg {
    #[command(external_subcommand)]
    Words(Vec<OsString>),
}

impl ScriptArg {
    /// The script.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let ScriptArg::Words(words) = self;
        words.first().map(PathBuf::from)
    }
}

/// Measure whether workers with their own GIL speed up a function, and from which call length on.
///
/// Compares a plain loop, threads that share one GIL, and 1, 2, 4 … N workers with their own GIL, in
/// turns, over the same inputs. Reports the speed-up, the cost of crossing values, of starting and of
/// memory, and how long a call must take to benefit.
#[derive(Debug, ClapArgs)]
#[command(after_help = BENCH_EXAMPLES)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) calls: CallsArgs,

    /// Seconds to measure; a slow function takes longer
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds, help_heading = "Measuring")]
    pub(crate) seconds: f64,

    /// Measure for 2 seconds, for rough figures
    #[arg(long, conflicts_with = "seconds", help_heading = "Measuring")]
    pub(crate) quick: bool,

    /// Write a chart of the speed-up to FILE
    #[arg(long, value_name = "FILE", help_heading = "Measuring")]
    pub(crate) svg: Option<PathBuf>,

    /// Write all measurements to FILE as JSON; `-` prints them instead of the report
    #[arg(long, value_name = "FILE", help_heading = "Measuring")]
    pub(crate) json: Option<PathBuf>,

    /// Maximum number of workers, as for `map` [default: one per core]
    #[arg(
        short,
        long,
        value_name = "N",
        allow_hyphen_values = true,
        help_heading = "Measuring"
    )]
    pub(crate) jobs: Option<Jobs>,

    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// Report what a script or module imports, where it can run, and why.
///
/// The script itself does not run. Its imports are tried in throw-away processes, so a crash is a row
/// of the table. Native modules that a package silently does without are listed too.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = DOCTOR_EXAMPLES,
    override_usage = "owngil doctor [OPTIONS] <SCRIPT.py|MODULE...|--all>\n       owngil doctor --try PACKAGE [--with FILE.py:NAME [INPUT]...] [--add]\n       owngil doctor --list"
)]
pub(crate) struct DoctorArgs {
    /// A script, or modules; a `:NAME` after it is ignored
    #[arg(value_name = "SCRIPT.py|MODULE", required_unless_present_any = ["all", "list", "package"])]
    pub(crate) words: Vec<String>,

    /// Check every installed package that has native modules
    #[arg(long, conflicts_with = "words")]
    pub(crate) all: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    /// Ignore cached results, and try everything again
    #[arg(long)]
    pub(crate) refresh: bool,

    /// Do not read or write the cache
    #[arg(long, conflicts_with = "refresh")]
    pub(crate) no_cache: bool,

    /// Time limit for one import, after which it counts as hanging
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = seconds)]
    pub(crate) time_limit: f64,

    /// Number of imports to try at once [default: one per core]
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) jobs: Option<Jobs>,

    #[command(flatten)]
    pub(crate) trying: TryArgs,

    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// By their names, so that a shell can complete them.
fn backends() -> impl TypedValueParser<Value = Backend> {
    let names = ["auto", "interpreter", "process", "thread"];
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Backend>())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it must be a number from 0.1 to 3600".to_owned()),
    }
}

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Workers")]
pub(crate) struct CommonArgs {
    /// Number of workers: a number, a share of the cores (50%), or relative to the cores (+1, -1)
    /// [default: one per core]
    #[arg(
        short,
        long,
        visible_short_alias = 'P',
        value_name = "N",
        allow_hyphen_values = true
    )]
    pub(crate) jobs: Option<Jobs>,

    /// Number of calls to send to a worker at a time [default: as many as take half a millisecond; one
    /// with options that concern each call, such as --retries or --joblog]
    #[arg(long, value_name = "N")]
    pub(crate) chunk: Option<NonZeroUsize>,

    /// Where tasks run: `interpreter` gives each worker a sub-interpreter with its own GIL, `process` a
    /// process, `thread` a thread of the main interpreter (one GIL); `auto` is `interpreter`, and
    /// `process` for what cannot run there. On a free-threaded Python `thread` runs in parallel, `auto`
    /// means `thread`, and there is no `interpreter`
    #[arg(
        long,
        value_name = "BACKEND",
        default_value_t = Backend::Auto,
        value_parser = backends(),
        hide_possible_values = true
    )]
    pub(crate) backend: Backend,

    /// How to load extension modules that refuse interpreters with their own GIL (numpy and most
    /// others): `tested` loads a private copy in each interpreter if this version of the package was
    /// tested that way, and runs everything else in processes; `private` copies all of them, at your
    /// own risk; `process` copies none; `strict` lets the import fail
    #[arg(long, value_name = "HOW", default_value = "tested")]
    pub(crate) extensions: ExtensionsArg,

    /// Print results in the order of the inputs
    #[arg(short, long, help_heading = "Output")]
    pub(crate) keep_order: bool,

    #[command(flatten)]
    pub(crate) schedule: ScheduleArgs,

    #[command(flatten)]
    pub(crate) joblog: JoblogArgs,

    #[command(flatten)]
    pub(crate) failures: FailureArgs,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

impl CommonArgs {
    /// Whether to print the summary at the end.
    pub(crate) fn wants_summary(&self) -> bool {
        !self.process.quiet && (self.progress.summary || self.process.verbose)
    }

    /// Where tasks run.
    pub(crate) fn backend(&self) -> Backend {
        match (self.backend, self.extensions) {
            // What refuses is to fail, and not to go elsewhere.
            (Backend::Auto, ExtensionsArg::Strict)
                if Backend::default() == Backend::Interpreter =>
            {
                Backend::Interpreter
            }
            (backend, _) => backend,
        }
    }

    /// What becomes of extension modules that refuse.
    pub(crate) fn extensions(&self) -> Extensions {
        match self.extensions {
            ExtensionsArg::Tested => Extensions::Tested,
            ExtensionsArg::Private => Extensions::Private,
            ExtensionsArg::Process | ExtensionsArg::Strict => Extensions::Strict,
        }
    }
}

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Python and messages")]
pub(crate) struct ProcessArgs {
    /// Python to take packages from: an executable or a virtual environment [default: OWNGIL_PYTHON,
    /// [tool.owngil], the script's PEP 723 block through uv, VIRTUAL_ENV, CONDA_PREFIX, .venv here or
    /// above]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,

    /// Print only results and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print which Python is used and why (`doctor`: also each native module)
    #[arg(short, long)]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) project: ProjectArgs,

    /// The script that runs, or the file of the function, which may say which Python it needs.
    #[arg(skip)]
    pub(crate) script: Option<PathBuf>,
}

/// What becomes of extension modules that refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExtensionsArg {
    #[default]
    Tested,
    Private,
    Process,
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn everything_after_the_script_belongs_to_it() {
        let words = "s.py -j 3 --python x -- -k ::: -q".split(' ');
        let words: Vec<&str> = words.collect();
        for options in ["-j 2", "-j2", "-j=2", "--jobs 2", "--jobs=2"] {
            let all = ["owngil", "run"].into_iter().chain(options.split(' '));
            let all = all.chain(words.iter().copied());
            let Command::Run(run) = Args::try_parse_from(all).unwrap().command else {
                panic!("it is a run")
            };
            assert_eq!(run.common.jobs, Some(Jobs::Exactly(2)), "{options}");
            assert!(!run.common.keep_order && !run.common.process.quiet);
            assert!(run.common.process.python.is_none());
            let Some(ScriptArg::Words(script)) = run.script else {
                panic!("there is a script")
            };
            assert_eq!(script, words);
        }
    }

    #[test]
    fn short_options_of_a_run_may_be_bundled_and_unknown_ones_are_no_script() {
        for (options, jobs) in [
            ("-kvj3", Jobs::Exactly(3)),
            ("-kv -j -1", Jobs::Beside(-1)),
            ("-kvj-1", Jobs::Beside(-1)),
            ("-j +1 -vk", Jobs::Beside(1)),
            ("-kvj50%", Jobs::Percent(50.0)),
        ] {
            let words = format!("owngil run {options} s.py");
            let Command::Run(run) = Args::try_parse_from(words.split(' ')).unwrap().command else {
                panic!("it is a run")
            };
            assert!(
                run.common.keep_order && run.common.process.verbose,
                "{words}"
            );
            assert_eq!(run.common.jobs, Some(jobs));
        }
        for words in ["owngil run -x s.py", "owngil run --no-such s.py"] {
            let error = Args::try_parse_from(words.split(' ')).unwrap_err();
            assert!(error.to_string().contains("unexpected argument"), "{error}");
        }
    }

    #[test]
    fn options_of_map_may_follow_its_inputs() {
        let words = "owngil map m:f a b -k -- -c".split(' ');
        let Command::Map(map) = Args::try_parse_from(words).unwrap().command else {
            panic!("it is a map")
        };
        assert!(map.common.keep_order);
        assert_eq!(map.calls.inputs, ["a", "b", "-c"]);
    }
}
