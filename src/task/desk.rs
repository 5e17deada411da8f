//! Desk: where a task's handle asks for its call to be ended.
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
            Why::Cancelled => Error::Cancelled(stack),
            Why::TimedOut => Error::TimedOut(stack),
            Why::Refused => {
                Error::refused("what the call needs was refused, and it went on without")
            }
        }
    }
}

/// Who can end calls that are queued or running.
pub(crate) trait Desk: Send + Sync {
    /// Ends the call whose outcome belongs in that slot. Does not wait.
    fn cancel(self: Arc<Self>, slot: &Arc<Slot>);

    /// Ends running calls that carry that flag. Does not wait.
    fn interrupt(self: Arc<Self>, flag: &Arc<AtomicBool>, why: Why);
}

/// Stands for a desk; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct DeskNumber(u32);

type Desks = HashMap<DeskNumber, Weak<dyn Desk>>;

fn desks() -> MutexGuard<'static, Option<Desks>> {
    static DESKS: Mutex<Option<Desks>> = Mutex::new(None);
    DESKS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DeskNumber {
    /// A number that no other desk has had.
    pub(crate) fn new() -> DeskNumber {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        DeskNumber(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes the number stand for this desk.
    pub(crate) fn open(self, desk: Weak<dyn Desk>) {
        desks().get_or_insert_default().insert(self, desk);
    }

    /// The desk is gone; all of its calls have their outcomes.
    pub(crate) fn close(self) {
        if let Some(desks) = &mut *desks() {
            desks.remove(&self);
        }
    }

    /// See [`Desk::cancel`].
    pub(crate) fn cancel(self, slot: &Arc<Slot>) {
        if let Some(desk) = self.desk() {
            desk.cancel(slot);
        }
    }

    /// See [`Desk::interrupt`].
    pub(crate) fn interrupt(self, flag: &Arc<AtomicBool>, why: Why) {
        if let Some(desk) = self.desk() {
            desk.interrupt(flag, why);
        }
    }

    fn desk(self) -> Option<Arc<dyn Desk>> {
        desks().as_ref()?.get(&self)?.upgrade()
    }
}
