//! How this crate's types tell its own serializer from any other, and pass what serde has no call for.
//!
//! Serde's calls are generic, so a [`Value`] cannot tell a serializer of ours from one of JSON.
//! One side leaves a [`Handoff`] in a slot of this thread, makes one call, and the other side, called
//! back on the same thread, finds it; nothing stays in the slot after that call.
//! It does not decide anything: names and meanings are those of the encoder and the decoder.
//!
//! [`Value`]: super::Value

use std::cell::Cell;

use super::{Buffer, Opaque, Payload, Value};

/// What all names of this crate's newtype structs start with; no Rust type can have such a name.
const PREFIX: &str = "$owngil::";

/// The newtype struct around a [`Payload`].
pub(crate) const PAYLOAD: &str = "$owngil::Payload";
/// The newtype struct around a [`Value`].
pub(crate) const VALUE: &str = "$owngil::Value";
/// The newtype struct around an [`Opaque`].
pub(crate) const OPAQUE: &str = "$owngil::Opaque";
/// The newtype struct around the bytes of a [`BigInt`](super::BigInt).
pub(crate) const BIGINT: &str = "$owngil::BigInt";
/// The newtype struct around a str with lone surrogates.
pub(crate) const SURROGATES: &str = "$owngil::Surrogates";
/// The newtype struct around the items of a set.
pub(crate) const SET: &str = "$owngil::Set";
/// The newtype struct around the items of a frozenset.
pub(crate) const FROZENSET: &str = "$owngil::FrozenSet";
/// The newtype struct around a [`Buffer`], which Python sees as a memoryview.
pub(crate) const BUFFER: &str = "$owngil::Buffer";
/// The newtype struct around a [`Buffer`] that holds what a bytearray holds.
pub(crate) const BYTEARRAY: &str = "$owngil::ByteArray";
/// The newtype struct around a [`Call`](super::Call).
pub(crate) const CALL: &str = "$owngil::Call";

/// Whether a newtype struct's name is one of ours.
#[inline]
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// What is passed.
#[derive(Debug)]
pub(crate) enum Handoff {
    /// Nothing but the news that the caller is our own serializer.
    Ours,
    /// A value that was decoded.
    Value(Value),
    /// A payload that was decoded.
    Payload(Payload),
    /// An opaque object to encode.
    Opaque(Opaque),
    /// A buffer, to encode or decoded.
    Buffer(Buffer),
    /// The buffers of a payload that is to be encoded.
    Buffers(Vec<Buffer>),
}

thread_local! {
    static SLOT: Cell<Option<Handoff>> = const { Cell::new(None) };
}

/// Calls `receive` with `handoff` in the slot, and empties the slot after it, even when it panics.
pub(crate) fn give<R>(handoff: Handoff, receive: impl FnOnce() -> R) -> R {
    struct Emptied;
    impl Drop for Emptied {
        fn drop(&mut self) {
            take();
        }
    }
    SLOT.set(Some(handoff));
    let _emptied = Emptied;
    receive()
}

/// Takes what lies in the slot.
pub(crate) fn take() -> Option<Handoff> {
    SLOT.take()
}

/// Whether our own serializer is the caller.
pub(crate) fn is_from_us() -> bool {
    matches!(take(), Some(Handoff::Ours))
}
