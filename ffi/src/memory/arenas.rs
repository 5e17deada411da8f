//! Arenas: which memory is an arena of CPython's, on 3.12.
//!
//! 3.12 frees some objects of one interpreter in another (gh-119213, gh-116510). The other one does not find them in its
//! own arenas, takes them for blocks of the system's, and gives them to `free`, which aborts the process. So `free` asks
//! here first, and leaves such an object where it is: in an arena, which on 3.12 outlives its interpreter.
//!
//! The table has no lock, since a process may be forked off while a thread would hold it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The size of an arena, and the alignment by which the table knows one. Two cannot begin within one such piece.
const SIZE: usize = 1 << 20;

/// Enough for 16 GiB of small objects. Arenas beyond that are not known here.
const N_PLACES: usize = 1 << 14;

/// How far from where it should be an arena may stand.
const REACH: usize = 16;

/// A place whose arena was given back.
const GONE: usize = 1;

static ARENAS: [AtomicUsize; N_PLACES] = [const { AtomicUsize::new(0) }; N_PLACES];

/// The places where the arena may stand that begins in that piece of memory.
fn places(piece: usize) -> impl Iterator<Item = &'static AtomicUsize> {
    // Arenas are often neighbours.
    (0..REACH).map(move |nth| &ARENAS[piece.wrapping_add(nth) % N_PLACES])
}

/// Notes a new arena.
pub(super) fn add(arena: usize, size: usize) {
    if size != SIZE {
        return;
    }
    for place in places(arena / SIZE) {
        let found = place.load(Ordering::Relaxed);
        let is_free = found == 0 || found == GONE;
        let (new, old) = (Ordering::Release, Ordering::Relaxed);
        if is_free && place.compare_exchange(found, arena, new, old).is_ok() {
            return;
        }
    }
}

/// Forgets an arena.
pub(super) fn remove(arena: usize) {
    for place in places(arena / SIZE) {
        let (new, old) = (Ordering::Release, Ordering::Relaxed);
        if place.compare_exchange(arena, GONE, new, old).is_ok() {
            return;
        }
    }
}

/// Whether a block is in an arena.
pub(super) fn hold(block: usize) -> bool {
    let piece = block / SIZE;
    [piece, piece.wrapping_sub(1)].into_iter().any(|piece| {
        places(piece)
            .map(|place| place.load(Ordering::Acquire))
            .take_while(|arena| *arena != 0)
            .any(|arena| arena > GONE && block.wrapping_sub(arena) < SIZE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_known_by_its_arena_and_by_no_other() {
        // Neighbours, and arenas that want the same place.
        let base = 0x7f00_0000_1000;
        let arenas = [base, base + SIZE, base + 2 * SIZE, base + N_PLACES * SIZE];
        for arena in arenas {
            add(arena, SIZE);
        }
        for arena in arenas {
            assert!(hold(arena) && hold(arena + SIZE - 1));
        }
        assert!(!hold(base - 1) && !hold(base + 3 * SIZE));
        remove(base + SIZE);
        assert!(!hold(base + SIZE) && hold(base + SIZE - 1) && hold(base + 2 * SIZE));
        assert!(hold(base + N_PLACES * SIZE));
    }

    #[test]
    fn no_block_is_in_no_arena() {
        // Where a search for the piece before that of a null pointer begins.
        add((0x7d00 * N_PLACES + N_PLACES - 1) * SIZE, SIZE);
        assert!(!hold(0));
        assert!(!hold(usize::MAX));
    }

    #[test]
    fn arenas_that_come_and_go_leave_their_places_to_others() {
        let base = 0x7e00_0000_0000;
        for nth in 0..N_PLACES {
            let arena = base + nth * SIZE;
            add(arena, SIZE);
            assert!(hold(arena));
            remove(arena);
            assert!(!hold(arena));
        }
    }
}
