//! Manual pages, one for each command.

use std::fs;

use crate::support::{owngil, run, words};

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    run(owngil(["man"]).arg(&pages)).check(0);
    for name in [
        "owngil",
        "owngil-map",
        "owngil-run",
        "owngil-bench",
        "owngil-doctor",
    ] {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
    let map = fs::read_to_string(pages.join("owngil-map.1")).unwrap();
    assert!(
        map.contains("\\-\\-keep\\-order") && map.contains("Exit status"),
        "{map}"
    );
    let ended = run(&mut words("man"));
    assert!(ended.check(0).stdout.contains(".SH SUBCOMMANDS"));
    let ended = run(&mut words("man /dev/null/man1"));
    assert!(
        ended
            .check(1)
            .stderr
            .starts_with("error: cannot write manual pages to /dev/null/man1\n")
    );
}
