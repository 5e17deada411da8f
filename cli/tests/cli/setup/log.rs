//! The log: the events that `OWNGIL_LOG` asks for.

use crate::support::{run, words};

#[test]
fn the_log_shows_the_events_that_are_asked_for() {
    let log = |filter: &str| {
        let mut command = words("map -q text.py:same x");
        run(command.env("OWNGIL_LOG", filter))
    };
    let ended = log("owngil=debug");
    assert_eq!(ended.check(0).stdout, "\"x\"\n");
    assert!(ended.stderr.contains("DEBUG"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("pool started n_workers=1"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    assert_eq!(log("owngil=error").check(0).stderr, "");
    let ended = log("a=b=c");
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: OWNGIL_LOG=a=b=c cannot be read\n")
    );
}
