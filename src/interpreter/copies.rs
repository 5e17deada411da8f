//! Copies: an interpreter that is to load extension modules from copies of its own.

use owngil_ffi::{Admission, Policy, PrivateCopies};

use crate::error::Result;
use crate::extensions::Extensions;
use crate::post::Post;
use crate::tested::List;

/// Which extension modules are loaded from private copies.
#[derive(Clone, Debug)]
pub(crate) struct Copying {
    extensions: Extensions,
    list: List,
}

impl Copying {
    /// As the setting says; `list` is what was tested.
    pub(crate) fn new(extensions: Extensions, list: List) -> Copying {
        let extensions = match extensions {
            Extensions::Tested if !PrivateCopies::ARE_SUPPORTED => Extensions::Strict,
            other => other,
        };
        Copying { extensions, list }
    }

    /// Whether any are.
    pub(crate) fn is_on(&self) -> bool {
        self.extensions != Extensions::Strict
    }

    /// Has the interpreter import so, and its worker's post know what it loads.
    pub(super) fn install(
        &self,
        python: &mut owngil_ffi::Interpreter,
        post: Option<&Post>,
    ) -> Result<()> {
        let policy = match self.extensions {
            Extensions::Strict => return Ok(()),
            Extensions::Private => Policy::new(|_, _| Admission::Copy),
            Extensions::Tested => {
                let list = self.list.clone();
                Policy::new(move |module, file| list.admit(module, file))
            }
        };
        let copies = PrivateCopies::install(python, policy)?;
        if let Some(post) = post {
            post.set_copies(copies);
        }
        Ok(())
    }
}
