//! Values: a stream of JSON values, one on each line or over several lines.
//!
//! A stream with a value on each line is read as it comes. Any other is read whole and checked before its first
//! input: no half of a broken file runs.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input::Inputs;
use crate::input::block::{Block, Blocks, Format};
use crate::input::format::document::Document;
use crate::input::format::encoding::cannot_read_on;
use crate::input::format::lines::BLANK_MAX;
use crate::json;

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// How long a text may be that is read whole.
const TEXT_MAX: u64 = 1 << 30;

/// The blocks of a stream that is JSON, or may be.
pub(crate) struct Values<R> {
    name: Arc<str>,
    /// Whether it is said to be JSON.
    is_json: bool,
    state: ReadState<R>,
}

enum ReadState<R> {
    Unread(R),
    Begun(Blocks),
    Over,
}

/// How the values of a stream stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Lines,
    /// The first one goes over several lines, or an array is all there is.
    Whole,
}

impl<R: Read + Send + 'static> Values<R> {
    pub(crate) fn new(stream: R, name: Arc<str>, is_json: bool) -> Values<R> {
        Values {
            name,
            is_json,
            state: ReadState::Unread(stream),
        }
    }

    /// Reads until it is known how the values stand.
    fn begin(&self, mut stream: R) -> Result<Blocks, Fatal> {
        let cannot = |error| cannot_read_on(&self.name, error);
        let mut start = Start::default();
        let layout = loop {
            match start.layout(self.is_json) {
                Some(layout) => break layout,
                None => start.read_on(&mut stream).map_err(cannot)?,
            }
        };
        let mut text = start.text;
        if layout == Layout::Lines {
            let stream = io::Cursor::new(text).chain(stream);
            let format = self.is_json.then_some(Format::Json);
            return Ok(Inputs::of_stream(stream, &self.name, format, b'\n').blocks);
        }
        let room = TEXT_MAX.saturating_sub(text.len() as u64);
        let n = stream.take(room + 1).read_to_end(&mut text);
        if n.map_err(cannot)? as u64 > room {
            let message = format!(
                "{} is longer than {} GiB, the limit for JSON that spans lines",
                self.name,
                TEXT_MAX >> 30
            );
            let hint = "jq -c '.[]' writes each item of an array on a line of its own, and the file may then have any size";
            return Err(Fatal::new(Exit::Usage, message).hint(hint));
        }
        let document = Document::new(text, Arc::clone(&self.name));
        let document = document.map_err(|(line, what)| {
            let message = format!("{}:{line}: not JSON: {what}", self.name);
            Fatal::new(Exit::Usage, message).hint("--input lines reads text")
        })?;
        Ok(Box::new(document.map(Ok)))
    }
}

impl<R: Read + Send + 'static> Iterator for Values<R> {
    type Item = Result<Block, Fatal>;

    fn next(&mut self) -> Option<Result<Block, Fatal>> {
        if let ReadState::Unread(_) = self.state
            && let ReadState::Unread(stream) = std::mem::replace(&mut self.state, ReadState::Over)
        {
            match self.begin(stream) {
                Ok(blocks) => self.state = ReadState::Begun(blocks),
                Err(fatal) => return Some(Err(fatal)),
            }
        }
        match &mut self.state {
            ReadState::Begun(blocks) => blocks.next(),
            ReadState::Unread(_) | ReadState::Over => None,
        }
    }
}

/// What a stream begins with.
#[derive(Debug, Default)]
struct Start {
    text: Vec<u8>,
    /// Where its first line begins that is not blank, and where that ends.
    line: Option<usize>,
    line_end: Option<usize>,
    has_ended: bool,
}

impl Start {
    fn read_on(&mut self, stream: &mut impl Read) -> io::Result<()> {
        let before = self.text.len();
        self.text.resize(before + READ_SIZE, 0);
        let read = stream.read(&mut self.text[before..]);
        self.text.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(n) => self.has_ended = n == 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let find = |from: usize, is_it: fn(&u8) -> bool| {
            let found = self.text[from..].iter().position(is_it);
            found.map(|at| from + at)
        };
        let is_solid: fn(&u8) -> bool = |byte| !byte.is_ascii_whitespace();
        self.line = self.line.or_else(|| find(before, is_solid));
        if let (Some(line), None) = (self.line, self.line_end) {
            self.line_end = find(line.max(before), |byte| *byte == b'\n');
        }
        Ok(())
    }

    /// How values stand in a stream that begins so; `None` where that takes more of it.
    fn layout(&self, is_json: bool) -> Option<Layout> {
        let Some(line) = self.line else {
            let is_over = self.has_ended || self.text.len() > BLANK_MAX;
            return is_over.then_some(Layout::Lines);
        };
        let is_array = self.text[line] == b'[';
        if !is_array && self.text[line] != b'{' {
            return Some(Layout::Lines);
        }
        let end = match self.line_end {
            Some(end) => end,
            None if self.has_ended => self.text.len(),
            None => return None,
        };
        let may_be_all = is_json && is_array && self.text[end..].trim_ascii().is_empty();
        match (may_be_all, self.has_ended) {
            (true, true) => Some(Layout::Whole),
            _ if json::is_unfinished(&self.text[line..end]) => Some(Layout::Whole),
            // A second one would make it the first of several inputs.
            (true, false) => None,
            (false, _) => Some(Layout::Lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(chunks: &[&str], is_json: bool) -> Option<Layout> {
        let mut start = Start::default();
        for chunk in chunks {
            assert_eq!(start.layout(is_json), None, "{chunk:?}");
            start.read_on(&mut chunk.as_bytes()).unwrap();
        }
        start.layout(is_json)
    }

    #[test]
    fn the_first_line_decides_how_values_stand() {
        for (text, expected) in [
            ("[\n1]", Layout::Whole),
            ("\n  {\n}", Layout::Whole),
            ("[{\"a\": 1,\n", Layout::Whole),
            ("{\"a\": 1}\n", Layout::Lines),
            ("[1]\n[2]\n", Layout::Lines),
            ("[note] x\ny\n", Layout::Lines),
            ("word", Layout::Lines),
            ("1", Layout::Lines),
        ] {
            for is_json in [true, false] {
                assert_eq!(layout(&[text], is_json), Some(expected), "{text}");
            }
        }
        let blank = "\n".repeat(BLANK_MAX + 1);
        let mut start = Start::default();
        start.read_on(&mut blank.as_bytes()).unwrap();
        start.read_on(&mut &b"\n"[..]).unwrap();
        assert_eq!(start.layout(true), Some(Layout::Lines));
    }

    #[test]
    fn an_array_that_may_be_all_there_is_takes_more_to_know() {
        assert_eq!(layout(&["[1]\n"], false), Some(Layout::Lines));
        assert_eq!(layout(&["[1]\n", " \n", "[2]"], true), Some(Layout::Lines));
        assert_eq!(layout(&["[1]\n", " \n", ""], true), Some(Layout::Whole));
        assert_eq!(layout(&["[1", "]", ""], true), Some(Layout::Whole));
        assert_eq!(layout(&["",], true), Some(Layout::Lines));
        assert_eq!(layout(&["[1", "",], false), Some(Layout::Whole));
    }
}
