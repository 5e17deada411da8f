//! Many downloads: 500 files from a server that takes its time, and what interpreters have to do with it.
//!
//! Waiting needs no GIL. One interpreter with asyncio, or with threads, waits for all files at once, and more of them
//! bring little. As soon as something is computed of each file, that one GIL is what they all wait for, and
//! interpreters share the work; each of them runs asyncio, or threads, in turn. The functions are in downloads.py.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::process::ExitCode;
use std::time::Duration;
use std::{io, thread};

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use owngil::{Backend, Function, Pool};
use tokio::net::TcpListener;

use comparison::{AnyError, compare, ended, is_small};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/downloads/downloads.py"
);

/// How long the server takes for a file.
const DELAY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    ended(run())
}

/// A way to fetch: the pool, the function, and whether something is computed of the files.
type Way<'a> = (&'a Pool, Function, bool);

fn run() -> Result<(), AnyError> {
    let port = serve()?;
    let n_files: u32 = if is_small() { 40 } else { 500 };
    let n = thread::available_parallelism()?.get();
    let on = |backend, n| Pool::builder().backend(backend).workers(n).build();
    let (single, one) = (on(Backend::Interpreter, 1)?, on(Backend::Thread, n)?);
    let many = on(Backend::Interpreter, n)?;
    let [asyncio, threads] =
        ["with_asyncio", "with_threads"].map(|name| Function::file(SCRIPT, name));

    // Each worker fetches its share.
    let numbers: Vec<u32> = (0..n_files).collect();
    let fetch = |&(pool, function, computes): &Way<'_>| {
        let shares = numbers.chunks(numbers.len().div_ceil(pool.n_workers()));
        let calls = shares.map(|share| (port, share, computes));
        let fetched: owngil::Result<Vec<Vec<u64>>> = pool.map(&function, calls).collect();
        Ok(fetched?.concat())
    };

    println!("{n_files} files, {DELAY:?} each, which are only fetched\n");
    let more = format!("asyncio, {n} GILs");
    let places: [(&str, Way<'_>); 3] = [
        ("asyncio, 1 GIL", (&single, asyncio, false)),
        ("threads, 1 GIL", (&single, threads, false)),
        (&more, (&many, asyncio, false)),
    ];
    let lengths = compare(&places, fetch)?;
    println!("{} bytes came.", lengths.iter().sum::<u64>());

    println!("\n{n_files} files, {DELAY:?} each, and a checksum of each in Python\n");
    let (shared, more_threads) = (format!("{n} asyncio, 1 GIL"), format!("threads, {n} GILs"));
    let places: [(&str, Way<'_>); 4] = [
        ("asyncio, 1 GIL", (&single, asyncio, true)),
        (&shared, (&one, asyncio, true)),
        (&more, (&many, asyncio, true)),
        (&more_threads, (&many, threads, true)),
    ];
    let checksums = compare(&places, fetch)?;
    let is_right = numbers
        .iter()
        .zip(&checksums)
        .all(|(&number, &sum)| adler(&content(number)) == sum);
    if !is_right {
        return Err("a file is not as it was sent".into());
    }
    println!("All files came as they were sent.");
    Ok(())
}

/// Serves files on a thread of its own, and gives its port.
fn serve() -> Result<u16, AnyError> {
    let app = Router::new().route(
        "/{number}",
        get(async |Path(number): Path<u32>| {
            tokio::time::sleep(DELAY).await;
            content(number)
        }),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || -> io::Result<()> {
        runtime.block_on(async { axum::serve(listener, app).await })
    });
    Ok(port)
}

fn content(number: u32) -> Vec<u8> {
    let length = 20_000 + number * 7;
    (0..length)
        .map(|place| ((place * (number + 3)) >> 3) as u8)
        .collect()
}

fn adler(content: &[u8]) -> u64 {
    let (a, b) = content.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u64::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}
