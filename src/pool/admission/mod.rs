//! Admission: whether a pool takes jobs.
//!
//! Each job goes into the queue with the admission held for reading, and closing it takes holding it alone. So once it
//! is closed, nothing is added to what is queued. `shutdown` describes the states, and what moves a pool from one to
//! another.

#[cfg(all(test, model))]
mod model;

use std::sync::PoisonError;

use crate::error::{Error, Result};
use crate::sync::{RwLock, RwLockReadGuard};
use crate::task::Job;
use crate::worker::Queue;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Admission(RwLock<PoolState>);

#[derive(Debug, Default)]
pub(super) enum PoolState {
    #[default]
    Open,
    /// What is queued is run; nothing more is taken.
    Draining,
    /// What is queued is dropped.
    Stopping,
    /// No worker is left.
    Failed(Error),
}

impl PoolState {
    /// Whether what is queued is dropped.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, PoolState::Stopping | PoolState::Failed(_))
    }
}

impl Admission {
    /// The state, which stays for as long as the guard is held.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, PoolState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the pool open for as long as the guard is held.
    pub(super) fn open(&self) -> Result<RwLockReadGuard<'_, PoolState>> {
        let state = self.state();
        match &*state {
            PoolState::Open => Ok(state),
            PoolState::Failed(error) => Err(error.clone()),
            PoolState::Draining | PoolState::Stopping => Err(Error::ShutDown),
        }
    }

    /// Puts a job into the queue, or gives it back where that is full.
    pub(super) fn push(&self, queue: &Queue, job: Job) -> Result<Option<Job>> {
        let _open = self.open()?;
        Ok(queue.push(job).err())
    }

    /// Takes no more jobs, and wakes those who wait for room.
    pub(super) fn close(&self, queue: &Queue, to: PoolState) {
        {
            let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
            match (&*state, &to) {
                (PoolState::Open, _) | (PoolState::Draining, PoolState::Stopping) => *state = to,
                _ => {}
            }
        }
        queue.wake_blocked();
    }

    /// Takes no more jobs, and ends those that are queued with this error.
    pub(super) fn fail(&self, queue: &Queue, error: Error) {
        {
            let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if !matches!(*state, PoolState::Stopping) {
                *state = PoolState::Failed(error.clone());
            }
        }
        queue.wake_blocked();
        while let Some(job) = queue.take() {
            job.fail(&error);
        }
    }
}
