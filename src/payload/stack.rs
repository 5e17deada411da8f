//! Stack: more of it for values that nest deeply, so that they cross on threads of any size.

/// So many levels are walked between two looks at what is left of the stack.
const LEVELS: u32 = 16;

/// What so many levels take at most, in a build that is not optimized, too.
const ROOM: usize = 256 << 10;

/// A piece of stack that is added.
const PIECE: usize = 1 << 20;

/// Walks what a container of that depth holds.
#[inline]
pub(super) fn walk<R>(depth: u32, inside: impl FnOnce() -> R) -> R {
    if depth.is_multiple_of(LEVELS) {
        stacker::maybe_grow(ROOM, PIECE, inside)
    } else {
        inside()
    }
}
