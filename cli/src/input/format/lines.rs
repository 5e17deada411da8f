//! Lines: a stream cut into records, each ended by a newline or by NUL.

use std::io::{self, Read};

use crate::input::block::{Block, Entry, Format};
use crate::json;

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// How many bytes of blank lines the format of a stream may hide behind.
pub(crate) const BLANK_MAX: usize = 64 << 10;

/// The blocks of a stream's lines.
pub(crate) struct Lines<R> {
    stream: R,
    cutter: Cutter,
    chunk: Vec<u8>,
    has_ended: bool,
    /// Comes after what was read before it.
    trouble: Option<io::Error>,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(stream: R, cutter: Cutter) -> Lines<R> {
        Lines {
            stream,
            cutter,
            chunk: vec![0; READ_SIZE],
            has_ended: false,
            trouble: None,
        }
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        while !self.has_ended {
            match self.stream.read(&mut self.chunk) {
                Ok(0) => self.has_ended = true,
                Ok(n) => {
                    if let Some(block) = self.cutter.push(&self.chunk[..n]) {
                        return Some(Ok(block));
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.has_ended = true;
                    self.trouble = Some(error);
                }
            }
            // What was read before an error is input all the same.
            if let Some(block) = self.cutter.finish() {
                return Some(Ok(block));
            }
        }
        self.trouble.take().map(Err)
    }
}

/// Cuts a stream into blocks.
#[derive(Debug)]
pub(crate) struct Cutter {
    /// `None` until a line shows it.
    format: Option<Format>,
    /// What ends a record.
    end: u8,
    /// What came after the last end, or before the format was known.
    rest: Vec<u8>,
    n_lines: u64,
}

impl Cutter {
    /// A cutter that finds out the format by itself where none is given.
    pub(crate) fn new(format: Option<Format>, end: u8) -> Self {
        Cutter {
            format,
            end,
            rest: Vec::new(),
            n_lines: 0,
        }
    }

    /// Takes what was read; returns the inputs that are complete with it.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Option<Block> {
        let last = chunk.iter().rposition(|byte| *byte == self.end);
        let (lines, rest) = chunk.split_at(last.map_or(0, |last| last + 1));
        if lines.is_empty() {
            self.rest.extend_from_slice(rest);
            return None;
        }
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(lines);
        let format = self.format.or_else(|| self.found(&text));
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

    /// The inputs of a last line without an end.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        let text = std::mem::take(&mut self.rest);
        let format = self.format.or_else(|| self.found(&text));
        self.block(text, format.unwrap_or(Format::Text))
    }

    fn block(&mut self, text: Vec<u8>, format: Format) -> Option<Block> {
        self.format = Some(format);
        let mut entries = Vec::new();
        let (mut start, end_byte) = (0, self.end);
        for line in text.split_inclusive(|byte| *byte == end_byte) {
            self.n_lines += 1;
            let mut content = line.strip_suffix(&[end_byte]).unwrap_or(line);
            if end_byte == b'\n' {
                content = content.strip_suffix(b"\r").unwrap_or(content);
            }
            if format == Format::Text || !content.trim_ascii().is_empty() {
                entries.push(Entry {
                    start,
                    end: start + content.len(),
                    line: self.n_lines,
                });
            }
            start += line.len();
        }
        (!entries.is_empty()).then(|| Block::new(text, entries, format))
    }

    /// The format that the first line tells that is not blank.
    fn found(&self, text: &[u8]) -> Option<Format> {
        let lines = text.split(|byte| *byte == self.end);
        let line = lines
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty())?;
        Some(match json::is_json(line) {
            true => Format::Json,
            false => Format::Text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Problem;
    use crate::input::Input;
    use owngil::{Payload, Value};
    use std::sync::Arc;

    /// The inputs that chunks of a stream give, and the numbers of their lines.
    fn inputs(format: Option<Format>, chunks: &[&[u8]]) -> Vec<(u64, Result<Value, Problem>)> {
        let mut cutter = Cutter::new(format, b'\n');
        let mut blocks: Vec<Block> = chunks
            .iter()
            .filter_map(|chunk| cutter.push(chunk))
            .collect();
        blocks.extend(cutter.finish());
        let mut found = Vec::new();
        for block in blocks.into_iter().map(Arc::new) {
            for (place, input) in Input::all(&block).enumerate() {
                let value = match block.problem(place) {
                    Some(problem) => Err(problem),
                    None => Ok(Payload::new(&input).unwrap().decode().unwrap()),
                };
                found.push((block.entries[place].line, value));
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
                .is_err_and(|problem| problem.what.contains("EOF"))
        );
        assert_eq!(found[3].1, Ok(Value::from("3")));
    }

    #[test]
    fn the_first_line_that_is_not_blank_decides_the_format() {
        let first = |chunks: &[&[u8]]| inputs(None, chunks).swap_remove(0).1.unwrap();
        assert_eq!(
            first(&[b"\n".as_slice(), b"\n[", b"1]\nx\n"]),
            Value::List(vec![Value::Int(1)])
        );
        assert_eq!(first(&[b"1\n"]), Value::from("1"));
        assert_eq!(first(&[b"[note]\n"]), Value::from("[note]"));
        assert_eq!(first(&[b"\n".as_slice(), b"\nword"]), Value::from(""));
        assert_eq!(first(&[b"\"a\""]), Value::from("a"));
        assert_eq!(inputs(None, &[b"\n", b"\n"]).len(), 2);
        let blank = vec![b'\n'; BLANK_MAX + 1];
        let mut cutter = Cutter::new(None, b'\n');
        assert_eq!(cutter.push(&blank).unwrap().len(), BLANK_MAX + 1);
    }

    #[test]
    fn nul_ends_inputs_that_hold_newlines() {
        let mut cutter = Cutter::new(Some(Format::Text), 0);
        let block = cutter.push(b"a\nb\0c\r\0d").unwrap();
        assert_eq!(
            (block.record(0), block.record(1)),
            (&b"a\nb"[..], &b"c\r"[..])
        );
        assert_eq!(cutter.finish().unwrap().record(0), b"d");
    }
}
