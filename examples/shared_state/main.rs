//! What interpreters share and what they do not: a counter, a lock, objects, and what belongs to the process.
//!
//! Threads of one interpreter share its modules, so a counter in one needs a lock, and code that goes without may go
//! well for years, by chance. Interpreters have a module each: the counter of one is not that of another, nor is
//! the lock, and there is no race, as there is nothing to share. What is still shared is what the process has
//! one of. The functions are in shared_state.py.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::collections::BTreeMap;
use std::process::ExitCode;

use owngil::{Backend, Function, Pool};

use comparison::{AnyError, compare, ended, is_small};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/shared_state/shared_state.py"
);

const N_WORKERS: usize = 2;

/// How long a thread of one interpreter runs, in seconds, before it must let another one in: what Python does, and as
/// short as can be, to have in a second what else takes days to happen.
const USUAL: f64 = 0.005;
const HECTIC: f64 = 1e-6;

fn main() -> ExitCode {
    ended(run())
}

fn function(name: &str) -> Function {
    Function::file(SCRIPT, name)
}

fn run() -> Result<(), AnyError> {
    let on = |backend| Pool::builder().backend(backend).workers(N_WORKERS).build();
    let (one, many) = (on(Backend::Thread)?, on(Backend::Interpreter)?);
    let n = if is_small() { 100_000 } else { 1_000_000 };

    let expected = n * N_WORKERS as u64;
    println!("A counter in a module, counted up {expected} times by {N_WORKERS} workers:");
    for name in ["add_by_chance", "add_carelessly", "add_carefully"] {
        println!(
            "  {name:<15} threads of one interpreter: {:>8}",
            count(&one, name, n, HECTIC)?
        );
    }
    // Each interpreter's counter is its own; here they are added up.
    println!(
        "  {:<15} an interpreter each:        {:>8}\n",
        "add_carelessly",
        count(&many, "add_carelessly", n, HECTIC)?
    );

    let places = [
        ("one GIL, a lock", (&one, "add_carefully")),
        ("own GILs, none", (&many, "add_carelessly")),
    ];
    let counted = compare(&places, |(pool, name)| Ok(count(pool, name, n, USUAL)?))?;
    if counted != expected {
        return Err(format!("counted {counted}, not {expected}").into());
    }

    let taken = |pool: &Pool| -> owngil::Result<usize> {
        let taken: Vec<bool> = pool
            .broadcast(&function("take"), ())?
            .into_iter()
            .collect::<Result<_, _>>()?;
        let n_taken = taken.into_iter().filter(|taken| *taken).count();
        Ok(n_taken)
    };
    println!("\nThe lock of the module is held at the same time by");
    println!(
        "  threads of one interpreter: {} of {N_WORKERS}",
        taken(&one)?
    );
    println!(
        "  an interpreter each:        {} of {N_WORKERS}",
        taken(&many)?
    );

    objects(&many)?;
    process(&many)
}

/// Has every worker count; what all counters there are say then.
fn count(pool: &Pool, name: &str, n: u64, switch_interval: f64) -> owngil::Result<u64> {
    let reset = pool.broadcast::<(), _>(&function("reset"), switch_interval)?;
    reset.into_iter().collect::<Result<(), _>>()?;
    let counted = pool.broadcast::<(), _>(&function(name), n)?;
    counted.into_iter().collect::<Result<(), _>>()?;
    let counts: Vec<u64> = pool
        .broadcast(&function("counted"), ())?
        .into_iter()
        .collect::<Result<_, _>>()?;
    // Threads of one interpreter all see the one counter.
    Ok(match pool.backend() {
        Backend::Thread => counts[0],
        _ => counts.into_iter().sum(),
    })
}

/// Which objects are one for all interpreters.
fn objects(many: &Pool) -> Result<(), AnyError> {
    type Seen = (BTreeMap<String, u64>, u64);
    let seen: Vec<Seen> = many
        .broadcast(&function("identities"), ())?
        .into_iter()
        .collect::<Result<_, _>>()?;
    println!(
        "\nObjects that all interpreters have at the same address are immortal: their references are not counted."
    );
    for (name, address) in &seen[0].0 {
        let is_one = seen
            .iter()
            .all(|(addresses, _)| addresses.get(name) == Some(address));
        println!(
            "  {name:<8} {}",
            if is_one {
                "one for all"
            } else {
                "each has its own"
            }
        );
    }
    println!(
        "  None says that it has {} references, whatever happens.",
        seen[0].1
    );
    Ok(())
}

/// What one interpreter sees of what another one does.
fn process(many: &Pool) -> Result<(), AnyError> {
    let folder = std::env::temp_dir();
    // Two calls that need each other's worker: the first that comes changes, the other looks.
    let before: Vec<BTreeMap<String, String>> = many
        .broadcast(&function("see_process"), ())?
        .into_iter()
        .collect::<Result<_, _>>()?;
    many.call::<(), _>(&function("change_process"), &folder)?;
    let after: Vec<BTreeMap<String, String>> = many
        .broadcast(&function("see_process"), ())?
        .into_iter()
        .collect::<Result<_, _>>()?;
    println!("\nOne interpreter changes something. Do the others see it?");
    for name in before[0].keys() {
        let n_changed = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before[name] != after[name])
            .count();
        let is_shared = n_changed == N_WORKERS;
        println!(
            "  {name:<28} {}",
            if is_shared {
                "yes: it is the process's"
            } else {
                "no"
            }
        );
    }
    Ok(())
}
