//! Extensions: what becomes of extension modules that refuse interpreters with their own GIL.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What becomes of extension modules (numpy, pydantic and most others) that refuse interpreters with
/// their own GIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extensions {
    /// They stay refused: to import one is an `ImportError`.
    #[default]
    Strict,
    /// Each interpreter loads a copy of its own, whose variables are protected by its GIL as the author
    /// meant them to be by the only one there was.
    ///
    /// Most packages work so, and in parallel. None of them promises to: it is not what they were made
    /// for. What keeps Python objects in a library that stays shared is not safe in it, and is refused with
    /// a reason where that can be seen. A crash ends the process with all tasks in it. Where that is not to be had, run processes. `docs/private-copies.md` has the whole.
    ///
    /// Each interpreter takes the memory of its copies, for the rest of the process: an extension is never
    /// unloaded. On 64-bit Linux with glibc alone.
    Private,
}

impl Extensions {
    const NAMES: [(&'static str, Extensions); 2] = [
        ("strict", Extensions::Strict),
        ("private", Extensions::Private),
    ];

    /// Whether this system has it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`].
    pub(crate) fn check(self) -> Result<()> {
        if self == Extensions::Private && !owngil_ffi::PrivateCopies::ARE_SUPPORTED {
            let reason = "private copies of extension modules are for 64-bit Linux with glibc";
            return Err(Error::Config(reason.to_owned()));
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
            Error::Config(format!(
                "no setting {name:?} for extensions: there are strict and private"
            ))
        })
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_by_their_names() {
        for (name, setting) in Extensions::NAMES {
            assert_eq!(name.parse::<Extensions>(), Ok(setting));
            assert_eq!(setting.to_string(), name);
        }
        assert!("both".parse::<Extensions>().is_err());
        assert_eq!(Extensions::Strict.check(), Ok(()));
    }
}
