//! Extensions: the setting for extension modules that refuse interpreters with their own GIL. `tested` decides by it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How to handle extension modules (numpy, pydantic and most others) that refuse interpreters with
/// their own GIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extensions {
    /// Importing one raises `ImportError`. Of a module that is created in one step, nothing runs before.
    #[default]
    Strict,
    /// Modules of packages that were tried and soaked in private copies (see [`tested`](crate::tested)) are loaded
    /// from such copies, in the versions and on the version of Python that were tried. Others stay refused, with a
    /// reason.
    ///
    /// This is the default for a pool on the backend [`Auto`](crate::Backend::Auto), which runs refused functions in
    /// worker processes. A module that declares support for a per-interpreter GIL is never refused.
    ///
    /// On systems without private copies nothing was tried, and this is the same as `Strict`.
    Tested,
    /// Each interpreter loads its own copy. Its GIL protects the copy's variables, as the author expected the only
    /// GIL to do.
    ///
    /// This applies to every package, and none of them promises to work this way: some destroy data or crash.
    /// A module that keeps Python objects in a library that stays shared is refused, where that can be detected.
    /// A crash ends the process with all tasks in it. See `docs/private-copies.md` for the details.
    ///
    /// The copies of an interpreter occupy memory for the rest of the process: an extension is never unloaded.
    /// Available on 64-bit Linux with glibc only.
    Private,
}

impl Extensions {
    const NAMES: [(&'static str, Extensions); 3] = [
        ("strict", Extensions::Strict),
        ("tested", Extensions::Tested),
        ("private", Extensions::Private),
    ];

    /// Whether this system has it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]. `Tested` is as `Strict` where it has none.
    pub(crate) fn check(self) -> Result<()> {
        if self == Extensions::Private && !owngil_ffi::PrivateCopies::ARE_SUPPORTED {
            let reason = "private copies of extension modules are for 64-bit Linux with glibc";
            return Err(Error::config(reason.to_owned()));
        }
        Ok(())
    }
}

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Extensions::NAMES.iter().find(|(_, one)| one == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Extensions {
    type Err = Error;

    fn from_str(name: &str) -> Result<Extensions> {
        let known = Extensions::NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, one)| *one).ok_or_else(|| {
            Error::config(format!(
                "no setting {name:?} for extensions: there are strict, tested and private"
            ))
        })
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parsed_from_their_names() {
        for (name, setting) in Extensions::NAMES {
            assert_eq!(name.parse::<Extensions>(), Ok(setting));
            assert_eq!(setting.to_string(), name);
        }
        assert!("both".parse::<Extensions>().is_err());
        assert_eq!(Extensions::Strict.check(), Ok(()));
    }
}
