//! Own directory: the working directory and umask of a worker, put back after each call.

use std::io;
use std::sync::Arc;

use owngil_ffi::{Attached, Object, PyResult};

use crate::inherited::{Directory, Inherited};
use crate::interpreter::functions::named;
use crate::output::Capture;

/// What a worker's calls begin with.
#[derive(Debug)]
pub(crate) enum OwnDirectory {
    Inherited(Arc<Inherited>),
    /// Where code that was loaded went: that holds for all calls, as in plain Python.
    Loaded(Directory),
}

impl OwnDirectory {
    /// Has the interpreter call `note` where they are changed; `None` where workers share them.
    pub(crate) fn install<'a>(
        attached: Attached<'a>,
        program: &Object<'a>,
        note: Object<'a>,
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
        let keep = named(attached, program, "keep_directory")?;
        keep.call(&[note, attached.bool(entered.is_ok())])?;
        let own = || OwnDirectory::Inherited(Arc::clone(inherited));
        Ok(entered.is_ok().then(own))
    }

    /// Puts back what a call has changed.
    #[inline]
    pub(crate) fn put_back(&self, capture: &Capture) {
        if capture.has_changed_directory() {
            self.put_back_now();
        }
    }

    #[cold]
    fn put_back_now(&self) {
        let directory = match self {
            OwnDirectory::Inherited(inherited) => inherited.directory.as_ref(),
            OwnDirectory::Loaded(directory) => Some(directory),
        };
        if let Some(Err(error)) = directory.map(Directory::enter) {
            tracing::error!(%error, "the working directory could not be put back");
        }
    }

    /// What has been changed until now was changed by code that was loaded.
    pub(crate) fn settle(&mut self, capture: &Capture) {
        if capture.has_changed_directory() {
            match Directory::here() {
                Ok(directory) => *self = OwnDirectory::Loaded(directory),
                Err(error) => warn_unknown(&error),
            }
        }
    }
}

#[cold]
fn warn_unknown(error: &io::Error) {
    tracing::warn!(%error, "the working directory that loaded code went to is not known");
}
