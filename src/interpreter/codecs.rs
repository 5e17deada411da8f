//! Codecs: the codecs of one interpreter, for threads that need one at the same time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use owngil_ffi::{Attached, Kept, Loans, Object, PyResult, Views};

use super::functions::named;
use super::setup::programs::{BOOTSTRAP, PICKLING};
use crate::payload::{Codec, LazyPickling, Lending};

/// Makes codecs of one interpreter. A codec runs Python code while it pickles, and so other threads run meanwhile: each
/// has one to itself.
#[derive(Debug)]
pub(super) struct Codecs {
    idle: Mutex<Vec<Codec>>,
    /// The namespace of bootstrap.py.
    bootstrap: Kept,
    loans: Option<Loans>,
    is_plain: bool,
}

impl Codecs {
    /// For values that may be lent there; with `is_plain`, values whose class derives from a plain type are written as
    /// the plain value.
    pub(super) fn new(bootstrap: Kept, loans: Option<Loans>, is_plain: bool) -> Codecs {
        Codecs {
            idle: Mutex::default(),
            bootstrap,
            loans,
            is_plain,
        }
    }

    /// Calls `work` with a codec that no other thread uses meanwhile.
    pub(super) fn with<'a, R>(
        &self,
        attached: Attached<'a>,
        work: impl FnOnce(&Codec) -> R,
    ) -> PyResult<'a, R> {
        let found = self.idle().pop();
        let codec = match found {
            Some(codec) => codec,
            None => self.another(attached)?,
        };
        let done = work(&codec);
        self.idle().push(codec);
        Ok(done)
    }

    /// Gives up what was lent and has come back: a task may lend much before it ends.
    #[inline]
    pub(super) fn take_back(&self, attached: Attached<'_>) {
        if let Some(loans) = &self.loans {
            loans.take_back(attached);
        }
    }

    fn another<'a>(&self, attached: Attached<'a>) -> PyResult<'a, Codec> {
        let mut codec = codec(attached, &self.bootstrap.get(attached), self.loans.clone())?;
        if self.is_plain {
            codec.write_plain();
        }
        Ok(codec)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Codec>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A codec in the namespace of bootstrap.py; `loans` is for what it may lend.
pub(super) fn codec<'a>(
    attached: Attached<'a>,
    bootstrap: &Object<'a>,
    loans: Option<Loans>,
) -> PyResult<'a, Codec> {
    Ok(Codec::new(
        LazyPickling::new(&PICKLING, named, bootstrap, loans.clone()),
        Lending::new(Views::new(attached)?, loans),
        named(attached, bootstrap, "plain")?.keep(),
    ))
}

/// A codec of the main interpreter of a host.
pub(crate) fn codec_of_host(attached: Attached<'_>) -> PyResult<'_, Codec> {
    let bootstrap = attached.dict()?;
    bootstrap.insert(&attached.str("__name__")?, &attached.str("owngil")?)?;
    BOOTSTRAP.run(attached, &bootstrap)?;
    codec(attached, &bootstrap, None)
}
