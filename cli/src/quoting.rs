//! Quoting: words that can be pasted into a shell.

/// The word, in quotes where a shell would take it for something else.
pub(crate) fn quoted(word: &[u8]) -> String {
    // Only a NUL cannot be quoted, and no argument has one.
    match shlex::bytes::try_quote(word) {
        Ok(quoted) => String::from_utf8_lossy(&quoted).into_owned(),
        Err(_) => String::from_utf8_lossy(word).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_not_take_as_it_is_has_quotes() {
        for (word, expected) in [
            ("a.txt", "a.txt"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", "\"it's\""),
        ] {
            assert_eq!(quoted(word.as_bytes()), expected);
        }
        assert_eq!(quoted(b"a\0b"), "a\0b");
    }
}
