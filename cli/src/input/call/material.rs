//! Material: an input, as far as the schedule and the job log need to know it.

use serde::Serialize;

/// An input, as a schedule needs to know it.
pub(crate) trait Material: Serialize {
    /// Tells it from other inputs, today and in later releases.
    fn fingerprint(&self) -> u64;

    /// As a shell would be given it.
    fn shown(&self) -> String;
}
