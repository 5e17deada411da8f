//! Python: JSON text as Python's `json` module reads it, where `serde_json` is stricter.
//!
//! Numbers may be too large for a float (`1E400` is inf), `-0` is an int, escapes may be lone surrogates, and arrays may
//! nest deeply. `NaN` and `Infinity` are read where that is asked for.

use owngil::{BigInt, Value};

/// How deep arrays and objects may nest: as deep as values cross to Python.
pub(super) const DEPTH_MAX: usize = 500;

/// How it is said that a text ends too early.
pub(crate) const EOF: &str = "EOF";

/// Reads one JSON text; says what is wrong with it, and at which byte, from 1.
pub(crate) fn read(text: &[u8], allows_nan: bool) -> Result<Value, (String, usize)> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        allows_nan,
    };
    let read = reader.value().and_then(|value| {
        reader.space();
        match reader.at == text.len() {
            true => Ok(value),
            false => Err("trailing characters".to_owned()),
        }
    });
    read.map_err(|what| (what, reader.at + 1))
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    allows_nan: bool,
}

type Read<T> = Result<T, String>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes that text, if it comes next.
    fn pass(&mut self, text: &[u8]) -> bool {
        let is_next = self.text[self.at..].starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    fn value(&mut self) -> Read<Value> {
        self.space();
        match self.peek() {
            Some(b'"') => self.text(),
            Some(b'[' | b'{') if self.depth == DEPTH_MAX => {
                Err(format!("it nests deeper than {DEPTH_MAX} levels"))
            }
            Some(b'[') => self.inside(Reader::array),
            Some(b'{') => self.inside(Reader::object),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.pass(b"null") => Ok(Value::None),
            _ if self.pass(b"true") => Ok(Value::Bool(true)),
            _ if self.pass(b"false") => Ok(Value::Bool(false)),
            _ if self.text[self.at..].starts_with(b"NaN") => self.not_finite(b"NaN", f64::NAN),
            Some(b'I') => self.not_finite(b"Infinity", f64::INFINITY),
            Some(_) => Err("expected value".to_owned()),
            None => Err(format!("{EOF} while parsing a value")),
        }
    }

    /// What is wrong where something else should come.
    fn missing(&self, expected: &str, whole: &str) -> String {
        match self.peek() {
            Some(_) => format!("expected {expected}"),
            None => format!("{EOF} while parsing {whole}"),
        }
    }

    fn inside(&mut self, read: fn(&mut Self) -> Read<Value>) -> Read<Value> {
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn not_finite(&mut self, name: &[u8], value: f64) -> Read<Value> {
        let shown = String::from_utf8_lossy(name);
        if !self.text[self.at..].starts_with(name) {
            return Err("expected value".to_owned());
        }
        if !self.allows_nan {
            return Err(format!("{shown}, which --allow-nan reads,"));
        }
        self.at += name.len();
        Ok(Value::Float(value))
    }

    fn array(&mut self) -> Read<Value> {
        let mut items = Vec::new();
        self.each(b"]", "`,` or `]`", "a list", |reader| {
            items.push(reader.value()?);
            Ok(())
        })?;
        Ok(Value::List(items))
    }

    fn object(&mut self) -> Read<Value> {
        let mut pairs = Vec::new();
        self.each(b"}", "`,` or `}`", "an object", |reader| {
            reader.space();
            if reader.peek() != Some(b'"') {
                return Err(reader.missing("a string for a key", "an object"));
            }
            let key = reader.text()?;
            reader.space();
            if !reader.pass(b":") {
                return Err(reader.missing("`:`", "an object"));
            }
            pairs.push((key, reader.value()?));
            Ok(())
        })?;
        Ok(Value::Dict(pairs))
    }

    /// Reads what commas divide, up to the end of it.
    fn each(
        &mut self,
        end: &[u8],
        expected: &str,
        whole: &str,
        mut item: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        self.space();
        if self.pass(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.space();
            if self.pass(end) {
                return Ok(());
            }
            if !self.pass(b",") {
                return Err(self.missing(expected, whole));
            }
        }
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.at == start {
            true => Err("invalid number".to_owned()),
            false => Ok(()),
        }
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        let is_negative = self.pass(b"-");
        if is_negative && self.peek() == Some(b'I') {
            return self.not_finite(b"Infinity", f64::NEG_INFINITY);
        }
        if !self.pass(b"0") {
            self.digits()?;
        }
        let whole = self.at;
        if self.pass(b".") {
            self.digits()?;
        }
        if self.pass(b"e") || self.pass(b"E") {
            let _ = self.pass(b"+") || self.pass(b"-");
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        if self.at > whole {
            let number = text.parse::<f64>();
            return number
                .map(Value::Float)
                .map_err(|_| "invalid number".to_owned());
        }
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Value::Int(number));
        }
        let number = text.parse::<BigInt>();
        number
            .map(Value::from)
            .map_err(|_| "invalid number".to_owned())
    }

    /// A str; with lone surrogates it is kept as WTF-8 has it.
    fn text(&mut self) -> Read<Value> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let plain = rest.iter().position(is_end).unwrap_or(rest.len());
            bytes.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut bytes)?;
                }
                Some(_) => return Err("control character in a string".to_owned()),
                None => return Err(format!("{EOF} while parsing a string")),
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Value::Str(text)),
            Err(error) => match is_wtf8(error.as_bytes()) {
                true => Ok(Value::Surrogates(error.into_bytes())),
                false => Err("invalid UTF-8".to_owned()),
            },
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Read<()> {
        let escape = self
            .peek()
            .ok_or_else(|| format!("{EOF} while parsing a string"))?;
        self.at += 1;
        bytes.push(match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let unit = self.unit()?;
                let code = match unit {
                    0xD800..0xDC00 if self.text[self.at..].starts_with(b"\\u") => {
                        let back = self.at;
                        self.at += 2;
                        match self.unit()? {
                            low @ 0xDC00..0xE000 => {
                                0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                            }
                            _ => {
                                self.at = back;
                                unit
                            }
                        }
                    }
                    _ => unit,
                };
                push_code(code, bytes);
                return Ok(());
            }
            _ => return Err("invalid escape".to_owned()),
        });
        Ok(())
    }

    fn unit(&mut self) -> Read<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| "invalid escape".to_owned())
    }
}

