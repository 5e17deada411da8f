//! What a run writes: results, what tasks print, errors, and what a terminal shows.

mod each;
mod errors;
mod formats;
mod streams;
mod terminal;
mod unsupported;
