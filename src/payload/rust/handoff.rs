//! How this crate's types recognize its own serializer, and pass what serde has no call for.
//!
//! Serde's calls are generic, so a `Value` cannot tell our serializer from one of JSON. One side leaves a value in a
//! slot of this thread, makes one call, and the other side, called back on the same thread, finds it; nothing stays in
//! the slot after that call.
//! Each type has its slot where it is defined, so this file knows none of the types, and a value is passed without an
//! allocation. Names and meanings are those of the encoder and the decoder.

use std::cell::Cell;
use std::marker::PhantomData;
use std::thread::LocalKey;

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

/// A type whose values are passed this way, through a slot of its own in each thread.
pub(crate) trait Handed: Sized + 'static {
    /// The slot of this thread.
    const SLOT: &'static LocalKey<Cell<Option<Self>>>;
}

/// Gives a type its slot.
macro_rules! handed {
    ($type:ty) => {
        impl $crate::payload::rust::handoff::Handed for $type {
            const SLOT: &'static std::thread::LocalKey<std::cell::Cell<Option<Self>>> = {
                thread_local! {
                    static SLOT: std::cell::Cell<Option<$type>> = const { std::cell::Cell::new(None) };
                }
                &SLOT
            };
        }
    };
}
pub(crate) use handed;

/// The caller is our own serializer.
struct Ours;

handed!(Ours);

/// Calls `receive` with `value` in the slot, and empties the slot after it, even when it panics.
pub(crate) fn give<T: Handed, R>(value: T, receive: impl FnOnce() -> R) -> R {
    struct Emptied<T: Handed>(PhantomData<T>);
    impl<T: Handed> Drop for Emptied<T> {
        fn drop(&mut self) {
            T::SLOT.take();
        }
    }
    T::SLOT.set(Some(value));
    let _emptied = Emptied::<T>(PhantomData);
    receive()
}

/// Empties the slot, and returns what lay in it.
pub(crate) fn take<T: Handed>() -> Option<T> {
    T::SLOT.take()
}

/// Calls `receive`, which sees that our own serializer is the caller.
pub(crate) fn announce<R>(receive: impl FnOnce() -> R) -> R {
    give(Ours, receive)
}

/// Whether our own serializer is the caller. Empties the slot.
pub(crate) fn is_from_us() -> bool {
    take::<Ours>().is_some()
}
