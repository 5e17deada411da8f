//! How many files stand side by side, so that a folder can be taken in at a glance.

use std::fs;
use std::path::Path;

use crate::source::root;

/// The most files of a folder; one that has more has two subjects in it.
const N_FILES_MAX: usize = 15;

/// The folders whose own files, and those of the folders in them, are counted.
const COUNTED: [&str; 5] = ["benches", "examples", "ffi", "tests", "tools"];

#[test]
fn folders_have_few_files_side_by_side() {
    for folder in COUNTED {
        check(&root().join(folder));
    }
}

fn check(folder: &Path) {
    let mut n_files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if !entry.path().is_dir() {
            n_files += 1;
        } else if entry.file_name() != "__pycache__" {
            check(&entry.path());
        }
    }
    assert!(
        n_files <= N_FILES_MAX,
        "{}: {n_files} files",
        folder.display()
    );
}
