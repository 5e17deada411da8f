//! Libraries that are known to be made for several threads: interpreters may share them.

/// What ships with the program: the beginning of a file's name, and why it is safe.
fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("tested/libraries.tsv").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
}

/// Whether a library of the system's is known to be made for several threads, by its file's name: `libz.so.1`.
pub(crate) fn is_safe(file: &str) -> bool {
    let stem = file.split(".so").next().unwrap_or(file);
    stem.len() < file.len() && known().any(|(name, _)| name == stem)
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_whole_names() {
        for safe in [
            "libc.so.6",
            "libz.so",
            "libz.so.1.3",
            "libstdc++.so.6",
            "ld-linux-x86-64.so.2",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for other in ["libzbar.so.0", "libz", "libcairo.so.2", "mylibz.so.1", ""] {
            assert!(!is_safe(other), "{other}");
        }
    }

    #[test]
    fn each_has_a_reason_and_is_there_once() {
        let names: std::collections::HashSet<_> = known().map(|(name, _)| name).collect();
        assert_eq!(names.len(), known().count());
        assert!(names.len() > 10 && known().all(|(_, reason)| reason.len() > 10));
    }
}
