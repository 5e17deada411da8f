//! JSON: results as text, and text as values.
//!
//! Writing follows Python's `json.dumps`, in its compact form and with text as it is; what `dumps`
//! cannot hold is an error that says where it sat. Reading loses nothing: ints of any size stay
//! ints, and objects keep their order.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use owngil::Value;

pub(crate) mod python;

use python::DEPTH_MAX;

/// Something that JSON cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Where it sat: `result["when"]`.
    path: String,
    type_name: String,
    /// What makes plain data of it.
    method: Option<String>,
    is_key: bool,
}

impl Unfit {
    fn new(value: &Value, is_key: bool) -> Box<Unfit> {
        Box::new(Unfit {
            path: String::new(),
            type_name: value.type_name().to_owned(),
            method: match value {
                Value::Opaque(opaque) => opaque.method().map(str::to_owned),
                _ => None,
            },
            is_key,
        })
    }

    fn under(mut self: Box<Self>, step: &str) -> Box<Self> {
        self.path.insert_str(0, step);
        self
    }

    /// What could be done about it.
    pub(crate) fn hint(&self) -> &'static str {
        let is_model = self.method.as_deref() == Some("model_dump");
        match (self.is_key, self.type_name.as_str()) {
            (true, _) => "make the keys str, for example with str(key)",
            (_, "dict" | "list" | "tuple") => "return it flatter, or as text of json.dumps",
            _ if is_model => "return value.model_dump(mode=\"json\")",
            (_, "numpy.ndarray") => "return value.tolist()",
            (_, "numpy.longdouble") => "return float(value)",
            (_, "numpy.longlong" | "numpy.ulonglong") => "return int(value)",
            (_, name) if name.starts_with("numpy.float") => "return float(value)",
            (_, name) if name.starts_with("numpy.bool") => "return bool(value)",
            (_, name) if name.starts_with("numpy.int") || name.starts_with("numpy.uint") => {
                "return int(value)"
            }
            (_, "bytes") => "return text, for example data.decode() or data.hex()",
            _ => "return what JSON can hold, for example str(value), vars(value) or list(value)",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unfit {
            path, type_name, ..
        } = self;
        if !self.is_key && ["dict", "list", "tuple"].contains(&type_name.as_str()) {
            // Else it would be no object of Python's by now.
            return write!(f, "result{path} nests deeper than {DEPTH_MAX} levels");
        }
        match self.is_key {
            true => write!(
                f,
                "result{path} has a key of type {type_name}, which JSON cannot hold"
            ),
            false => write!(
                f,
                "result{path} is of type {type_name}, which JSON cannot hold"
            ),
        }
    }
}

/// Whether NaN and the infinities are read and written as Python's `json` does, which JSON has no numbers for.
static ALLOWS_NAN: AtomicBool = AtomicBool::new(false);

/// Has this process read and write them.
pub(crate) fn allow_nan() {
    ALLOWS_NAN.store(true, Ordering::Relaxed);
}

fn allows_nan() -> bool {
    ALLOWS_NAN.load(Ordering::Relaxed)
}

/// Appends a value as JSON; returns how many floats in it JSON has no number for. On an error `out`
/// holds some of it.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) -> Result<u64, Box<Unfit>> {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(number) => push(out, number),
        Value::BigInt(number) => push(out, number),
        Value::Float(number) if !number.is_finite() && !allows_nan() => {
            out.extend_from_slice(b"null");
            return Ok(1);
        }
        Value::Float(number) => push(out, Float(*number)),
        Value::Str(text) => write_text(text, out),
        Value::Surrogates(bytes) => write_surrogates(bytes, out),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            return write_items(items, out);
        }
        Value::Dict(pairs) => return write_pairs(pairs, out),
        other => return Err(Unfit::new(other, false)),
    }
    Ok(0)
}

fn write_items(items: &[Value], out: &mut Vec<u8>) -> Result<u64, Box<Unfit>> {
    let mut n_not_finite = 0;
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        n_not_finite += write(item, out).map_err(|unfit| unfit.under(&format!("[{index}]")))?;
    }
    out.push(b']');
    Ok(n_not_finite)
}

fn write_pairs(pairs: &[(Value, Value)], out: &mut Vec<u8>) -> Result<u64, Box<Unfit>> {
    let mut n_not_finite = 0;
    out.push(b'{');
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let start = out.len();
        write_key(key, out)?;
        let end = out.len();
        out.push(b':');
        n_not_finite += write(value, out).map_err(|unfit| {
            let key = String::from_utf8_lossy(&out[start..end]);
            unfit.under(&format!("[{key}]"))
        })?;
    }
    out.push(b'}');
    Ok(n_not_finite)
}

/// Keys are what `json.dumps` makes of them.
fn write_key(key: &Value, out: &mut Vec<u8>) -> Result<(), Box<Unfit>> {
    match key {
        Value::Str(text) => write_text(text, out),
        Value::Surrogates(bytes) => write_surrogates(bytes, out),
        Value::None => out.extend_from_slice(b"\"null\""),
        Value::Bool(value) => push(out, format_args!("\"{value}\"")),
        Value::Int(number) => push(out, format_args!("\"{number}\"")),
        Value::BigInt(number) => push(out, format_args!("\"{number}\"")),
        Value::Float(number) => push(out, format_args!("\"{}\"", Float(*number))),
        other => return Err(Unfit::new(other, true)),
    }
    Ok(())
}

