//! Soak: packages at random, in four workers for minutes, with their answers compared and memory watched. Some answers
//! come item by item, some of these by way of a host function.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use owngil::{Error, ItemStream, Pool, Task};
use serde::{Deserialize, Serialize};

use crate::environment::{Contents, Environment};
use crate::place::{N_WORKERS, Place};
use crate::record::{Record, Soaked};
use crate::workload::{self, function};
use crate::{Result, process, table};

/// How often memory is looked at, and how often it is printed.
const SAMPLE: Duration = Duration::from_secs(1);
const TELL: Duration = Duration::from_secs(30);

/// By how much memory may grow from the middle of the time to the end. By then all has been imported, also where other
/// programs take most of the cores.
const GROWTH_MAX: f64 = 1.05;

/// How many of the calls that were begun last are listed after a crash.
const N_LAST: usize = 16;

/// What a soak was asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Plan {
    minutes: f64,
    seed: u64,
    place: Place,
    packages: Vec<String>,
    /// Into how many parts the packages are divided, which are soaked one after another.
    n_groups: usize,
    /// Where the environment is, and where the calls that were begun are noted.
    environment: PathBuf,
    begun: PathBuf,
}

impl Plan {
    fn from_options(options: &[&str], environment: &Environment) -> Result<Plan> {
        let mut plan = Plan {
            minutes: 10.0,
            seed: 1,
            place: Place::Private,
            packages: Vec::new(),
            n_groups: 1,
            environment: environment.folder().to_owned(),
            begun: environment.folder().join("begun"),
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let mut value = || options.next().ok_or(format!("{option} needs a value"));
            match *option {
                "--minutes" => plan.minutes = value()?.parse()?,
                "--seed" => plan.seed = value()?.parse()?,
                "--place" => plan.place = value()?.parse()?,
                "--groups" => plan.n_groups = value()?.parse()?,
                name if Contents::from_option(name).is_some() => {}
                name if name.starts_with('-') => return Err(format!("no option {name}").into()),
                package => plan.packages.push(package.to_owned()),
            }
        }
        if plan.packages.is_empty() {
            plan.packages = table::soakable(environment)?;
        }
        if plan.packages.is_empty() {
            return Err("no package is known to work in private copies: make compatibility".into());
        }
        Ok(plan)
    }

    /// The groups, dealt out at random, so that another seed gives another mix.
    fn groups(&self) -> Vec<Plan> {
        let mut random = Random::new(self.seed);
        let mut packages = self.packages.clone();
        for n in (1..packages.len()).rev() {
            packages.swap(n, random.below(n as u64 + 1) as usize);
        }
        let size = packages.len().div_ceil(self.n_groups.max(1));
        let parts = packages.chunks(size).map(|part| Plan {
            packages: part.to_vec(),
            ..self.clone()
        });
        parts.collect()
    }
}

/// Soaks each group in a process of its own, and notes how it ended.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let contents = options
        .iter()
        .find_map(|option| Contents::from_option(option));
    let environment = Environment::with(contents.unwrap_or(Contents::Newest))?;
    let plan = Plan::from_options(options, &environment)?;
    let mut failures = Vec::new();
    for group in plan.groups() {
        failures.extend(run_group(group, &environment)?);
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n").into()),
    }
}

fn run_group(mut plan: Plan, environment: &Environment) -> Result<Option<String>> {
    let mut versions = BTreeMap::new();
    for package in &plan.packages {
        match workload::reference(environment, package) {
            Ok(plain) => drop(versions.insert(package.clone(), plain.version)),
            Err(error) => eprintln!("without {package}: not in a plain process: {error}"),
        }
    }
    plan.packages = versions.keys().cloned().collect();
    eprintln!("soaking {} packages, {} min", versions.len(), plan.minutes);
    fs::write(&plan.begun, "")?;
    let mut command = process::role(environment)?;
    command.args(["soak-here", &serde_json::to_string(&plan)?]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let soaked = match output.status.success() {
        true => serde_json::from_slice(&output.stdout)?,
        false => crashed(&plan, output.status.to_string())?,
    };
    let failure = soaked.failure();
    let record = Record::Soak {
        place: plan.place,
        packages: versions,
        minutes: plan.minutes,
        seed: plan.seed,
        soaked,
    };
    eprintln!("{}", serde_json::to_string(&record)?);
    record.keep(environment)?;
    // Said so that it can be run again with a part of them.
    Ok(failure.map(|failure| format!("{failure} with: {}", plan.packages.join(" "))))
}

/// What is known of a soak whose process is gone.
fn crashed(plan: &Plan, ended: String) -> Result<Soaked> {
    let begun = fs::read_to_string(&plan.begun)?;
    let mut soaked = Soaked {
        ended,
        ..Soaked::default()
    };
    for line in begun.lines() {
        soaked.n_tasks += 1;
        let (package, _) = line.split_once('(').unwrap_or((line, ""));
        *soaked.calls.entry(package.to_owned()).or_default() += 1;
    }
    let mut last: Vec<String> = begun
        .lines()
        .rev()
        .take(N_LAST)
        .map(str::to_owned)
        .collect();
    last.reverse();
    soaked.last = last;
    Ok(soaked)
}

/// A call whose answer is known.
struct Call<'a> {
    package: &'a str,
    seed: u64,
    answer: Answer,
}

/// How the answer of a call comes.
enum Answer {
    Value(Task<String>),
    Raised(Task<String>),
    Pieces(Box<ItemStream<String>>),
}

