//! A tour of the C API: interpreters with each legal setting of `PyInterpreterConfig`, as CPython documents it.
//!
//! The tour is a program in C (tour.c); it shows what this crate does, and how to do it without. It creates
//! an interpreter with each setting, says hello in it, tries what the setting allows or refuses, and ends it. This
//! example compiles it against the Python that the crate was built with, and runs it: first the tour, then two
//! threads that compute, in interpreters that share a GIL, and in interpreters with a GIL each.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use owngil::Interpreter;

use comparison::{AnyError, compare, ended, is_small};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/c_api_tour/tour.c");

fn main() -> ExitCode {
    ended(run())
}

fn run() -> Result<(), AnyError> {
    let (tour, python) = compile()?;
    print!("{}", printed(Command::new(&tour).arg(&python))?);

    println!("\nTwo threads, an interpreter each; to make and to end it is part of the time\n");
    let n = if is_small() { "100000" } else { "10000000" };
    let places = [("one GIL", "shared"), ("own GILs", "own")];
    let sums = compare(&places, |&gil| {
        printed(Command::new(&tour).arg(&python).args([gil, n]))
    })?;
    println!("Both computed the same: {sums}");
    Ok(())
}

/// The program, and the Python that it is to find its standard library by.
fn compile() -> Result<(PathBuf, String), AnyError> {
    let (include, folder, version, python): (String, String, String, String) =
        Interpreter::scope(|python| {
            python.exec("import sys, sysconfig")?;
            python.eval(
                "(sysconfig.get_path('include'), sysconfig.get_config_var('LIBDIR'), \
              sysconfig.get_config_var('LDVERSION'), sys.executable)",
            )
        })?;
    let folder_of_this = std::env::current_exe()?;
    let tour = folder_of_this
        .parent()
        .unwrap_or(Path::new("."))
        .join("c_api_tour.tour");
    let mut cc = Command::new("cc");
    cc.args([
        "-O2", "-Wall", "-Werror", "-pthread", SOURCE, "-I", &include, "-L", &folder,
    ]);
    cc.arg(format!("-lpython{version}"))
        .arg(format!("-Wl,-rpath,{folder}"));
    printed(cc.arg("-o").arg(&tour))?;
    Ok((tour, python))
}

/// What a program printed; it must succeed.
fn printed(command: &mut Command) -> Result<String, AnyError> {
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
