//! How this crate's types recognize its own serializer, and pass what serde has no call for.
//!
//! Serde's calls are generic, so a `Value` cannot tell our serializer from one of JSON. One side leaves a value in a
//! slot of this thread, makes one call, and the other side, called back on the same thread, finds it; nothing stays in
//! the slot after that call.
//! It decides nothing, and knows none of the types: names and meanings are those of the encoder and the decoder.

use std::any::Any;
use std::cell::Cell;

/// What all names of this crate's newtype structs start with; no Rust type can have such a name.
const PREFIX: &str = "$owngil::";

/// The newtype struct around a `Payload`.
pub(crate) const PAYLOAD: &str = "$owngil::Payload";
/// The newtype struct around a `Value`.
pub(crate) const VALUE: &str = "$owngil::Value";
/// The newtype struct around an `Opaque`.
pub(crate) const OPAQUE: &str = "$owngil::Opaque";
/// The newtype struct around the bytes of a `BigInt`.
pub(crate) const BIGINT: &str = "$owngil::BigInt";
/// The newtype struct around a str with lone surrogates.
pub(crate) const SURROGATES: &str = "$owngil::Surrogates";
/// The newtype struct around the items of a set.
pub(crate) const SET: &str = "$owngil::Set";
/// The newtype struct around the items of a frozenset.
pub(crate) const FROZENSET: &str = "$owngil::FrozenSet";
/// The newtype struct around a `Buffer`, which Python sees as a memoryview.
pub(crate) const BUFFER: &str = "$owngil::Buffer";
/// The newtype struct around a `Buffer` that holds what a bytearray holds.
pub(crate) const BYTEARRAY: &str = "$owngil::ByteArray";
/// The newtype struct around a `Call`.
pub(crate) const CALL: &str = "$owngil::Call";

/// Whether a newtype struct's name is one of ours.
#[inline]
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// What lies in the slot.
#[derive(Debug)]
enum Handoff {
    /// The caller is our own serializer.
    Ours,
    /// A value of one of this crate's types.
    Value(Box<dyn Any>),
}

thread_local! {
    static SLOT: Cell<Option<Handoff>> = const { Cell::new(None) };
}

/// Calls `receive` with `value` in the slot, and empties the slot after it, even when it panics.
pub(crate) fn give<T: Any, R>(value: T, receive: impl FnOnce() -> R) -> R {
    with(Handoff::Value(Box::new(value)), receive)
}

/// Calls `receive`, which sees that our own serializer is the caller.
pub(crate) fn announce<R>(receive: impl FnOnce() -> R) -> R {
    with(Handoff::Ours, receive)
}

fn with<R>(handoff: Handoff, receive: impl FnOnce() -> R) -> R {
    struct Emptied;
    impl Drop for Emptied {
        fn drop(&mut self) {
            SLOT.take();
        }
    }
    SLOT.set(Some(handoff));
    let _emptied = Emptied;
    receive()
}

/// Empties the slot, and returns the value if a `T` lay in it.
pub(crate) fn take<T: Any>() -> Option<T> {
    match SLOT.take()? {
        Handoff::Value(value) => value.downcast().ok().map(|value| *value),
        Handoff::Ours => None,
    }
}

/// Whether our own serializer is the caller. Empties the slot.
pub(crate) fn is_from_us() -> bool {
    matches!(SLOT.take(), Some(Handoff::Ours))
}
