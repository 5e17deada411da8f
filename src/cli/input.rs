//! Input: what one call gets, and the blocks of lines that inputs come in.
//!
//! A block holds the lines that one read gave, so that a line costs no allocation of its own and can
//! still be quoted when its call fails. Where lines come from and who waits for whom is in `feed`.

use std::sync::Arc;

use owngil::Value;
use serde::ser::{Error as _, Serialize, Serializer};

use super::json;

/// How many bytes of blank lines the format of a stream may hide behind.
const BLANK_MAX: usize = 64 << 10;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A str.
    Text,
    /// A JSON value.
    Json,
}

/// Some lines that follow one another, and the inputs among them.
#[derive(Debug)]
pub(crate) struct Block {
    text: Vec<u8>,
    entries: Vec<Entry>,
    format: Format,
    /// The index of the first input.
    pub(crate) first: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    end: usize,
    /// The number of the line in its file, from 1.
    line: u64,
}

impl Block {
    /// How many inputs it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes of text it holds.
    pub(crate) fn n_bytes(&self) -> usize {
        self.text.len()
    }

    /// The number of an input's line.
    pub(crate) fn line(&self, place: usize) -> u64 {
        self.entries[place].line
    }

    /// Why the line is no input.
    pub(crate) fn problem(&self, place: usize) -> Option<String> {
        match self.format {
            Format::Text => None,
            Format::Json => json::read(self.bytes(place)).err(),
        }
    }

    /// The input, cut short, as a message shows it.
    pub(crate) fn quote(&self, place: usize) -> String {
        match self.format {
            Format::Text => format!("{:?}", shortened(self.bytes(place))),
            Format::Json => shortened(self.bytes(place).trim_ascii()),
        }
    }

    fn bytes(&self, place: usize) -> &[u8] {
        let Entry { start, end, .. } = self.entries[place];
        &self.text[start..end]
    }
}

/// The first characters of a text.
pub(crate) fn shortened(bytes: &[u8]) -> String {
    const LONGEST: usize = 40;
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LONGEST + 4)]);
    match head.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &head[..end]),
        None => head.into_owned(),
    }
}

/// One input, which is the one argument of its call.
#[derive(Debug)]
pub(crate) struct Input {
    block: Arc<Block>,
    place: usize,
    /// What the line holds, unless it is text.
    value: Option<Result<Value, String>>,
}

impl Input {
    /// All inputs of a block, each read when it is asked for.
    pub(crate) fn all(block: &Arc<Block>) -> impl Iterator<Item = Input> {
        let block = Arc::clone(block);
        (0..block.len()).map(move |place| Input::at(&block, place))
    }

    /// The input at that place of a block.
    pub(crate) fn at(block: &Arc<Block>, place: usize) -> Input {
        Input {
            block: Arc::clone(block),
            place,
            value: (block.format == Format::Json).then(|| json::read(block.bytes(place))),
        }
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Some(Ok(value)) => value.serialize(serializer),
            Some(Err(problem)) => Err(S::Error::custom(problem)),
            None => match std::str::from_utf8(self.block.bytes(self.place)) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => text(self.block.bytes(self.place)).serialize(serializer),
            },
        }
    }
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

/// Cuts a stream into blocks.
#[derive(Debug)]
pub(crate) struct Cutter {
    /// `None` until a line has told.
    format: Option<Format>,
    /// What came after the last newline, or before the format was known.
    rest: Vec<u8>,
    n_lines: u64,
    n_inputs: u64,
}

impl Cutter {
    /// A cutter that finds out the format by itself where none is given.
    pub(crate) fn new(format: Option<Format>) -> Self {
        Cutter {
            format,
            rest: Vec::new(),
            n_lines: 0,
            n_inputs: 0,
        }
    }

    /// Takes what was read; returns the inputs that are complete with it.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Option<Block> {
        let newline = chunk.iter().rposition(|byte| *byte == b'\n');
        let (lines, rest) = chunk.split_at(newline.map_or(0, |newline| newline + 1));
        if lines.is_empty() {
            self.rest.extend_from_slice(rest);
            return None;
        }
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(lines);
        let format = self.format.or_else(|| found(&text));
        match format.or_else(|| (text.len() > BLANK_MAX).then_some(Format::Text)) {
            Some(format) => {
                self.rest.extend_from_slice(rest);
                self.block(text, format)
            }
            None => {
                text.extend_from_slice(rest);
                self.rest = text;
                None
            }
        }
    }

    /// The inputs of a last line without a newline.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        let text = std::mem::take(&mut self.rest);
        let format = self.format.or_else(|| found(&text));
        self.block(text, format.unwrap_or(Format::Text))
    }

    /// One input for each word.
    pub(crate) fn words(self, words: impl IntoIterator<Item = Vec<u8>>) -> Block {
        let (mut text, mut entries) = (Vec::new(), Vec::new());
        for word in words {
            let start = text.len();
            text.extend_from_slice(&word);
            let (end, line) = (text.len(), entries.len() as u64 + 1);
            entries.push(Entry { start, end, line });
        }
        Block {
            text,
            entries,
            format: self.format.unwrap_or(Format::Text),
            first: 0,
        }
    }

    fn block(&mut self, text: Vec<u8>, format: Format) -> Option<Block> {
        self.format = Some(format);
        let mut entries = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            self.n_lines += 1;
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            let content = content.strip_suffix(b"\r").unwrap_or(content);
            if format == Format::Text || !content.trim_ascii().is_empty() {
                entries.push(Entry {
                    start,
                    end: start + content.len(),
                    line: self.n_lines,
                });
            }
            start += line.len();
        }
        let first = self.n_inputs;
        self.n_inputs += entries.len() as u64;
        (!entries.is_empty()).then_some(Block {
            text,
            entries,
            format,
            first,
        })
    }
}

