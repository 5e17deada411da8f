//! Memory that is shared with another process: what could change is not lent, and what is not there is refused.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use owngil_ffi::{Board, Mapping};
use rustix::fs::{MemfdFlags, SealFlags};

/// All that keeps a memory file as it is.
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE)
    .union(SealFlags::SEAL);

/// How many numbers a board has.
const N_NUMBERS: usize = 8;

#[test]
fn what_is_mapped_is_what_was_written_and_stays_so() {
    let file = Mapping::file_of(&[b"one", b"", b"two"]).unwrap();
    let again = file.try_clone().unwrap();
    assert!(rustix::io::write(&again, b"x").is_err());
    assert!(rustix::fs::ftruncate(&again, 0).is_err());
    let mapping = Mapping::open(file).unwrap();
    assert_eq!(mapping.as_ref(), b"onetwo");
    let two = &mapping.as_ref()[3..];
    assert_eq!(mapping.range_of(two), Some(3..6));
    assert_eq!(mapping.range_of(b"two"), None);
    // Only large ones keep a descriptor.
    assert!(mapping.file().is_none());
    let large = Mapping::open(Mapping::file_of(&[&vec![1; 8 << 20]]).unwrap()).unwrap();
    let again = large.file().unwrap().try_clone_to_owned().unwrap();
    assert_eq!(Mapping::open(again).unwrap().as_ref(), large.as_ref());
}

#[test]
fn a_file_that_could_change_is_refused() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let open = || rustix::fs::memfd_create(c"open", flags).unwrap();
    let file = open();
    rustix::io::write(&file, b"bytes").unwrap();
    assert!(Mapping::open(file).is_err());
    for missing in [SealFlags::WRITE, SealFlags::SHRINK] {
        let file = open();
        rustix::io::write(&file, b"bytes").unwrap();
        rustix::fs::fcntl_add_seals(&file, SEALS.difference(missing)).unwrap();
        assert!(Mapping::open(file).is_err());
    }
    let pipe = std::io::pipe().unwrap().0;
    assert!(Mapping::open(OwnedFd::from(pipe)).is_err());
    assert!(Mapping::open(Mapping::file_of(&[]).unwrap()).is_err());
}

#[test]
fn both_sides_see_the_same() {
    let (mut ours, file) = Board::create().unwrap();
    let mut theirs = Board::open(&file).unwrap();
    ours.number(0).store(7, Ordering::Release);
    theirs.number(N_NUMBERS - 1).store(8, Ordering::Release);
    assert_eq!(theirs.number(0).load(Ordering::Acquire), 7);
    assert_eq!(ours.number(N_NUMBERS - 1).load(Ordering::Acquire), 8);
    assert!(theirs.write(3, b"bytes"));
    assert_eq!(ours.read(3, 5).unwrap(), b"bytes");
    assert_eq!(ours.number(0).load(Ordering::Acquire), 7);
}

#[test]
fn what_is_outside_of_it_is_refused() {
    let (mut board, file) = Board::create().unwrap();
    assert!(board.write(Board::ROOM - 1, b"x"));
    for at in [Board::ROOM, usize::MAX] {
        assert!(!board.write(at, b"x") && board.read(at, 1).is_none());
    }
    assert!(rustix::fs::ftruncate(&file, 0).is_err());
    assert!(Board::open(&Mapping::file_of(&[b"x"]).unwrap()).is_err());
    let beyond = std::panic::AssertUnwindSafe(|| board.number(N_NUMBERS).load(Ordering::Relaxed));
    assert!(std::panic::catch_unwind(beyond).is_err());
}
