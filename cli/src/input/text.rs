//! Text: bytes from outside as Python's str, and as messages show them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use owngil::Value;

/// The first characters of a text.
pub(crate) fn shortened(bytes: &[u8]) -> String {
    const LONGEST: usize = 40;
    // What tells one from another often stands at the end.
    const END: usize = 12;
    let most = 4 * LONGEST + 4;
    if bytes.len() <= most {
        let text = String::from_utf8_lossy(bytes);
        let n = text.chars().count();
        if n <= LONGEST {
            return text.into_owned();
        }
        let head: String = text.chars().take(LONGEST - END).collect();
        let tail: String = text.chars().skip(n - END).collect();
        return format!("{head}…{tail}");
    }
    let head = String::from_utf8_lossy(&bytes[..most]);
    let tail = String::from_utf8_lossy(&bytes[bytes.len() - 4 * END..]);
    let head: String = head.chars().take(LONGEST - END).collect();
    let n = tail.chars().count();
    let tail: String = tail.chars().skip(n.saturating_sub(END)).collect();
    format!("{head}…{tail}")
}

/// The str that Python makes of bytes from outside: UTF-8, and a lone surrogate for each byte that
/// is none (`surrogateescape`), from which Python can make the bytes again.
pub(crate) fn text(bytes: &[u8]) -> Value {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Value::from(text);
    }
    let mut encoded = Vec::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        encoded.extend_from_slice(chunk.valid().as_bytes());
        for byte in chunk.invalid() {
            // U+DC80 to U+DCFF in three bytes.
            encoded.extend([0xED, 0xB0 | (byte >> 6), 0x80 | (byte & 0x3F)]);
        }
    }
    Value::Surrogates(encoded)
}

/// The file that a record names.
pub(super) fn path(record: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_are_escaped() {
        assert_eq!(text("é".as_bytes()), Value::from("é"));
        let escaped = b"a\xED\xB2\x80\xED\xB3\xBF\xC3\xA9".to_vec();
        assert_eq!(text(b"a\x80\xFF\xC3\xA9"), Value::Surrogates(escaped));
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shortened(b"short"), "short");
        let long = "é".repeat(100);
        let expected = format!("{}…{}", "é".repeat(28), "é".repeat(12));
        assert_eq!(shortened(long.as_bytes()), expected);
        let longer = "a/folder/".repeat(100) + "the-file.txt";
        assert!(shortened(longer.as_bytes()).ends_with("…the-file.txt"));
    }
}