/// Appends a character, or a lone surrogate as three bytes.
fn push_code(code: u32, bytes: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(character) => {
            let mut buffer = [0; 4];
            bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
        None => bytes.extend([
            0xE0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3F) as u8,
            0x80 | (code & 0x3F) as u8,
        ]),
    }
}

/// Whether it is UTF-8 but for lone surrogates.
fn is_wtf8(mut bytes: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(bytes) {
        bytes = match &bytes[error.valid_up_to()..] {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, rest @ ..] => rest,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        read(text.as_bytes(), true).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn numbers_are_those_of_python() {
        assert_eq!(value("-0"), Value::Int(0));
        assert!(matches!(value("-0.0"), Value::Float(number) if number.is_sign_negative()));
        assert_eq!(value("1E400"), Value::Float(f64::INFINITY));
        assert_eq!(value("-1e400"), Value::Float(f64::NEG_INFINITY));
        assert!(matches!(value("NaN"), Value::Float(number) if number.is_nan()));
        assert_eq!(value("-Infinity"), Value::Float(f64::NEG_INFINITY));
        assert_eq!(value("9223372036854775808").type_name(), "int");
        for wrong in [
            "01", "-", "1.", ".5", "1e", "+1", "NaNa", "Inf", "-NaN", "0x1",
        ] {
            assert!(read(wrong.as_bytes(), true).is_err(), "{wrong}");
        }
        let (what, at) = read(b"[NaN]", false).unwrap_err();
        assert!(what.contains("--allow-nan") && at == 2);
    }

    #[test]
    fn text_may_have_lone_surrogates() {
        assert_eq!(
            value(r#""a\u00e9\n\ud83d\ude00""#),
            Value::Str("aé\n😀".into())
        );
        let lone = Value::Surrogates(b"Jos\xed\xb3\xa9".to_vec());
        assert_eq!(value(r#""Jos\udce9""#), lone);
        let two = Value::Surrogates(b"\xed\xa0\xbdx".to_vec());
        assert_eq!(value(r#""\ud83dx""#), two);
        for wrong in ["\"\\x\"", "\"\\u12\"", "\"\u{1}\"", "\"", "\"\\"] {
            assert!(read(wrong.as_bytes(), true).is_err(), "{wrong}");
        }
        assert!(read(b"\"\xff\"", true).is_err());
    }

    #[test]
    fn what_is_not_json_is_refused_as_far_as_it_nests() {
        for wrong in [
            "", "[", "[1", "[1,", "[1,]", "{", "{\"a\"", "{\"a\":}", "{1:2}", "[] []", "nul",
        ] {
            assert!(read(wrong.as_bytes(), true).is_err(), "{wrong}");
        }
        assert_eq!(value(" { \"a\" : [ ] } ").type_name(), "dict");
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(read(deep(500).as_bytes(), false).is_ok());
        let (what, _) = read(deep(501).as_bytes(), false).unwrap_err();
        assert!(what.contains("500 levels"));
    }
}
