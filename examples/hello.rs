//! The README's example: counts words in parallel, with a Python function.

use owngil::{Function, Pool};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Count {
    file: String,
    words: usize,
}

fn main() -> owngil::Result<()> {
    let pool = Pool::new()?; // starts CPython, with one interpreter per core
    let count = Function::at("examples/wordcount.py:count");

    let files = ["LICENSE-MIT", "LICENSE-APACHE"]; // any iterator, however long
    for result in pool.map(&count, files) {
        let count: Count = result?; // an error would carry the Python traceback
        println!("{}: {} words", count.file, count.words);
    }
    Ok(())
}
