//! The Python programs of `src/python`: those that share a namespace define each name once.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::sources;

/// The names that a line of Python defines at the top level.
fn defined(line: &str) -> Vec<&str> {
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let after = ["def ", "class "].into_iter();
    if let Some(rest) = after.filter_map(|word| line.strip_prefix(word)).next() {
        let end = rest.find(['(', ':']).unwrap_or(rest.len());
        return vec![&rest[..end]];
    }
    match line.split_once(" = ") {
        Some((names, _)) if !line.starts_with(' ') => {
            names.split(", ").filter(|name| is_name(name)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn programs_that_share_a_namespace_define_each_name_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for program in sources("py") {
        let shares = program.text.contains("in the namespace of bootstrap.py");
        let is_first = program.path == "src/python/bootstrap.py";
        if !program.is_in("src/python/") || !(shares || is_first) {
            continue;
        }
        // Where a program defines one twice, it means to.
        let names: BTreeSet<&str> = program.text.lines().flat_map(defined).collect();
        for name in names {
            let known = places.entry(name.to_owned()).or_default();
            known.push(program.path.clone());
        }
    }
    assert!(places.len() > 150, "it finds few names: {}", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}
