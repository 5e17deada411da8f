//! Cancel: where a task's handle asks for its call to be ended.
//!
//! A handle may outlive its pool, and should cost nothing to make, so it has the pool's number alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use owngil_ffi::Stack;

use super::Slot;
use crate::error::Error;

/// Why a call is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Cancelled,
    TimedOut,
    /// An interpreter has refused what it needs, and it goes on without.
    Refused,
}

impl Why {
    /// The outcome of a call that stood there.
    pub(crate) fn error(self, stack: Option<Box<Stack>>) -> Error {
        match self {
            Why::Cancelled => Error::Cancelled { stack },
            Why::TimedOut => Error::TimedOut { stack },
            Why::Refused => {
                Error::refused("what the call needs was refused, and it went on without")
            }
        }
    }
}

/// Who can end calls that are queued or running.
pub(crate) trait CancelTarget: Send + Sync {
    /// Ends the call whose outcome belongs in that slot. Does not wait.
    fn cancel(self: Arc<Self>, slot: &Arc<Slot>);

    /// Ends running calls that carry that flag. Does not wait.
    fn interrupt(self: Arc<Self>, flag: &Arc<AtomicBool>, why: Why);
}

/// Stands for a cancel_target; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CancelTargetId(u32);

type CancelTargets = HashMap<CancelTargetId, Weak<dyn CancelTarget>>;

fn cancel_targets() -> MutexGuard<'static, Option<CancelTargets>> {
    static TARGETS: Mutex<Option<CancelTargets>> = Mutex::new(None);
    TARGETS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CancelTargetId {
    /// A number that no other cancel_target has had.
    pub(crate) fn new() -> CancelTargetId {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        CancelTargetId(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes the number stand for this cancel_target.
    pub(crate) fn open(self, cancel_target: Weak<dyn CancelTarget>) {
        cancel_targets()
            .get_or_insert_default()
            .insert(self, cancel_target);
    }

    /// The cancel_target is gone; all of its calls have their outcomes.
    pub(crate) fn close(self) {
        if let Some(cancel_targets) = &mut *cancel_targets() {
            cancel_targets.remove(&self);
        }
    }

    /// See [`CancelTarget::cancel`].
    pub(crate) fn cancel(self, slot: &Arc<Slot>) {
        if let Some(cancel_target) = self.cancel_target() {
            cancel_target.cancel(slot);
        }
    }

    /// See [`CancelTarget::interrupt`].
    pub(crate) fn interrupt(self, flag: &Arc<AtomicBool>, why: Why) {
        if let Some(cancel_target) = self.cancel_target() {
            cancel_target.interrupt(flag, why);
        }
    }

    fn cancel_target(self) -> Option<Arc<dyn CancelTarget>> {
        cancel_targets().as_ref()?.get(&self)?.upgrade()
    }
}
