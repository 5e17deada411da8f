//! Own directory: the working directory and umask of a worker, put back after each call.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use owngil_ffi::{Attached, Object, PyResult};

use super::functions::named;
use crate::inherited::{Directory, Inherited};

/// What a worker's calls begin with.
#[derive(Debug)]
pub(super) struct OwnDirectory {
    start: Start,
    /// A call has changed them. A call does by any of its threads.
    changed: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Start {
    Inherited(Arc<Inherited>),
    /// Where code that was loaded went: that holds for all calls, as in plain Python.
    Loaded(Directory),
}

impl OwnDirectory {
    /// Has the interpreter note what changes them; `None` where workers share them.
    pub(super) fn install<'a>(
        attached: Attached<'a>,
        program: &Object<'a>,
        inherited: &Arc<Inherited>,
        is_process: bool,
    ) -> PyResult<'a, Option<OwnDirectory>> {
        let Some(directory) = &inherited.directory else {
            return Ok(None);
        };
        let unshared = match is_process {
            true => Ok(()),
            false => owngil_ffi::unshare_directory(),
        };
        let entered = unshared.and_then(|()| directory.enter());
        if let Err(error) = &entered {
            tracing::warn!(%error, "workers share one working directory");
        }
        let own = OwnDirectory {
            start: Start::Inherited(Arc::clone(inherited)),
            changed: Arc::default(),
        };
        let changed = Arc::clone(&own.changed);
        let note = attached.callback(move |attached, _| {
            changed.store(true, Ordering::Release);
            Ok(attached.none())
        })?;
        let keep = named(attached, program, "keep_directory")?;
        keep.call(&[note, attached.bool(entered.is_ok())])?;
        Ok(entered.is_ok().then_some(own))
    }

    /// Puts back what a call has changed.
    #[inline]
    pub(super) fn put_back(&self) {
        if self.changed.load(Ordering::Acquire) {
            self.put_back_now();
        }
    }

    #[cold]
    fn put_back_now(&self) {
        self.changed.store(false, Ordering::Release);
        let directory = match &self.start {
            Start::Inherited(inherited) => inherited.directory.as_ref(),
            Start::Loaded(directory) => Some(directory),
        };
        if let Some(Err(error)) = directory.map(Directory::enter) {
            tracing::error!(%error, "the working directory could not be put back");
        }
    }

    /// What has been changed until now was changed by code that was loaded.
    pub(super) fn settle(&mut self) {
        if self.changed.swap(false, Ordering::AcqRel) {
            match Directory::here() {
                Ok(directory) => self.start = Start::Loaded(directory),
                Err(error) => warn_unknown(&error),
            }
        }
    }
}

#[cold]
fn warn_unknown(error: &io::Error) {
    tracing::warn!(%error, "the working directory that loaded code went to is not known");
}
