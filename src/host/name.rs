//! Name: what a host function is called in Python.

/// Python's keywords, which are no names.
const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Checks the names of all functions of a pool.
///
/// # Errors
///
/// The reason why one of them cannot be a name, or why two of them collide.
pub(super) fn check<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Result<(), String> {
    names.clone().try_for_each(check_one)?;
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if pair[0] == pair[1] {
            return Err(format!("two host functions are called {}", pair[0]));
        }
    }
    for name in &sorted {
        let namespaces = name.match_indices('.').map(|(at, _)| &name[..at]);
        if let Some(other) = namespaces
            .into_iter()
            .find(|part| sorted.binary_search(part).is_ok())
        {
            return Err(format!(
                "the host function {other} cannot contain another, {name}"
            ));
        }
    }
    Ok(())
}

fn check_one(name: &str) -> Result<(), String> {
    for part in name.split('.') {
        let starts = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let reason = if !starts || !part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            "a part of it is no identifier of ASCII letters, digits and underscores"
        } else if PYTHON_KEYWORDS.contains(&part) {
            "a part of it is a keyword of Python"
        } else if part.starts_with("__") {
            "names with two underscores at the start belong to Python"
        } else {
            continue;
        };
        return Err(format!("{name:?} cannot name a host function: {reason}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_and_do_not_collide() {
        for names in [
            &["price"][..],
            &["shop.price", "shop.stock.count", "_x1", "shopping"],
            &["match", "a.type"],
        ] {
            assert_eq!(check(names.iter().copied()), Ok(()));
        }
        for (names, reason) in [
            (&[""][..], "no identifier"),
            (&["shop."], "no identifier"),
            (&[".price"], "no identifier"),
            (&["shop price"], "no identifier"),
            (&["1st"], "no identifier"),
            (&["prix.été"], "no identifier"),
            (&["shop.class"], "a keyword"),
            (&["shop.__path__"], "two underscores"),
            (&["a", "b", "a"], "two host functions are called a"),
            (
                &["shop.price", "x", "shop"],
                "shop cannot contain another, shop.price",
            ),
            (&["a.b.c", "a.b"], "a.b cannot contain another, a.b.c"),
        ] {
            let refused = check(names.iter().copied()).unwrap_err();
            assert!(refused.contains(reason), "{names:?}: {refused}");
        }
    }
}
