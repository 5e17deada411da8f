//! Many images: thumbnails of a folder, filtered and written, with Pillow.
//!
//! Pillow has extension modules that refuse interpreters with their own GIL. Here they are allowed to load from private
//! copies, and the backend `auto` chooses where the work runs; what it chose is printed. Pillow releases the
//! GIL while it computes, so threads of one GIL do well, too. The functions are in images.py.

#[path = "../comparison/mod.rs"]
mod comparison;
#[path = "../packages/mod.rs"]
mod packages;

use std::process::ExitCode;

use owngil::{Backend, Extensions, Function, Pool};

use comparison::{AnyError, compare, ended, is_small};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/images/images.py");

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    ended(run())
}

fn run() -> Result<(), AnyError> {
    packages::use_packages()?;
    let n_images: u32 = if is_small() { 6 } else { 40 };
    let n = std::thread::available_parallelism()?.get();
    let on = |backend, n| {
        Pool::builder()
            .backend(backend)
            .extensions(Extensions::Private)
            .workers(n)
            .build()
    };
    let (single, one) = (on(Backend::Thread, 1)?, on(Backend::Thread, n)?);
    let (auto, apart) = (on(Backend::Auto, n)?, on(Backend::Process, n)?);

    let folder = tempfile::tempdir()?;
    let calls = (0..n_images).map(|number| (folder.path(), number));
    let images: owngil::Result<Vec<String>> = auto
        .map(&Function::file(SCRIPT, "generate"), calls)
        .collect();
    let images = images?;

    let names = [
        format!("{n} threads, 1 GIL"),
        format!("auto, {n} workers"),
        format!("{n} processes"),
    ];
    let places = [
        ("one thread", &single),
        (&names[0], &one),
        (&names[1], &auto),
        (&names[2], &apart),
    ];
    println!("{n_images} images, each blurred, sharpened, shrunk and written\n");
    let shrink = Function::file(SCRIPT, "shrink");
    let digests = compare(&places, |pool| {
        let written = tempfile::tempdir()?;
        let calls = images.iter().map(|image| (image, written.path()));
        let digests: owngil::Result<Vec<String>> = pool.map(&shrink, calls).collect();
        Ok(digests?)
    })?;
    println!("All wrote the same {} files, to the byte.", digests.len());

    let moved = auto.moved();
    let n_copies: usize = auto.private_copies().iter().map(Vec::len).sum();
    match moved.first() {
        None => println!(
            "auto ran them in interpreters, which loaded {n_copies} private copies of extension modules."
        ),
        Some(moved) => println!("auto ran them in processes: {}", moved.reason),
    }
    Ok(())
}