impl Answer {
    /// Waits for it.
    fn text(self) -> String {
        let found = match self {
            Answer::Value(task) => task.wait(),
            Answer::Pieces(pieces) => pieces.collect(),
            Answer::Raised(task) => match task.wait() {
                Err(Error::Python(error)) if error.type_name() == "RuntimeError" => {
                    Ok(error.message().to_owned())
                }
                found => found.map(|found| format!("nothing raised: {found}")),
            },
        };
        found.unwrap_or_else(|error| error.to_string())
    }
}

/// The role that soaks.
pub(crate) fn here(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    let environment = Environment::at(&plan.environment.to_string_lossy())?;
    let mut expected = HashMap::new();
    for package in &plan.packages {
        let plain = workload::reference(&environment, package)?;
        expected.insert(package.as_str(), plain.answers.values);
    }
    let pool = plan.place.pool(&environment)?;
    let mut random = Random::new(plan.seed);
    let mut begun = fs::File::options().append(true).open(&plan.begun)?;
    let mut running: VecDeque<Call> = VecDeque::new();
    // Each worker imports all of them first: memory is watched from there on, and time counted.
    for package in &plan.packages {
        writeln!(begun, "{package}(0)")?;
        for found in pool.broadcast::<String, _>(&function("work"), (package, 0))? {
            let found = found.unwrap_or_else(|error| error.to_string());
            let expected = &expected[package.as_str()][0];
            if found != *expected {
                let wrong = format!("{package}(0): expected {expected}, found {found}");
                return Err(wrong.into());
            }
        }
    }
    let mut memory = Memory::begin(Duration::from_secs_f64(plan.minutes * 60.0));
    let mut soaked = Soaked::default();
    loop {
        let goes_on = memory.look(soaked.n_tasks);
        while goes_on && running.len() < 2 * N_WORKERS {
            let call = begin(&pool, &plan.packages, &mut random)?;
            writeln!(begun, "{}({})", call.package, call.seed)?;
            running.push_back(call);
        }
        let Some(call) = running.pop_front() else {
            break;
        };
        soaked.n_tasks += 1;
        *soaked.calls.entry(call.package.to_owned()).or_default() += 1;
        let expected = &expected[call.package][call.seed as usize];
        let found = call.answer.text();
        if found != *expected {
            soaked.n_wrong += 1;
            let begins = format!("{}(", call.package);
            if !soaked.wrong.iter().any(|wrong| wrong.starts_with(&begins)) {
                let wrong = format!("{begins}{}): expected {expected}, found {found}", call.seed);
                eprintln!("{wrong}");
                soaked.wrong.push(wrong);
            }
        }
    }
    pool.shutdown();
    (soaked.memory_mib, soaked.is_flat) = memory.judged();
    soaked.ended = "done".to_owned();
    println!("{}", serde_json::to_string(&soaked)?);
    Ok(())
}

fn begin<'a>(pool: &Pool, packages: &'a [String], random: &mut Random) -> Result<Call<'a>> {
    let package = packages[random.below(packages.len() as u64) as usize].as_str();
    let seed = random.below(workload::n_seeds(package));
    let arguments = (package, seed);
    let answer = match random.below(8) {
        0 => Answer::Raised(pool.submit(&function("fail"), arguments)?),
        1 => {
            // All pieces fit in the window, so no stream that is not read yet is suspended.
            let mut pieces = pool.stream(&function("pieces"), arguments);
            pieces.start()?;
            Answer::Pieces(Box::new(pieces))
        }
        _ => Answer::Value(pool.submit(&function("work"), arguments)?),
    };
    Ok(Call {
        package,
        seed,
        answer,
    })
}

/// The resident memory of this process, over time.
struct Memory {
    start: Instant,
    limit: Duration,
    reported: Duration,
    /// When, and how much in MiB.
    samples: Vec<(Duration, f64)>,
}

impl Memory {
    fn begin(limit: Duration) -> Memory {
        Memory {
            start: Instant::now(),
            limit,
            reported: Duration::ZERO,
            samples: Vec::new(),
        }
    }

    /// Looks if it is time to, and says whether there is time left.
    fn look(&mut self, n_tasks: u64) -> bool {
        let elapsed = self.start.elapsed();
        if self
            .samples
            .last()
            .is_none_or(|(last, _)| elapsed - *last > SAMPLE)
        {
            self.samples.push((elapsed, resident_mib()));
        }
        if elapsed - self.reported > TELL {
            self.reported = elapsed;
            eprintln!(
                "{:4.0} s: {n_tasks} tasks, {:.0} MiB",
                elapsed.as_secs_f64(),
                resident_mib()
            );
        }
        elapsed < self.limit
    }

    /// The medians of the tenths after half of the time and before the end, and whether they are alike.
    fn judged(self) -> ([f64; 2], bool) {
        let median = |from: f64| {
            let times = self.limit.mul_f64(from)..self.limit.mul_f64(from + 0.1);
            let within = self.samples.iter().filter(|(when, _)| times.contains(when));
            let mut found: Vec<f64> = within.map(|(_, mib)| *mib).collect();
            found.sort_by(f64::total_cmp);
            found
                .get(found.len() / 2)
                .map_or(f64::NAN, |mib| mib.round())
        };
        let [before, after] = [median(0.5), median(0.9)];
        ([before, after], after <= before * GROWTH_MAX)
    }
}

fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok());
    resident.unwrap_or(f64::NAN) / 256.0
}

/// Marsaglia's xorshift: the same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}
