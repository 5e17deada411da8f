//! Progress: how far a batch has come, call by call.

use crate::payload::Encoding;

/// Follows a batch, call by call.
pub(crate) trait Progress: std::fmt::Debug {
    /// The function is loaded, and the first call begins.
    fn begins(&mut self);

    /// Whether to make no further call.
    fn is_stopped(&self) -> bool;

    /// So many calls have ended, which gave these values, failures included.
    fn ended(&mut self, n: u32, values: &Encoding);
}
