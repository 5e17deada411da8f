//! Own directory: the working directory and umask of a worker, put back after each call.

use std::io;
use std::sync::Arc;

use crate::inherited::{Directory, Inherited};
use crate::output::Capture;

/// What a worker's calls begin with.
#[derive(Debug)]
pub(crate) enum OwnDirectory {
    Inherited(Arc<Inherited>),
    /// Where code that was loaded went: that holds for all calls, as in plain Python.
    Loaded(Directory),
}

impl OwnDirectory {
    /// Gives this thread its own; `Some(None)` where workers have to share them, and `None` where it is left alone.
    pub(crate) fn enter(
        inherited: &Arc<Inherited>,
        is_process: bool,
    ) -> Option<Option<OwnDirectory>> {
        let directory = inherited.directory.as_ref()?;
        let unshared = match is_process {
            true => Ok(()),
            false => owngil_ffi::unshare_directory(),
        };
        let entered = unshared.and_then(|()| directory.enter());
        if let Err(error) = &entered {
            tracing::warn!(%error, "workers share one working directory");
        }
        let own = || OwnDirectory::Inherited(Arc::clone(inherited));
        Some(entered.is_ok().then(own))
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
