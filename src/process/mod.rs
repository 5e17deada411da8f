//! Process: worker processes, which run Python where a crash ends one task and no more.
//!
//! A worker process is this same program, started again, or another one that was named, in a role of its
//! own. It runs jobs of a pool in its main interpreter, where nothing is forbidden: every extension module
//! loads, and `fork` and `os._exit` do what they do anywhere.
//!
//! Reading order: `frame` has what both sides send each other, `link` carries it, `values` carries encoded
//! values and shared memory, `turn` says which job runs; `role` is the worker's side, `child` and `life` the
//! pool's.

mod child;
mod command;
mod frame;
mod life;
mod link;
mod role;
mod turn;
mod values;

pub(crate) use child::{Child, Event, Settings};
pub(crate) use command::{of_own as own_command, own_program, set_own as set_own_command};
pub(crate) use link::Read;
pub use role::become_worker_if_asked;
pub(crate) use role::{become_worker_of_host, has_forgotten};
