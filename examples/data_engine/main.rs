//! A data engine calls a Python function of its user's: batches of arrow columns go in, a column comes out.
//!
//! The table has a few million rows. A batch crosses as two buffers, which Python reads where arrow has them,
//! and what comes back is a `bytes` object, whose memory becomes an arrow column as it is: no value is
//! copied on the way, in either direction. Nulls stay with the engine, as they are when either column is null.
//!
//! The query runs on one GIL, on GILs of their own and in worker processes, and once in Rust, to check it.

#[path = "../comparison/mod.rs"]
mod comparison;

use std::process::ExitCode;
use std::time::Instant;

use arrow_array::{Array, Float64Array};
use arrow_buffer::{Buffer as Column, NullBuffer, ScalarBuffer};
use bytes::Bytes;
use owngil::{Backend, Buffer, Function, Pool};

use comparison::{AnyError, compare, duration, ended, is_small};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data_engine/udf.py");

/// How many rows an engine handles at once.
const BATCH_LEN: usize = 1 << 16;

/// A table of two columns.
struct Table {
    distances: Float64Array,
    weights: Float64Array,
}

impl Table {
    /// With numbers that look like some, and every 13th row without a weight.
    fn generate(n_rows: usize) -> Table {
        let mut state = 2_026_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % below) as f64 / 10.0
        };
        let distances = (0..n_rows).map(|_| Some(random(5_000))).collect();
        let weights = (0..n_rows).map(|row| (row % 13 > 0).then(|| random(400)));
        Table {
            distances,
            weights: weights.collect(),
        }
    }

    fn batches(&self) -> impl Iterator<Item = Table> + '_ {
        let n_rows = self.distances.len();
        (0..n_rows).step_by(BATCH_LEN).map(move |from| {
            let length = BATCH_LEN.min(n_rows - from);
            Table {
                distances: self.distances.slice(from, length),
                weights: self.weights.slice(from, length),
            }
        })
    }

    /// The rows in which something is null.
    fn nulls(&self) -> Option<NullBuffer> {
        NullBuffer::union(self.distances.nulls(), self.weights.nulls())
    }
}

/// A column's values, as Python gets them: the same memory.
fn lend(column: &Float64Array) -> Buffer {
    Buffer::from_owner(column.values().inner().clone())
}

/// What Python gave, as a column: the same memory, unless that lies where no float may.
fn adopt(given: Buffer, nulls: Option<NullBuffer>) -> Float64Array {
    let is_aligned = given.as_ptr().cast::<f64>().is_aligned();
    let column = match is_aligned {
        true => Column::from(Bytes::from_owner(given)),
        false => Column::from(&*given),
    };
    Float64Array::new(ScalarBuffer::from(column), nulls)
}

/// A column of the result, batch by batch, in order.
fn query(pool: &Pool, toll: &Function, table: &Table) -> Result<Vec<Float64Array>, AnyError> {
    let calls = table
        .batches()
        .map(|batch| (lend(&batch.distances), lend(&batch.weights)));
    let given = pool.map::<Buffer, _>(toll, calls);
    let columns = given.zip(table.batches());
    columns
        .map(|(given, batch)| Ok(adopt(given?, batch.nulls())))
        .collect()
}

/// The same function in Rust.
fn toll(distance: f64, weight: f64) -> f64 {
    let rate = match weight {
        w if w > 18.0 => 0.183,
        w if w > 7.5 => 0.119,
        _ => 0.0,
    };
    match distance {
        d if d > 100.0 => rate * (100.0 + 0.9 * (d - 100.0)),
        d => rate * d,
    }
}

fn main() -> ExitCode {
    owngil::become_worker_if_asked();
    ended(run())
}

fn run() -> Result<(), AnyError> {
    let n_rows = if is_small() { 200_000 } else { 3_000_000 };
    let table = Table::generate(n_rows);

    let n = std::thread::available_parallelism()?.get();
    let on = |backend| Pool::builder().backend(backend).workers(n).build();
    let (one, many) = (on(Backend::Thread)?, on(Backend::Interpreter)?);
    let apart = on(Backend::Process)?;

    // What crosses is the very memory.
    let same = Function::file(SCRIPT, "same");
    many.load(&same)?;
    let lent = lend(&table.distances);
    let start = Instant::now();
    let back: Buffer = many.call(&same, &lent)?;
    let took = duration(start.elapsed());
    if back.as_ptr() != table.distances.values().inner().as_ptr() {
        return Err("the column was copied".into());
    }
    println!(
        "A column of {} MB went to Python and back in {took}: it is the same memory.\n",
        lent.len() / 1_000_000
    );

    println!("{n_rows} rows, {BATCH_LEN} in a batch, {n} workers\n");
    let names = [format!("{n} GILs"), format!("{n} processes")];
    let function = Function::file(SCRIPT, "toll_of_batch");
    let places = [("one GIL", &one), (&names[0], &many), (&names[1], &apart)];
    let columns = compare(&places, |pool| query(pool, &function, &table))?;

    let mut n_nulls = 0;
    for (column, batch) in columns.iter().zip(table.batches()) {
        n_nulls += column.null_count();
        for row in (0..column.len()).filter(|&row| column.is_valid(row)) {
            let expected = toll(batch.distances.value(row), batch.weights.value(row));
            if (column.value(row) - expected).abs() > 0.0051 {
                return Err(format!("row {row}: {} is not {expected}", column.value(row)).into());
            }
        }
    }
    println!("All gave the same, as Rust does; {n_nulls} rows are null.");
    Ok(())
}
