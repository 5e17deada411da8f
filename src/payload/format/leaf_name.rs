//! Leaf name: what a value says of an object that is in its pickle: the type, and the method that makes plain data of it.

/// Stands between the two, which no name holds.
const BETWEEN: char = '\n';

/// As a value has it.
pub(crate) fn joined(type_name: String, method: Option<&str>) -> String {
    match method {
        Some(method) => format!("{type_name}{BETWEEN}{method}"),
        None => type_name,
    }
}

/// The Python type.
pub(crate) fn type_name(name: &str) -> &str {
    name.split(BETWEEN).next().unwrap_or(name)
}

/// The method, where the type has one that is known.
pub(crate) fn method(name: &str) -> Option<&str> {
    name.split_once(BETWEEN).map(|(_, method)| method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_found_again() {
        let name = joined("a.B".to_owned(), Some("dump"));
        assert_eq!((type_name(&name), method(&name)), ("a.B", Some("dump")));
        let name = joined("a.B".to_owned(), None);
        assert_eq!((type_name(&name), method(&name)), ("a.B", None));
    }
}
