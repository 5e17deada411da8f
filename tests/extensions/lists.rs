//! The lists of packages: those that ship, and one of your own.

use std::fs;

use owngil::Error;
use owngil::tested::List;

#[test]
fn a_list_of_your_own_is_read_or_its_error_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tested.tsv");
    let n_shipped = List::shipped().packages().count();
    let read = || List::shipped().with_file(&path);
    assert_eq!(read().unwrap().packages().count(), n_shipped);
    fs::write(&path, "a\ta\t3.13\t1\t2\ttried\n").unwrap();
    assert_eq!(read().unwrap().packages().count(), n_shipped + 1);
    fs::write(&path, "a\ta\t3.13\n").unwrap();
    let Err(Error::Config { message: why, .. }) = read() else {
        panic!("{:?}", read())
    };
    assert!(
        why.ends_with("tested.tsv: line 1: 3 columns, not 6"),
        "{why}"
    );
}

#[test]
fn the_lists_that_ship_are_whole() {
    let list = List::shipped();
    let rows = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .count()
    };
    assert_eq!(
        list.packages().count(),
        rows(include_str!("../../src/tested/packages.tsv"))
    );
    assert_eq!(
        list.in_processes().count(),
        rows(include_str!("../../src/tested/processes.tsv"))
    );
    for package in list.in_processes() {
        let reason = &package.reason;
        assert!(
            reason.starts_with(char::is_lowercase) && !reason.ends_with('.'),
            "{package:?}"
        );
        let both = list
            .packages()
            .any(|tried| tried.distribution == package.distribution);
        assert!(!both, "{package:?}");
    }
}
