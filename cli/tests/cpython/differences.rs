//! Differences: the tests that end otherwise than in plain `python`, and why.

use std::collections::BTreeSet;

/// Patterns of tests; `*` stands for any characters.
pub(crate) struct Differences(Vec<&'static str>);

impl Differences {
    /// Those of `differences.txt`: a paragraph begins with a reason, in lines with `#`, and has a pattern in each line
    /// after it. A test with `!` is not run: it would end the process.
    pub(crate) fn known() -> Differences {
        let lines = include_str!("differences.txt").lines();
        let is_pattern = |line: &&str| !line.is_empty() && !line.starts_with(['#', '!']);
        Differences(lines.filter(is_pattern).collect())
    }

    /// Takes those that are known from a set of tests.
    pub(crate) fn take(&self, tests: &mut BTreeSet<String>) {
        tests.retain(|test| !self.0.iter().any(|pattern| fits(pattern, test)));
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.into_iter().any(|at| fits(rest, &text[at..]))
}
