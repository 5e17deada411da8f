//! A web server under load: a Python function behind an endpoint, and a Flask application, on a pool.
//!
//! axum takes the requests, on one thread that no call blocks. `/primes` calls a CPU-heavy function; all below
//! `/app/` goes to the Flask application of app.py, by the twenty lines of wsgi.py. A client on threads of its own
//! asks as fast as it gets answers, each time over a new connection, and notes how long each took. The same server
//! runs on threads of one GIL and on GILs of their own; the application runs under gunicorn as well, with as
//! many processes.
//!
//! Then, under the same load, some requests get stuck in C code, where nothing can interrupt them. They are
//! answered with 504 when their time is up, their workers are set aside and replaced, and no other request
//! is lost.

#[path = "../comparison/mod.rs"]
mod comparison;
mod gunicorn;
mod load;
#[path = "../packages/mod.rs"]
mod packages;
mod site;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use owngil::{Backend, Pool};

use comparison::{AnyError, compare, duration, ended, is_small};
use gunicorn::Gunicorn;
use load::{Answered, N_CLIENTS, answer_all};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/web_server");

fn main() -> ExitCode {
    ended(run())
}

fn run() -> Result<(), AnyError> {
    let python = packages::use_packages()?;
    let n = std::thread::available_parallelism()?.get();
    let on = |backend| {
        let builder = Pool::builder().backend(backend).workers(n);
        builder.grace(Duration::from_millis(200)).build()
    };
    let one = site::serve(on(Backend::Thread)?)?;
    let many = site::serve(on(Backend::Interpreter)?)?;
    let apart = Gunicorn::start(&python, n)?;
    let own_gils = format!("{n} GILs");
    let processes = format!("gunicorn -w {n}");

    let n_requests = if is_small() { 20 } else { 600 };
    println!("A function: {n_requests} requests by {N_CLIENTS} clients, {n} workers\n");
    let places = [("one GIL", one.address), (&own_gils, many.address)];
    let primes: Vec<String> = (0..n_requests)
        .map(|number| format!("/primes?below={}", 6_000 + number))
        .collect();
    under_load(&places, &primes)?;

    println!("\nA Flask application: {n_requests} requests by {N_CLIENTS} clients, {n} workers\n");
    let places = [
        ("one GIL", one.address),
        (&own_gils, many.address),
        (&processes, apart.address),
    ];
    let pages: Vec<String> = (0..n_requests)
        .map(|number| format!("/app/factors?first={}", 9_000_000 + number))
        .collect();
    under_load(&places, &pages)?;

    let echoed = load::ask(many.address, "POST", "/app/echo", "a body")?;
    if echoed != (200, "a body".to_owned()) {
        return Err(format!("the application echoed {echoed:?}").into());
    }
    with_stuck(&many, &primes)
}

/// Has all requests answered in each place, and tells how long single ones took.
fn under_load(places: &[(&str, SocketAddr)], paths: &[String]) -> Result<(), AnyError> {
    let latencies: RefCell<BTreeMap<SocketAddr, Vec<Duration>>> = RefCell::default();
    compare(places, |&address| {
        let Answered { answers, times } = answer_all(address, paths)?;
        if let Some((status, body)) = answers.iter().find(|(status, _)| *status != 200) {
            return Err(format!("{address} answered {status} {body}").into());
        }
        // The first time warms up.
        let mut latencies = latencies.borrow_mut();
        latencies.entry(address).or_default().extend(times);
        Ok(answers)
    })?;
    for (name, address) in places {
        let mut times = latencies.borrow_mut().remove(address).unwrap_or_default();
        times.drain(..paths.len());
        times.sort_unstable();
        let of = |part: f64| duration(times[((times.len() - 1) as f64 * part) as usize]);
        println!(
            "{name:>16}: median {:>8}, p99 {:>8}; every request got its answer",
            of(0.5),
            of(0.99)
        );
    }
    Ok(())
}

/// The same load while some requests get stuck.
fn with_stuck(many: &site::Served, paths: &[String]) -> Result<(), AnyError> {
    const N_STUCK: usize = 2;
    let address = many.address;
    let answered = std::thread::scope(|scope| {
        let stuck: Vec<_> = (0..N_STUCK)
            .map(|_| scope.spawn(move || load::ask(address, "GET", "/stuck", "")))
            .collect();
        let answered = answer_all(address, paths)?;
        for one in stuck {
            let (status, body) = one.join().map_err(|_| "a client panicked")??;
            if status != 504 {
                return Err(format!("a stuck request was answered with {status} {body}").into());
            }
        }
        Ok::<_, AnyError>(answered)
    })?;
    let n_right = answered
        .answers
        .iter()
        .filter(|(status, _)| *status == 200)
        .count();
    if n_right != paths.len() {
        return Err(format!("{n_right} of {} requests were answered", paths.len()).into());
    }
    let stats = many.pool.stats();
    let n_replaced: u64 = stats.workers.iter().map(|worker| worker.n_restarts).sum();
    println!(
        "\n{N_STUCK} stuck requests: 504 each; {n_replaced} workers were set aside and replaced."
    );
    println!(
        "{n_right} of {} other requests were answered meanwhile.",
        paths.len()
    );
    Ok(())
}
