//! Copies: an interpreter that is to load extension modules from copies of its own.

#[cfg(target_os = "linux")]
use owngil_ffi::Libraries;
use owngil_ffi::{Admission, Policy, PrivateCopies};

use crate::error::Result;
use crate::extensions::Extensions;
use crate::interpreter::refusals::Refusals;
#[cfg(target_os = "linux")]
use crate::libraries;
use crate::monitor::JobMonitor;
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

    /// Has the interpreter import so, and its worker's monitor know what it loads.
    pub(crate) fn install(
        &self,
        python: &mut owngil_ffi::Interpreter,
        monitor: Option<&JobMonitor>,
    ) -> Result<()> {
        let policy = match self.extensions {
            Extensions::Strict if !PrivateCopies::ARE_SUPPORTED => return Ok(()),
            Extensions::Strict => Policy::none(),
            Extensions::Private => Policy::new(|_, _| Admission::Copy),
            Extensions::Tested => {
                let list = self.list.clone();
                Policy::new(move |module, file| list.admit(module, file))
            }
        };
        let copies = PrivateCopies::install(python, policy)?;
        if let Some(monitor) = monitor {
            monitor.set_copies(copies);
        }
        Ok(())
    }

    /// Has the interpreter refuse libraries that Python code loads by itself and that are not known to be safe for
    /// several threads, and `refusals` note it. Where everything is copied, libraries are taken as they come, too.
    pub(in crate::interpreter) fn hold_libraries(
        &self,
        python: &mut owngil_ffi::Interpreter,
        refusals: Option<&Refusals>,
    ) -> Result<()> {
        #[cfg(target_os = "linux")]
        if self.extensions != Extensions::Private {
            let libraries = Libraries::hold(python, libraries::is_safe)?;
            if let Some(refusals) = refusals.cloned() {
                libraries.tell(move |text| refusals.add(text.to_owned()));
            }
        }
        Ok(())
    }
}
