//! The rooms of `ffi/src/`: in which order they stand.

use crate::names_after;
use crate::source::{code_of, sources};

/// The folders and files in `ffi/src/`, from the bottom up. Each uses only what stands before it.
const ROOMS: [&str; 17] = [
    "raw",
    "address",
    "panic",
    "stack",
    "description",
    "version",
    "error",
    "process",
    "memory",
    "thread",
    "object",
    "visit",
    "shared_object",
    "runtime",
    "hosted",
    "interpreter",
    "extension",
];

#[test]
fn the_rooms_of_ffi_use_only_what_is_below_them() {
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut n_uses = 0;
    for source in sources("rs") {
        let Some(inside) = source.path.strip_prefix("ffi/src/") else {
            continue;
        };
        let room = inside.split(['/', '.']).next().unwrap();
        // The one lists the rooms, the other holds nothing but documentation.
        if matches!(room, "lib" | "compile_fail") {
            continue;
        }
        let own = place(room);
        assert!(own.is_some(), "{}: give the room a place", source.path);
        for used in names_after(&code_of(&source.text), "crate::") {
            assert!(
                place(&used).is_some_and(|used| Some(used) <= own),
                "{} uses crate::{used}, which is no room below {room}",
                source.path
            );
            n_uses += 1;
        }
    }
    assert!(n_uses > 50, "{n_uses} imports are found");
}
