//! [`CrossingError`]: why a value could not cross, and where in it the trouble sat.
//!
//! It does not know about exceptions that Python code raises; those are values' makers, not values.

use std::fmt::{self, Write as _};

use serde::{de, ser};

/// Keys and texts longer than this many characters are cut short in messages.
const LONGEST_QUOTE: usize = 60;

/// The result of an operation that can fail to move a value.
pub(crate) type Crossing<T> = Result<T, CrossingError>;

/// A value could not cross between Rust and Python.
///
/// The error names the place in the value (in Python's subscript notation), the Python type found there (if known),
/// and the reason:
/// `result["rows"][3] (datetime.datetime): an opaque Python object; Rust cannot read it`.
#[derive(Clone, PartialEq, Eq)]
pub struct CrossingError(Box<Details>);

#[derive(Clone, PartialEq, Eq, Default)]
struct Details {
    path: String,
    type_name: Option<String>,
    reason: String,
    traceback: Option<String>,
}

impl CrossingError {
    /// An error at the value itself; the containers around it add the path as they unwind.
    #[cold]
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        CrossingError(Box::new(Details {
            reason: reason.into(),
            ..Details::default()
        }))
    }

    /// An error that says the bytes are no valid encoding.
    #[cold]
    pub(crate) fn malformed(what: &str) -> Self {
        Self::new(format!("malformed payload: {what}"))
    }

    /// An error that says containers nest too deeply.
    #[cold]
    pub(crate) fn too_deep() -> Self {
        Self::new(format!(
            "containers nest deeper than {} levels",
            super::format::limits::MAX_DEPTH
        ))
    }

    /// Names the Python type that was found.
    #[cold]
    pub(crate) fn with_type_name(mut self, type_name: impl Into<String>) -> Self {
        self.0.type_name = Some(type_name.into());
        self
    }

    /// Adds the traceback of the exception that is the reason.
    #[cold]
    pub(crate) fn with_traceback(mut self, traceback: impl Into<String>) -> Self {
        self.0.traceback = Some(traceback.into());
        self
    }

    /// Names the Python type when the error sits at the value itself and names none yet.
    #[cold]
    pub(crate) fn or_type_name(mut self, type_name: &str) -> Self {
        if self.0.path.is_empty() && self.0.type_name.is_none() {
            self.0.type_name = Some(type_name.into());
        }
        self
    }

    /// Says that the trouble was a dict's key, not the value under it.
    #[cold]
    pub(crate) fn in_key(mut self) -> Self {
        self.0.reason = format!("as a dict key: {}", self.0.reason);
        self
    }

    /// Puts `[index]` before the path.
    #[cold]
    pub(crate) fn at_index(self, index: usize) -> Self {
        self.root(&format!("[{index}]"))
    }

    /// Puts `["key"]` or `[key]` before the path.
    #[cold]
    pub(crate) fn at_key<'k>(self, key: impl Into<Key<'k>>) -> Self {
        match key.into() {
            Key::Str(text) => self.root(&format!("[{}]", quoted(text))),
            Key::Int(number) => self.root(&format!("[{number}]")),
            Key::Other(text) => self.root(&format!("[{text}]")),
        }
    }

    /// Puts a word, such as `result` or `args`, before the path.
    #[cold]
    pub(crate) fn root(mut self, word: &str) -> Self {
        self.0.path.insert_str(0, word);
        self
    }

    /// The place in the value, such as `result["rows"][3]`; empty for the value itself.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The Python type found there, if known.
    pub fn type_name(&self) -> Option<&str> {
        self.0.type_name.as_deref()
    }

    /// The reason, without the place.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The traceback of the exception that is the reason, if one is.
    pub(crate) fn traceback(&self) -> Option<&str> {
        self.0.traceback.as_deref()
    }
}

impl fmt::Display for CrossingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            path,
            type_name,
            reason,
            ..
        } = &*self.0;
        match type_name {
            Some(type_name) if path.is_empty() => write!(f, "{type_name}: {reason}"),
            Some(type_name) => write!(f, "{path} ({type_name}): {reason}"),
            None if path.is_empty() => f.write_str(reason),
            None => write!(f, "{path}: {reason}"),
        }
    }
}

