//! Encoded values from Rust values, and Rust values from encoded values, through serde.
//!
//! `encode` and `decode` are serde's two halves. `call` encodes the arguments of a call, `tree` reads a
//! [`Value`](super::Value) or a [`Payload`](super::Payload) whole.

mod access;
pub(crate) mod call;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod handoff;
pub(crate) mod keywords;
mod tree;
