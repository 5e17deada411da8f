//! Total: how many inputs there are, once that is known.

use std::sync::{Arc, OnceLock};

/// The number of all inputs, from when it is known on.
pub(crate) type NInputs = Arc<OnceLock<u64>>;
