//! Document: JSON that is in memory as a whole. Each value is an input; a single array gives its items.

use std::ops::Range;
use std::sync::Arc;

use crate::input::block::{Block, Entry, Format};
use crate::json;

/// How much goes into one block.
const BLOCK_SIZE: usize = 64 << 10;

/// The blocks of a text that has been checked.
#[derive(Debug)]
pub(crate) struct Document {
    text: Vec<u8>,
    scan: Scan,
    /// The number of the line, from 1, that this place is on.
    line: (u64, usize),
    /// What a message calls it.
    name: Arc<str>,
}

impl Document {
    /// Checks the text; else says on which line something is wrong, and what.
    pub(crate) fn new(text: Vec<u8>, name: Arc<str>) -> Result<Document, (u64, String)> {
        let scan = Scan::of(&text);
        // Scanned once to check and once to read: the places of all values could take more memory than the text.
        let mut check = scan.clone();
        let checked = loop {
            match check.next(&text) {
                Ok(None) => break Ok(()),
                Ok(Some(value)) => {
                    if let Err((what, place)) = json::read_at(&text[value.clone()]) {
                        break Err((what, value.start + place - 1));
                    }
                }
                Err(wrong) => break Err(wrong),
            }
        };
        checked.map_err(|(what, at)| {
            let before = &text[..at.min(text.len())];
            let is_newline = |byte: &u8| *byte == b'\n';
            let line_start = before.iter().rposition(is_newline).map_or(0, |at| at + 1);
            let column = before.len() - line_start + 1;
            (1 + n_newlines(before), format!("{what} at column {column}"))
        })?;
        Ok(Document {
            text,
            scan,
            line: (1, 0),
            name,
        })
    }
}

impl Iterator for Document {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let mut block = Block::new(Vec::new(), Vec::new(), Format::Json);
        block.file = Some(Arc::clone(&self.name));
        while block.n_bytes() < BLOCK_SIZE
            && let Ok(Some(value)) = self.scan.next(&self.text)
        {
            let (line, counted) = &mut self.line;
            *line += n_newlines(&self.text[*counted..value.start]);
            *counted = value.start;
            let (start, line) = (block.text.len(), *line);
            push_compact(&self.text[value], &mut block.text);
            let end = block.text.len();
            block.entries.push(Entry { start, end, line });
        }
        (block.len() > 0).then_some(block)
    }
}

/// Where it is among the values of a text.
#[derive(Clone, Debug)]
struct Scan {
    at: usize,
    /// Whether they are the items of an array.
    is_array: bool,
    has_begun: bool,
}

impl Scan {
    fn of(text: &[u8]) -> Scan {
        let at = after_space(text, 0);
        let is_array = text.get(at) == Some(&b'[')
            && end_of_value(text, at).is_some_and(|end| after_space(text, end) == text.len());
        Scan {
            at: at + usize::from(is_array),
            is_array,
            has_begun: false,
        }
    }

    /// The next value, which is JSON unless reading it shows otherwise; or what is wrong, and where.
    fn next(&mut self, text: &[u8]) -> Result<Option<Range<usize>>, (String, usize)> {
        let mut at = after_space(text, self.at);
        let wrong = |what: &str, at| Err((what.to_owned(), at));
        match text.get(at) {
            None => return Ok(None),
            Some(b']') if self.is_array => return Ok(None),
            Some(b',') if self.is_array && self.has_begun => at = after_space(text, at + 1),
            Some(_) if self.is_array && self.has_begun => return wrong("expected `,` or `]`", at),
            Some(_) => {}
        }
        let end = end_of_value(text, at).unwrap_or(text.len());
        if end == at {
            return wrong("expected value", at);
        }
        (self.at, self.has_begun) = (end, true);
        Ok(Some(at..end))
    }
}

