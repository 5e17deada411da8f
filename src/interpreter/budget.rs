//! Budget: how much memory the tasks of an interpreter may have in use.

use owngil_ffi::{Attached, Memory};

use crate::error::{Error, ExceptionKind};

/// Whether the memory of a worker is counted, and to what it is held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum MemorySetting {
    #[default]
    NotCounted,
    Counted(Option<usize>),
}

/// What the memory of an interpreter is held to, if to anything.
#[derive(Debug, Default)]
pub(super) struct Budget {
    memory: Option<Memory>,
    /// How many refusals have been explained.
    n_explained: usize,
}

impl Budget {
    pub(super) fn new(memory: Option<Memory>) -> Budget {
        Budget {
            memory,
            n_explained: 0,
        }
    }

    /// Holds code of others to the limit.
    #[inline]
    pub(super) fn hold<R>(&self, work: impl FnOnce() -> R) -> R {
        let Some(memory) = &self.memory else {
            return work();
        };
        memory.enforce(true);
        let result = work();
        memory.enforce(false);
        result
    }

    /// Says of an exception that the limit led to it, and gives up what only cycles hold.
    #[cold]
    pub(super) fn explain(&mut self, attached: Attached<'_>, error: &mut Error) {
        let Some(memory) = &self.memory else { return };
        let (n_refused, Some(limit)) = (memory.n_refused(), memory.limit()) else {
            return;
        };
        if n_refused == self.n_explained {
            return;
        }
        self.n_explained = n_refused;
        if let Error::Python(python) = error
            && python.kind() == ExceptionKind::MemoryError
        {
            let limit = limit >> 20;
            python.add_note(&format!("owngil: the worker's memory limit is {limit} MiB"));
        }
        collect(attached);
    }

    /// Whether what tasks have left behind is beyond the limit, so that no further one can run.
    #[inline]
    pub(super) fn is_exhausted(&self, attached: Attached<'_>) -> bool {
        let Some(memory) = &self.memory else {
            return false;
        };
        let is_beyond = || memory.limit().is_some_and(|limit| memory.in_use() >= limit);
        if !is_beyond() {
            return false;
        }
        collect(attached);
        is_beyond()
    }
}

/// Has Python look for cycles.
fn collect(attached: Attached<'_>) {
    let collected = attached
        .import(c"gc")
        .and_then(|gc| gc.invoke("collect", &[]));
    // Without memory even for that, what follows tells.
    drop(collected);
}
