//! Zero copy: memory that crosses without a copy, seen from Python.
//!
//! A [`Buffer`] becomes a `memoryview` of it. A large `bytes` is lent: what crosses is a buffer that
//! holds the object, which stays `bytes` for its receiver. What can change is copied, once.

use std::sync::Arc;

use owngil_ffi::{Attached, Kind, Loans, Object, PyResult, Views};

use super::buffer::Buffer;
use super::encoding::Encoding;
use super::error::Crossing;
use super::format::{self, tag};
use super::memfd;

/// From which size on a `bytes` is lent. Up to here a copy costs less than to lend it, to send the
/// reference back and to wake the worker for that.
pub(crate) const LENT_FROM: usize = 32 * 1024;

/// Makes views of Rust's memory in one interpreter, and lends memory of its objects.
#[derive(Debug)]
pub(crate) struct Lending {
    views: Views,
    /// Where nothing is lent, large `bytes` are copied.
    loans: Option<Loans>,
}

impl Lending {
    pub(crate) fn new(views: Views, loans: Option<Loans>) -> Self {
        Lending { views, loans }
    }

    /// Gives up what was lent and has come back.
    #[inline]
    pub(crate) fn take_back(&self, attached: Attached<'_>) {
        if let Some(loans) = &self.loans
            && loans.has_returned()
        {
            loans.take_back(attached);
        }
    }

    /// Writes a `bytes`.
    pub(super) fn write_bytes(&self, object: &Object<'_>, out: &mut Encoding) -> Crossing<()> {
        match lend(self.loans.as_ref(), object) {
            Some(buffer) => out.write_buffer(tag::BYTES_BUFFER, buffer),
            None => write_bytes(out, object.as_bytes().unwrap_or_default()),
        }
    }

    /// What a `memoryview` or a `bytearray` holds.
    pub(super) fn contents<'a>(&self, object: &Object<'a>) -> PyResult<'a, Buffer> {
        if object.kind() == Kind::MemoryView {
            if let Some((owner, range)) = self.views.shown_by(object) {
                return Ok(Buffer::of_part(owner, range));
            }
            if let Some((bytes, range)) = object.bytes_shown()
                && range.len() >= LENT_FROM
                && let Some(whole) = lend(self.loans.as_ref(), &bytes)
            {
                return Ok(whole.slice(range));
            }
        }
        object.copy_exported().map(Buffer::from)
    }

    /// Makes the object that a buffer stands for under that tag.
    pub(super) fn make<'a>(
        &self,
        attached: Attached<'a>,
        tag: u8,
        buffer: &Buffer,
    ) -> PyResult<'a, Object<'a>> {
        match tag {
            tag::BYTES_BUFFER => attached.bytes(buffer),
            tag::BYTEARRAY => attached.byte_array(buffer),
            _ => {
                let owner = Arc::clone(buffer.owner());
                self.views.view(attached, &owner, buffer.range())
            }
        }
    }
}

/// Writes a `bytes`. A large one stands in memory of its own: so it is copied once, to where memory is
/// aligned, and not again when the values around it grow or go on into others.
#[inline]
pub(super) fn write_bytes(out: &mut Encoding, bytes: &[u8]) -> Crossing<()> {
    if bytes.len() >= LENT_FROM {
        return out.write_buffer(tag::BYTES_BUFFER, memfd::copy(bytes));
    }
    format::write_bytes(out, bytes);
    Ok(())
}

/// The contents of a `bytes` that is worth it, if anything is lent here.
pub(super) fn lend(loans: Option<&Loans>, object: &Object<'_>) -> Option<Buffer> {
    let is_large = object.as_bytes()?.len() >= LENT_FROM;
    let lent = loans.filter(|_| is_large)?.lend(object)?;
    Some(Buffer::from_owner(lent))
}
