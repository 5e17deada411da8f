//! A map in which calls fail, with the output of each: errors are values, and nothing is mixed up.
//!
//! Shown are keyword arguments, captured output, Python's own traceback in the error, and a value
//! whose type Rust cannot read. A call that fails does not end the map.

use std::collections::BTreeMap;

use owngil::{Error, Function, OutputPolicy, Pool, keywords};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pool_map/pool_map.py");

fn main() -> owngil::Result<()> {
    let pool = Pool::builder()
        .workers(2)
        .output(OutputPolicy::Capture)
        .build()?;
    let reciprocal = Function::file(SCRIPT, "reciprocal");
    pool.load(&reciprocal)?; // what is wrong with the script itself shows here

    let numbers = [3, 0, 7, 8];
    let options = BTreeMap::from([("digits", 2)]);
    let calls = numbers.map(|number| keywords((number,), &options));
    for call in pool.map::<f64, _>(&reciprocal, calls).completed() {
        let printed = String::from_utf8_lossy(&call.output.stdout);
        let number = numbers[call.index as usize];
        match call.result {
            Ok(value) => println!("{number}: {value} (printed {:?})", printed.trim_end()),
            Err(Error::Python(error)) => {
                println!("{number}: {error}, by {:?}", printed.trim_end());
                print!("{}", error.traceback());
            }
            Err(error) => println!("{number}: {error}"),
        }
    }
    Ok(())
}
