//! Streams: which items come and when, how a stream ends, and what becomes of its generator and its worker.

mod asynchronous;
mod ends;
mod hostile;
mod items;
mod limits;
mod many;
mod placement;
#[path = "../support/mod.rs"]
mod support;
mod window;
