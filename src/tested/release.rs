//! Release: the version of a distribution, as far as ranges of the list tell versions apart (PEP 440).

use std::cmp::Ordering;

/// A final release, or a post-release of one.
///
/// Pre-releases, development releases and local versions are none: each of them may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    epoch: u64,
    numbers: Vec<u64>,
    /// 0 for the release itself, and one more than its number for a post-release.
    post_release: u64,
}

impl Release {
    /// Reads `2.5.5`, `1!4.0` or `2.9.0.post1`.
    pub(super) fn parse(text: &str) -> Option<Release> {
        let text = text.trim().to_ascii_lowercase();
        let (epoch, text) = match text.split_once('!') {
            Some((epoch, text)) => (epoch.parse().ok()?, text),
            None => (0, text.as_str()),
        };
        let (text, post_release) = match text.split_once(".post") {
            Some((text, number)) => (text, number.parse::<u64>().ok()?.checked_add(1)?),
            None => (text, 0),
        };
        let numbers = text.split('.').map(|number| {
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| number.parse().ok()).flatten()
        });
        let mut numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
        // 2.0 is 2.
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Some(Release {
            epoch,
            numbers,
            post_release,
        })
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Release) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Release) -> Ordering {
        let key =
            |release: &Release| (release.epoch, release.numbers.clone(), release.post_release);
        key(self).cmp(&key(other))
    }
}

/// Whether a version lies between `oldest` and `newest`, or is one of them.
pub(super) fn is_within(version: &str, oldest: &str, newest: &str) -> bool {
    if version == oldest || version == newest {
        return true;
    }
    let parse = Release::parse;
    match (parse(version), parse(oldest), parse(newest)) {
        (Some(version), Some(oldest), Some(newest)) => oldest <= version && version <= newest,
        _ => false,
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        for (version, within) in [
            ("2.1", true),
            ("2.1.0", true),
            ("2.10.3", true),
            ("2.5.5", true),
            ("2.11.0", true),
            ("2.0.9", false),
            ("2.11.1", false),
            ("1!2.5", false),
            ("3", false),
        ] {
            assert_eq!(is_within(version, "2.1.0", "2.11"), within, "{version}");
        }
        assert!(is_within("2026.11.19", "2024.2.1", "2026.11.19"));
    }

    #[test]
    fn what_is_no_final_release_counts_only_where_it_was_tried_itself() {
        for version in [
            "2.5rc1",
            "2.5.dev3",
            "2.5+cpu",
            "2.5a1",
            "2.5b2.post1",
            "",
            "two",
        ] {
            assert!(!is_within(version, "2.1", "2.11"), "{version}");
            assert!(is_within(version, version, "2.11"), "{version}");
        }
        assert!(is_within("2.5.post1", "2.1", "2.11"));
        assert!(!is_within("2.11.post1", "2.1", "2.11"));
        assert!(is_within("2.11.post1", "2.1", "2.11.post2"));
        assert!(!is_within("2.1", "2.1.post1", "2.11"));
    }
}
