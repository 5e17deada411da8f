//! Key cache: dict keys that were written before, by the addresses of their objects.
//!
//! The dicts that Python code makes in a loop share their keys. A key that is found here by its
//! address is not asked for its type and its text, and its bytes are copied at a fixed length.

use owngil_ffi::{Kept, Object};

use crate::payload::format::tag;

/// How many keys are known at a time.
const N_KEYS: usize = 64;
/// The most bytes of a key as it is encoded: those of a short str.
const MOST_BYTES: usize = (tag::LONGEST_SHORT_STR - tag::SHORT_STR) as usize + 1;

/// The keys that one interpreter wrote last, each in the slot of its address.
#[derive(Debug)]
pub(super) struct KeyCache {
    slots: [Option<CachedKey>; N_KEYS],
}

#[derive(Debug)]
struct CachedKey {
    /// Keeps the address from being used again.
    object: Kept,
    encoded: [u8; MOST_BYTES],
    len: usize,
}

impl Default for KeyCache {
    fn default() -> Self {
        KeyCache {
            slots: [const { None }; N_KEYS],
        }
    }
}

impl KeyCache {
    /// Writes a key that was written before; `false` for any other.
    #[inline]
    pub(super) fn write(&self, key: &Object<'_>, out: &mut Vec<u8>) -> bool {
        match &self.slots[slot(key)] {
            Some(known) if known.object.is(key) => {
                let end = out.len() + known.len;
                out.extend_from_slice(&known.encoded);
                out.truncate(end);
                true
            }
            _ => false,
        }
    }

    /// Takes note of a key and of how it was encoded, if it is a short str.
    pub(super) fn note(&mut self, key: &Object<'_>, written: &[u8]) {
        if !matches!(written, [tag::SHORT_STR..=tag::LONGEST_SHORT_STR, ..]) {
            return;
        }
        let mut encoded = [0; MOST_BYTES];
        encoded[..written.len()].copy_from_slice(written);
        self.slots[slot(key)] = Some(CachedKey {
            object: key.keep(),
            encoded,
            len: written.len(),
        });
    }
}

/// Where a key is kept: objects stand at multiples of 16 bytes.
#[inline]
fn slot(key: &Object<'_>) -> usize {
    let address = key.address() >> 4;
    (address ^ (address >> 6)) % N_KEYS
}