fn after_space(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    let solid = rest.iter().position(|byte| !is_space(*byte));
    at + solid.unwrap_or(rest.len())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the value ends that begins there, as far as brackets and quotes tell; `None` where that is not in the text.
fn end_of_value(text: &[u8], at: usize) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, at);
    loop {
        match *text.get(at)? {
            b'"' => at = end_of_string(text, at)?,
            b'[' | b'{' => {
                depth += 1;
                at += 1;
            }
            b']' | b'}' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let is_end = |byte: &u8| is_space(*byte) || b",:[]{}\"".contains(byte);
                let n = text[at..].iter().position(is_end);
                return Some(n.map_or(text.len(), |n| at + n));
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the string ends that begins there with its quote.
fn end_of_string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Appends a value without what stands between its parts: it is to be one line wherever it is shown.
fn push_compact(value: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        if *byte == b'"' {
            let end = end_of_string(value, at).unwrap_or(value.len());
            out.extend_from_slice(&value[at..end]);
            at = end;
            continue;
        }
        if !is_space(*byte) {
            out.push(*byte);
        }
        at += 1;
    }
}

fn n_newlines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Vec<(u64, String)>, (u64, String)> {
        let document = Document::new(text.into(), "x.json".into())?;
        let mut found = Vec::new();
        for block in document {
            for place in 0..block.len() {
                let text = String::from_utf8(block.record(place).to_vec()).unwrap();
                found.push((block.entries[place].line, text));
            }
        }
        Ok(found)
    }

    fn texts(text: &str) -> Vec<String> {
        let found = values(text).unwrap().into_iter();
        found.map(|(_, text)| text).collect()
    }

    #[test]
    fn the_items_of_one_array_are_its_values() {
        let text = "\n[\n  {\"a b\": [1,\n 2], \"c\": \"]\\\"\"},\n\n  \"x\" , -1.5e3,[ ]\n]\n";
        let expected = [
            (3, r#"{"a b":[1,2],"c":"]\""}"#),
            (6, "\"x\""),
            (6, "-1.5e3"),
            (6, "[]"),
        ];
        assert_eq!(
            values(text).unwrap(),
            expected.map(|(line, text)| (line, text.to_owned()))
        );
        assert!(texts("[]").is_empty() && texts(" [\n] ").is_empty());
        assert_eq!(texts("[[1, 2]]"), ["[1,2]"]);
    }

    #[test]
    fn else_each_value_is_one() {
        assert_eq!(texts("{\n\"a\": 1\n}\n"), ["{\"a\":1}"]);
        assert_eq!(
            texts("{\n}\n{\"b\": 2}[1,\n2] 3"),
            ["{}", "{\"b\":2}", "[1,2]", "3"]
        );
        assert_eq!(texts("[1]\n[\n2]"), ["[1]", "[2]"]);
    }

    #[test]
    fn many_values_are_many_blocks() {
        let items: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
        let text = format!("[\n{}\n]", items.join(",\n"));
        let n_blocks = Document::new(text.clone().into(), "x".into())
            .unwrap()
            .count();
        assert!(n_blocks > 1);
        assert_eq!(texts(&text), items);
    }

    #[test]
    fn what_is_wrong_anywhere_is_reported_with_its_place() {
        for (text, line, what) in [
            ("[\n1,\n]", 3, "expected value at column 1"),
            ("[\n1\n2\n]", 3, "expected `,` or `]` at column 1"),
            (
                "[\n{\"a\": 1},\n{\"b\" 2}\n]",
                3,
                "expected `:` at column 6",
            ),
            ("[\n1,\n2", 3, "EOF while parsing a list at column 2"),
            ("{\n\"a\": [1\n", 3, "EOF while parsing a list at column 1"),
            ("[\n1}", 2, "expected `,` or `]` at column 2"),
            ("[\n,1]", 2, "expected value at column 1"),
            ("{\n}\nword", 3, "expected value at column 1"),
            ("{\n}\n]", 3, "expected value at column 1"),
            (
                "[\n\"a\nb\"]",
                2,
                "control character in a string at column 3",
            ),
            ("[\n\"a\n", 2, "control character in a string at column 3"),
            ("[\nNaN]", 2, "NaN, which --allow-nan reads, at column 1"),
        ] {
            let (found_line, found) = values(text).unwrap_err();
            assert_eq!((found_line, found.as_str()), (line, what), "{text}");
        }
    }
}