/// The format that the first line tells that is not blank.
fn found(text: &[u8]) -> Option<Format> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty())?;
    Some(match json::is_json(line) {
        true => Format::Json,
        false => Format::Text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use owngil::Payload;

    /// The inputs that chunks of a stream give, and the numbers of their lines.
    fn inputs(format: Option<Format>, chunks: &[&[u8]]) -> Vec<(u64, Result<Value, String>)> {
        let mut cutter = Cutter::new(format);
        let mut blocks: Vec<Block> = chunks
            .iter()
            .filter_map(|chunk| cutter.push(chunk))
            .collect();
        blocks.extend(cutter.finish());
        let mut found = Vec::new();
        for block in blocks.into_iter().map(Arc::new) {
            assert_eq!(block.first, found.len() as u64);
            for (place, input) in Input::all(&block).enumerate() {
                let value = match block.problem(place) {
                    Some(problem) => Err(problem),
                    None => Ok(Payload::new(&input).unwrap().decode().unwrap()),
                };
                found.push((block.line(place), value));
            }
        }
        found
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        let found = inputs(Some(Format::Text), chunks).into_iter();
        found
            .map(|(_, value)| match value.unwrap() {
                Value::Str(text) => text,
                other => panic!("{other:?} is no str"),
            })
            .collect()
    }

    #[test]
    fn lines_are_inputs_however_the_stream_is_cut() {
        let stream = b"one\n\ntwo\r\n three\nend";
        let expected = ["one", "", "two", " three", "end"];
        assert_eq!(texts(&[stream]), expected);
        for size in 1..stream.len() {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(texts(&chunks), expected, "in chunks of {size}");
        }
        assert_eq!(texts(&[b"one\n"]), ["one"]);
        assert_eq!(texts(&[b"\n"]), [""]);
        assert!(texts(&[]).is_empty());
    }

    #[test]
    fn json_lines_keep_their_numbers_over_blank_ones_and_broken_ones() {
        let found = inputs(Some(Format::Json), &[b"1\n \n\n[2]\n{\n", b"\"3\""]);
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 4, 5, 6]);
        assert_eq!(found[0].1, Ok(Value::Int(1)));
        assert_eq!(found[1].1, Ok(Value::List(vec![Value::Int(2)])));
        assert!(
            found[2]
                .1
                .as_ref()
                .is_err_and(|problem| problem.contains("EOF"))
        );
        assert_eq!(found[3].1, Ok(Value::from("3")));
    }

    #[test]
    fn the_first_line_that_is_not_blank_tells_the_format() {
        let first = |chunks: &[&[u8]]| inputs(None, chunks).swap_remove(0).1.unwrap();
        assert_eq!(
            first(&[b"\n", b"\n[", b"1]\nx\n"]),
            Value::List(vec![Value::Int(1)])
        );
        assert_eq!(first(&[b"1\n"]), Value::from("1"));
        assert_eq!(first(&[b"[note]\n"]), Value::from("[note]"));
        assert_eq!(first(&[b"\n", b"\nword"]), Value::from(""));
        assert_eq!(first(&[b"\"a\""]), Value::from("a"));
        assert_eq!(inputs(None, &[b"\n", b"\n"]).len(), 2);
        let blank = vec![b'\n'; BLANK_MAX + 1];
        let mut cutter = Cutter::new(None);
        assert_eq!(cutter.push(&blank).unwrap().len(), BLANK_MAX + 1);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_escaped() {
        assert_eq!(text("é".as_bytes()), Value::from("é"));
        let escaped = b"a\xED\xB2\x80\xED\xB3\xBF\xC3\xA9".to_vec();
        assert_eq!(text(b"a\x80\xFF\xC3\xA9"), Value::Surrogates(escaped));
    }

    #[test]
    fn a_quote_is_short_and_on_one_line() {
        let long = "é".repeat(100);
        let words = ["a \"b\"\n", "x\u{1b}", &long].map(|word| word.as_bytes().to_vec());
        let block = Cutter::new(None).words(words);
        assert_eq!(block.quote(0), "\"a \\\"b\\\"\\n\"");
        assert_eq!(block.quote(1), "\"x\\u{1b}\"");
        assert_eq!(block.quote(2), format!("\"{}…\"", "é".repeat(40)));
        let block = Cutter::new(Some(Format::Json)).words([b" {\"a\": 1} ".to_vec()]);
        assert_eq!(block.quote(0), "{\"a\": 1}");
    }
}
