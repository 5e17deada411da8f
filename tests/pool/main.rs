//! Pools: what is called and how, what comes back, and what happens to workers.

mod calls;
mod function;
mod futures;
mod handles;
mod loading;
mod output;
mod stats;
#[path = "../support/mod.rs"]
mod support;
mod task_set;
mod workers;