fn push(out: &mut Vec<u8>, what: impl fmt::Display) {
    write!(out, "{what}").expect("a Vec takes everything");
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a Vec takes everything, and text is JSON");
}

/// A str with lone surrogates, which JSON holds as escapes.
fn write_surrogates(mut bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    while !bytes.is_empty() {
        let valid = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        let quote = out.len();
        write_text(valid, out);
        // Its quotes are inside of ours.
        out.remove(quote);
        out.pop();
        bytes = &bytes[valid.len()..];
        if let [first, second, third, rest @ ..] = bytes {
            let unit = (u32::from(first & 0x0F) << 12)
                | (u32::from(second & 0x3F) << 6)
                | u32::from(third & 0x3F);
            push(out, format_args!("\\u{unit:04x}"));
            bytes = rest;
        } else {
            bytes = &[];
        }
    }
    out.push(b'"');
}

/// A float as Python's `repr` writes it.
struct Float(f64);

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        if number.is_nan() {
            return f.write_str("NaN");
        }
        if number.is_infinite() {
            return f.write_str(if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
        let size = number.abs();
        if number == 0.0 || (1e-4..1e16).contains(&size) {
            // The shortest digits that read back the same, and always a point.
            return write!(f, "{number:?}");
        }
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{digits}e{sign}{:02}", exponent.abs())
    }
}

/// Reads one line of JSON.
pub(crate) fn read(line: &[u8]) -> Result<Value, String> {
    read_at(line).map_err(|(what, column)| format!("{what} at column {column}"))
}

/// Reads one JSON text; says what is wrong with it, and at which byte, from 1.
pub(crate) fn read_at(text: &[u8]) -> Result<Value, (String, usize)> {
    if !needs_digits(text)
        && let Ok(value) = serde_json::from_slice(text)
    {
        return Ok(value);
    }
    python::read(text, allows_nan())
}

/// Whether the text is JSON as far as it goes, and ends too early.
pub(crate) fn is_unfinished(text: &[u8]) -> bool {
    !is_strict(text) && read_at(text).is_err_and(|(what, _)| what.starts_with(python::EOF))
}

/// Whether the line is an object, an array or a quoted string.
pub(crate) fn is_json(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
        && (is_strict(line) || read(line).is_ok())
}

