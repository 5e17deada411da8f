//! Free-threaded Python: the same work on threads of one GIL, on GILs of their own, in processes, and on threads
//! of a Python that has no GIL.
//!
//! A process has one Python. So this program builds itself once more for the free-threaded one, and starts that
//! beside itself; the two take turns. The Python is the one that `FREE_THREADED_PYTHON` names, or else
//! `python3.15t`, `python3.14t` or `python3.13t` on the path.

#[path = "../comparison/mod.rs"]
mod comparison;
mod other;

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::thread;

use owngil::{Backend, Function, Pool, runtime_info};

use comparison::{AnyError, compare, ended, is_small};
use other::Other;

const WORK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/free_threaded/work.py"
);

/// The kinds of work, and what each is.
const KINDS: [(&str, &str); 3] = [
    ("compute", "pure Python that shares nothing"),
    ("read", "lookups in one large structure"),
    ("allocate", "many small objects, created and freed"),
];

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    if let Some(kind) = other::asked() {
        return ended(kind);
    }
    ended(run())
}

enum Place {
    Here(Pool),
    There(RefCell<Other>, usize),
}

impl Place {
    fn here(backend: Backend, n: usize) -> Result<Place, AnyError> {
        let pool = Pool::builder().backend(backend).workers(n).build()?;
        Ok(Place::Here(pool))
    }

    fn work(&self, kind: &str) -> Result<Vec<i64>, AnyError> {
        match self {
            Place::Here(pool) => work(pool, kind),
            Place::There(other, n) => other.borrow_mut().work(kind, *n),
        }
    }

    /// The memory of the processes that take part, in MiB.
    fn memory(&self) -> u64 {
        let kib = match self {
            Place::There(other, _) => other::resident_kib(other.borrow().id()),
            Place::Here(pool) if pool.backend() == Backend::Process => {
                let processes = pool.stacks().workers.into_iter();
                processes
                    .filter_map(|worker| worker.process)
                    .map(other::resident_kib)
                    .sum()
            }
            Place::Here(_) => other::resident_kib(std::process::id()),
        };
        kib >> 10
    }
}

fn run() -> Result<(), AnyError> {
    let info = runtime_info()?;
    let n = thread::available_parallelism()?.get();
    println!("Python {}, {n} workers", info.version);
    if info.is_free_threaded {
        println!(
            "It is free-threaded itself; build this for a usual one to compare with interpreters.\n"
        );
        let [threads, processes] = [
            Place::here(Backend::Thread, n)?,
            Place::here(Backend::Process, n)?,
        ];
        return all_kinds(&[
            ("one thread", Place::here(Backend::Thread, 1)?),
            ("threads", threads),
            ("processes", processes),
        ]);
    }
    let other = Other::start()?;
    let names = [
        format!("{n} GILs"),
        format!("{n} processes"),
        "no GIL".to_owned(),
    ];
    let mut places = vec![
        ("one GIL", Place::here(Backend::Thread, n)?),
        (&names[0], Place::here(Backend::Interpreter, n)?),
        (&names[1], Place::here(Backend::Process, n)?),
    ];
    let Some(other) = other else {
        return all_kinds(&places);
    };
    println!("and beside it {}", other.describe());
    let alone = [
        ("one GIL", Place::here(Backend::Thread, 1)?),
        ("no GIL", Place::There(RefCell::new(other.again()?), 1)),
    ];
    println!("\nOne thread alone\n");
    all_kinds(&alone)?;
    drop(alone);
    println!("\n{n} workers\n");
    places.push((&names[2], Place::There(RefCell::new(other), n)));
    all_kinds(&places)
}

fn all_kinds(places: &[(&str, Place)]) -> Result<(), AnyError> {
    for (kind, what) in KINDS {
        println!("{kind}: {what}\n");
        let taken = vec![Cell::new(None); places.len()];
        let measured: Vec<_> = places
            .iter()
            .zip(&taken)
            .map(|((name, place), taken)| (*name, (place, taken)))
            .collect();
        compare(&measured, |(place, taken)| {
            // Looked at the first time alone, while it warms up.
            let before = taken.get().is_none().then(|| place.memory());
            let given = place.work(kind)?;
            if let Some(before) = before {
                taken.set(Some(place.memory().saturating_sub(before)));
            }
            Ok(given)
        })?;
        println!();
        if kind == "read" {
            let taken = places.iter().zip(&taken).map(|((name, _), taken)| {
                // Threads of one interpreter find what others of it have made.
                match taken.get().unwrap_or_default() {
                    0 => format!("{name} nothing, it was there"),
                    taken => format!("{name} {taken} MiB"),
                }
            });
            println!(
                "The structure took: {}\n",
                taken.collect::<Vec<_>>().join(", ")
            );
        }
    }
    Ok(())
}

/// Does one kind of work on a pool.
fn work(pool: &Pool, kind: &str) -> Result<Vec<i64>, AnyError> {
    let function = Function::file(WORK, kind);
    let (n_calls, size) = if is_small() { (4, 200) } else { (16, 20_000) };
    let sums: owngil::Result<Vec<i64>> = match kind {
        "compute" => pool.map(&function, vec![size / 4; n_calls]).collect(),
        "read" => {
            let calls = (0..n_calls).map(|seed| (seed, size * 2, size * 10));
            pool.map(&function, calls).collect()
        }
        _ => pool.map(&function, vec![size * 2; n_calls]).collect(),
    };
    Ok(sums?)
}
