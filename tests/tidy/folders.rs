//! How many files stand side by side, so that a folder can be taken in at a glance.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{files, root};

/// The most files of a folder; one that has more has two subjects in it.
const N_FILES_MAX: usize = 15;

#[test]
fn folders_have_few_files_side_by_side() {
    let mut counts: BTreeMap<&Path, usize> = BTreeMap::new();
    let files = files();
    // An empty file, such as `py.typed`, is a mark that a tool looks for.
    let is_mark = |file: &&PathBuf| fs::metadata(root().join(file)).unwrap().len() == 0;
    for file in files.iter().filter(|file| !is_mark(file)) {
        *counts.entry(file.parent().unwrap()).or_default() += 1;
    }
    assert!(counts.len() > 50, "{} folders are found", counts.len());
    for (folder, n_files) in counts {
        assert!(
            n_files <= N_FILES_MAX,
            "{}: {n_files} files",
            folder.display()
        );
    }
}
