//! Version: which CPython runs, and which defects of it are known.

use std::fmt;

use crate::raw;

/// Whether this is built for a free-threaded CPython (PEP 703).
pub(crate) const IS_FREE_THREADED: bool = cfg!(Py_GIL_DISABLED);

/// A CPython version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Version {
    /// 3
    pub major: u8,
    /// 12 to 15
    pub minor: u8,
    /// The patch release.
    pub micro: u8,
}

impl Version {
    /// The version of the libpython that is loaded.
    pub fn running() -> Version {
        // SAFETY: a constant of libpython's, there since 3.11.
        let hex = unsafe { raw::Py_Version };
        Version {
            major: (hex >> 24) as u8,
            minor: (hex >> 16) as u8,
            micro: (hex >> 8) as u8,
        }
    }

    /// The version that this crate was built for.
    pub fn built_for() -> Version {
        Version::parse(env!("OWNGIL_BUILT_VERSION")).unwrap_or_else(Version::running)
    }

    /// Reads `3.13` or `3.13.2`, and what may follow (`.final.0`, `rc1`).
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.trim().split('.').map(|part| {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        let (major, minor) = (parts.next()??, parts.next()??);
        Some(Version {
            major,
            minor,
            micro: parts.next().flatten().unwrap_or(0),
        })
    }

    /// Whether both have the same C ABI.
    pub fn same_minor(self, other: Version) -> bool {
        (self.major, self.minor) == (other.major, other.minor)
    }

    /// Why owngil refuses to run on this version.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        match (self.minor, self.micro) {
            (13, ..4) if IS_FREE_THREADED => Some(
                "its free-threaded build crashes when threads start and when they set attributes \
                 (gh-129732, gh-132869): use 3.13.4 or later, better 3.14",
            ),
            (12, 0) => Some(
                "its interpreters share a MemoryError that crashes (gh-109894) and cannot end while \
                 threads run (gh-105716): use 3.12.8 or later",
            ),
            _ => None,
        }
    }

    /// What is known to go wrong on this version, and which one to use.
    pub(crate) fn warning(self) -> Option<&'static str> {
        match (self.minor, self.micro) {
            (13, _) if IS_FREE_THREADED => Some(
                "free threading is an experiment in 3.13, and a bytearray or an itertools iterator that threads share \
                 can crash it; \
                 3.14 is the first version that supports it (PEP 779)",
            ),
            (12, ..8) => Some(
                "frees objects of one interpreter in another (gh-119213, gh-116510) and loads \
                 single-phase extensions unsafely (gh-117953); owngil avoids the cases it knows; \
                 3.12.8 or later is safer, 3.14 is best",
            ),
            (13, ..13) => Some(
                "an extension whose initialisation fails in a sub-interpreter can crash the \
                 process (gh-144601); 3.13.13 or later has the fix, 3.14 is best",
            ),
            (14, ..4) => Some(
                "an extension whose initialisation fails in a sub-interpreter can crash the \
                 process (gh-144601); 3.14.4 or later has the fix",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_form_that_pyvenv_cfg_has() {
        let version = Version {
            major: 3,
            minor: 13,
            micro: 2,
        };
        assert_eq!(Version::parse("3.13.2"), Some(version));
        assert_eq!(Version::parse(" 3.13.2.final.0 "), Some(version));
        assert_eq!(
            Version::parse("3.15.0b1"),
            Some(Version {
                major: 3,
                minor: 15,
                micro: 0
            })
        );
        assert_eq!(
            Version::parse("3.13"),
            Some(Version {
                major: 3,
                minor: 13,
                micro: 0
            })
        );
        assert_eq!(Version::parse("python"), None);
    }

    #[test]
    fn versions_with_known_crashes_are_reported() {
        let version = |minor, micro| Version {
            major: 3,
            minor,
            micro,
        };
        assert!(version(12, 0).refusal().is_some());
        assert!(version(12, 1).refusal().is_none());
        for (minor, bad, good) in [(12, 7, 8), (13, 12, 13), (14, 3, 4)] {
            assert!(version(minor, bad).warning().is_some());
            let is_experiment = IS_FREE_THREADED && minor == 13;
            let is_warned = version(minor, good).warning().is_some();
            assert_eq!(is_warned, is_experiment);
        }
    }
}