impl fmt::Debug for CrossingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossingError")
            .field("path", &self.0.path)
            .field("type_name", &self.0.type_name)
            .field("reason", &self.0.reason)
            .finish()
    }
}

impl std::error::Error for CrossingError {}

impl ser::Error for CrossingError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        CrossingError::new(message.to_string())
    }
}

impl de::Error for CrossingError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        CrossingError::new(message.to_string())
    }

    #[cold]
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        mismatch(found, expected)
    }

    #[cold]
    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        mismatch(found, expected)
    }

    #[cold]
    fn invalid_length(len: usize, expected: &dyn de::Expected) -> Self {
        let items = if len == 1 { "item" } else { "items" };
        CrossingError::new(format!("expected {expected}, found {len} {items}"))
    }
}

/// Says a mismatch in Python's words; serde's own speak of Rust's.
fn mismatch(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> CrossingError {
    use de::Unexpected;
    let (type_name, shown) = match found {
        Unexpected::Bool(true) => (Some("bool"), "True".to_owned()),
        Unexpected::Bool(false) => (Some("bool"), "False".to_owned()),
        Unexpected::Unsigned(number) => (Some("int"), number.to_string()),
        Unexpected::Signed(number) => (Some("int"), number.to_string()),
        Unexpected::Float(number) => (Some("float"), format!("{number:?}")),
        Unexpected::Char(character) => (Some("str"), format!("{character:?}")),
        Unexpected::Str(text) => (Some("str"), quoted(text)),
        Unexpected::Bytes(bytes) => (Some("bytes"), format!("{} bytes", bytes.len())),
        Unexpected::Unit | Unexpected::Option => (Some("NoneType"), "None".to_owned()),
        Unexpected::Map => (Some("dict"), "a dict".to_owned()),
        // A list, a tuple or a set: the decoder knows which and names it.
        Unexpected::Seq => (None, "a sequence".to_owned()),
        other => (None, other.to_string()),
    };
    let error = CrossingError::new(format!("expected {expected}, found {shown}"));
    match type_name {
        Some(type_name) => error.with_type_name(type_name),
        None => error,
    }
}

/// A dict key as an error's path shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'k> {
    /// A str key, shown in quotes.
    Str(&'k str),
    /// An int key.
    Int(i64),
    /// Any other key, shown as given.
    Other(&'k str),
}

impl<'k> From<&'k str> for Key<'k> {
    fn from(text: &'k str) -> Self {
        Key::Str(text)
    }
}

impl From<i64> for Key<'_> {
    fn from(number: i64) -> Self {
        Key::Int(number)
    }
}

/// `text` in double quotes, cut when it is long.
fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST_QUOTE {
            shown.push('…');
            break;
        }
        match character {
            '\'' => shown.push('\''),
            other => write!(shown, "{}", other.escape_debug()).expect("a String takes any text"),
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_gives_path_type_and_reason() {
        let error = CrossingError::new("an opaque Python object; Rust cannot read it")
            .with_type_name("datetime.datetime")
            .at_index(3)
            .at_key("rows")
            .root("result");
        assert_eq!(
            error.to_string(),
            "result[\"rows\"][3] (datetime.datetime): an opaque Python object; Rust cannot read it"
        );
        assert_eq!(error.path(), "result[\"rows\"][3]");
        assert_eq!(error.type_name(), Some("datetime.datetime"));
        assert_eq!(
            error.reason(),
            "an opaque Python object; Rust cannot read it"
        );
        assert_eq!(CrossingError::new("no").at_key(-4).to_string(), "[-4]: no");
        assert_eq!(CrossingError::new("no").to_string(), "no");
        assert_eq!(
            CrossingError::new("no").with_type_name("int").to_string(),
            "int: no"
        );
    }

    #[test]
    fn a_long_key_is_cut() {
        let error = CrossingError::new("no").at_key("k".repeat(1000).as_str());
        assert_eq!(error.path().chars().count(), LONGEST_QUOTE + 5);
        assert_eq!(
            CrossingError::new("no").at_key("it's \"x\"\n").path(),
            r#"["it's \"x\"\n"]"#
        );
    }

    #[test]
    fn results_stay_small() {
        assert_eq!(size_of::<Result<(), CrossingError>>(), size_of::<usize>());
    }
}
