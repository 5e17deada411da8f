//! Process: worker processes, which run Python where a crash ends one task and no more.
//!
//! A worker process is this program, started again, or another one that the pool names. It runs the pool's jobs in its
//! main interpreter, which has no restrictions: every extension module loads, and `fork` and `os._exit` do what they do
//! in plain Python.
//!
//! Reading order: `frame` has the messages, `link` carries them, `values` carries encoded values and shared memory, and
//! `turn` records which job runs. `host_calls` carries calls of host functions. `role` is the worker's side, `child` and `life` the pool's.

mod child;
mod command;
mod frame;
mod host_calls;
mod life;
mod link;
mod relay;
mod role;
mod turn;
mod values;

pub(crate) use child::{Child, Event, Settings};
pub(crate) use command::{of_own as own_command, own_program, set_own as set_own_command};
pub(crate) use link::Read;
pub use role::become_worker_if_asked;
pub(crate) use role::{become_worker_of_host, has_forgotten};