/// Whether it is JSON to the letter, which is found out without making values of it.
fn is_strict(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Whether a number may be in it of which a float does not tell all: an int of more than 64 bits, or `-0`.
fn needs_digits(line: &[u8]) -> bool {
    let (mut n_digits, mut last) = (0, 0);
    line.iter().any(|byte| {
        let is_digit = byte.is_ascii_digit();
        n_digits = if is_digit { n_digits + 1 } else { 0 };
        let is_negative_zero = *byte == b'0' && last == b'-';
        last = *byte;
        n_digits >= 19 || is_negative_zero
    })
}

/// The bytes that a str with lone surrogates was made from, if it was by `surrogateescape` (PEP 383): a name of a file,
/// or a line that is not UTF-8.
pub(crate) fn undecoded(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut undecoded = Vec::with_capacity(bytes.len());
    while let Err(error) = std::str::from_utf8(bytes) {
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        undecoded.extend_from_slice(valid);
        // U+DC80 to U+DCFF
        bytes = match rest {
            [0xED, second @ (0xB2 | 0xB3), third, rest @ ..] => {
                undecoded.push((second & 1) << 6 | 0x80 | third & 0x3F);
                rest
            }
            _ => return None,
        };
    }
    undecoded.extend_from_slice(bytes);
    Some(undecoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: impl Into<Value>) -> String {
        let mut out = Vec::new();
        write(&value.into(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_json_dumps_does() {
        assert_eq!(json(()), "null");
        assert_eq!(json(true), "true");
        assert_eq!(json(-7), "-7");
        assert_eq!(json(u128::MAX), "340282366920938463463374607431768211455");
        assert_eq!(
            json("é \"\n\u{1}\u{1F600}"),
            "\"é \\\"\\n\\u0001\u{1F600}\""
        );
        let items = vec![Value::Int(1), Value::None];
        for value in [
            Value::List(items.clone()),
            Value::Tuple(items.clone()),
            Value::Set(items.clone()),
            Value::FrozenSet(items),
        ] {
            assert_eq!(json(value), "[1,null]");
        }
        assert_eq!(json(Value::List(vec![])), "[]");
    }

    #[test]
    fn floats_are_written_as_repr_does() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e15, "1000000000000000.0"),
            (9007199254740993.0, "9007199254740992.0"),
            (1e16, "1e+16"),
            (-1.25e300, "-1.25e+300"),
            (5e-324, "5e-324"),
            (123456.789, "123456.789"),
        ] {
            assert_eq!(json(number), text);
            assert_eq!(text.parse::<f64>().unwrap(), number);
        }
    }

    #[test]
    fn what_is_no_number_becomes_null_and_is_counted() {
        let items = [f64::NAN, f64::INFINITY, 1.0, f64::NEG_INFINITY];
        let items = Value::List(items.into_iter().map(Value::Float).collect());
        let value = Value::Dict(vec![("a".into(), items.clone()), ("b".into(), items)]);
        let mut out = Vec::new();
        assert_eq!(write(&value, &mut out), Ok(6));
        assert_eq!(
            out,
            *b"{\"a\":[null,null,1.0,null],\"b\":[null,null,1.0,null]}"
        );
    }

    #[test]
    fn keys_become_text_as_in_json_dumps() {
        let keys = [
            Value::from("k"),
            Value::None,
            Value::Bool(true),
            Value::Int(1),
            Value::Float(1e16),
            Value::Float(f64::NAN),
            Value::from(u128::MAX),
        ];
        let pairs = keys.map(|key| (key, Value::Int(0)));
        assert_eq!(
            json(Value::Dict(pairs.into())),
            "{\"k\":0,\"null\":0,\"true\":0,\"1\":0,\"1e+16\":0,\"NaN\":0,\
             \"340282366920938463463374607431768211455\":0}"
        );
    }

    #[test]
    fn lone_surrogates_are_escaped() {
        let bytes = b"a\"\xED\xB2\x80\xED\xA0\x81\xC3\xA9".to_vec();
        assert_eq!(json(Value::Surrogates(bytes)), "\"a\\\"\\udc80\\ud801é\"");
    }

    #[test]
    fn what_json_cannot_hold_is_reported_with_its_place() {
        let bytes = Value::Bytes(vec![1]);
        let rows = Value::List(vec![Value::Int(1), bytes.clone()]);
        let unfit = write(&Value::Dict(vec![("rows".into(), rows)]), &mut Vec::new()).unwrap_err();
        assert_eq!(
            unfit.to_string(),
            "result[\"rows\"][1] is of type bytes, which JSON cannot hold"
        );
        assert!(unfit.hint().contains("decode"));
        let key = Value::Tuple(vec![]);
        let nested = Value::Tuple(vec![Value::Dict(vec![(key, Value::None)])]);
        let unfit = write(&nested, &mut Vec::new()).unwrap_err();
        assert_eq!(
            unfit.to_string(),
            "result[0] has a key of type tuple, which JSON cannot hold"
        );
        assert!(unfit.hint().contains("str(key)"));
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (text, value) in [
            ("12", Value::Int(12)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("9223372036854775808", Value::from(1u64 << 63)),
            (
                "-18446744073709551617",
                Value::from(-18446744073709551617i128),
            ),
            ("0.1", Value::Float(0.1)),
            ("1e3", Value::Float(1000.0)),
            (
                "3.141592653589793238462643383279",
                Value::Float(std::f64::consts::PI),
            ),
        ] {
            assert_eq!(read(text.as_bytes()), Ok(value), "{text}");
        }
        for text in [
            "2.2250738585072011e-308",
            "179769313486231570814527423731704356798070e0",
        ] {
            let float = Value::Float(text.parse().unwrap());
            assert_eq!(read(text.as_bytes()), Ok(float), "{text}");
        }
        let big = format!(
            "[{{\"b\": 1, \"a\": [{}]}}, \"é\\n\", null]",
            "9".repeat(50)
        );
        let Value::List(items) = read(big.as_bytes()).unwrap() else {
            panic!("a list")
        };
        assert_eq!(
            json(items[0].clone()),
            format!("{{\"b\":1,\"a\":[{}]}}", "9".repeat(50))
        );
        assert_eq!(items[1..], [Value::from("é\n"), Value::None]);
    }

    #[test]
    fn a_text_that_ends_too_early_is_distinguished_from_one_that_is_wrong() {
        for text in ["[", "{", "[1,", "{\"a\":", "[{\"a\": [", "[\"a", "", " "] {
            assert!(is_unfinished(text.as_bytes()), "{text}");
        }
        for text in ["[note", "[]", "{a", "[1 2", "x", "[1]]", "[1,]"] {
            assert!(!is_unfinished(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_reported_with_its_column() {
        for text in ["", "{", "[1,]", "nul", "1 2", "{\"a\" 1}", "NaN", "'x'"] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains("at column"), "{text}: {error}");
        }
        assert!(read(b"\"\xff\"").is_err());
        assert!(read(format!("[{}", "1".repeat(30)).as_bytes()).is_err());
    }

    #[test]
    fn a_line_looks_like_json_when_it_is_a_container_or_a_string() {
        for line in ["{}", " [1]", "\"x\"", "{\"a\": 1} "] {
            assert!(is_json(line.as_bytes()), "{line}");
        }
        for line in ["", "1", "null", "{", "[note] x", "\"x\" y", "word"] {
            assert!(!is_json(line.as_bytes()), "{line}");
        }
    }
}
