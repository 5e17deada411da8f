//! Limits: how deep a value may nest, and how much memory a count may claim.

/// The most container levels that a value may nest.
pub(crate) const MAX_DEPTH: u32 = 500;

/// The most items for which memory is set aside before they are seen.
const MOST_FORESEEN: usize = 1024;

/// How much to set aside for an untrusted count.
pub(crate) fn foreseen(count: usize) -> usize {
    count.min(MOST_FORESEEN)
}
