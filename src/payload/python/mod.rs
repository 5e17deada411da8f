//! Encoded values from Python objects, and Python objects from encoded values.
//!
//! `codec` is the door. It hands scalars to `scalar`, and all else to the walk that writes (`encode`) or the one that
//! makes (`decode`).

mod codec;
mod decode;
mod dict_shapes;
mod encode;
mod key_cache;
mod raised;
mod scalar;

pub(crate) use codec::Codec;
pub(crate) use scalar::{read_usual, write_scalar};
