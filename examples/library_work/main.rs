//! A real library's work: three pure-Python packages that people run for hours, over real input.
//!
//! markdown-it-py renders this repository's documents and what the installed packages say of themselves, html5lib
//! parses that HTML, and sqlglot rewrites queries for other databases (work.py, queries.sql). Each on threads of one
//! GIL, on GILs of their own and in processes.

#[path = "../comparison/mod.rs"]
mod comparison;
#[path = "../packages/mod.rs"]
mod packages;

use std::process::ExitCode;

use owngil::{Backend, Function, Pool, Value};

use comparison::{AnyError, compare, ended, is_small};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    ended(run())
}

fn run() -> Result<(), AnyError> {
    packages::use_packages()?;
    let folder = format!("{ROOT}/examples/library_work");
    let function = |name| Function::file(format!("{folder}/work.py"), name);
    let many = Pool::new()?;
    let n = many.n_workers();
    let on = |backend| Pool::builder().backend(backend).workers(n).build();
    let (one, apart) = (on(Backend::Thread)?, on(Backend::Process)?);
    let names = [format!("{n} GILs"), format!("{n} processes")];
    let places = [("one GIL", &one), (&names[0], &many), (&names[1], &apart)];

    let mut documents: Vec<String> = many.call(&function("documents"), ROOT)?;
    let queries: Vec<String> = many.call(&function("queries"), format!("{folder}/queries.sql"))?;
    documents.truncate(if is_small() { 4 } else { 120 });
    // A round that is over in a moment tells of chance.
    let n_times = if is_small() { 1 } else { 8 };
    let documents = vec![documents; n_times].concat();
    let queries = vec![queries; n_times].concat();

    let work = |name: &'static str, inputs: &[String]| {
        println!("{name}, {} inputs, {n} workers\n", inputs.len());
        let function = function(name);
        let given = compare(&places, |pool| {
            let given: owngil::Result<Vec<Value>> = pool.map(&function, inputs).collect();
            Ok(given?)
        });
        println!();
        given
    };
    let rendered = work("markdown_it", &documents)?;
    let rendered: Vec<String> = rendered.into_iter().map(text).collect::<Result<_, _>>()?;
    work("html5lib", &rendered)?;
    work("sqlglot", &queries)?;
    println!("All three gave the same everywhere.");
    Ok(())
}

fn text(value: Value) -> Result<String, AnyError> {
    match value {
        Value::Str(text) => Ok(text),
        other => Err(format!("{} is not a text", other.type_name()).into()),
    }
}
