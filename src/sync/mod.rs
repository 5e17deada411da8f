//! Sync: the locks, atomics and threads of the modules whose protocols a model checks.
//!
//! They are the standard library's. `make model` builds with loom's in their place, and runs what is
//! named `model` at the foot of those modules under every order of events that may matter.

#[cfg(test)]
mod counted;
#[cfg(all(test, model))]
mod stand_in;

#[cfg(test)]
pub(crate) use counted::Counted;

#[cfg(not(all(test, model)))]
pub(crate) use {
    crossbeam_queue::ArrayQueue,
    std::sync::{Condvar, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, atomic},
    std::thread,
};

#[cfg(all(test, model))]
pub(crate) use {
    loom::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic},
    stand_in::{ArrayQueue, OnceLock, check, thread},
};
