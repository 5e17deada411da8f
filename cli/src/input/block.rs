//! Block: some inputs that follow one another, and the text that they are in.
//!
//! A block holds what one read gave, so that an input costs no allocation of its own and can still be
//! quoted when its call fails.

use std::sync::Arc;

use owngil::Value;

use crate::failure::Problem;
use crate::fatal::Fatal;
use crate::input::call::shape::Shape;
use crate::input::text::{path, shortened, text};
use crate::json;

/// What a record, or a field of it, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A str.
    Text,
    /// A JSON value.
    Json,
}

/// Some inputs that follow one another.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) text: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) format: Format,
    /// What each record is made of, where that is not one value alone.
    pub(crate) columns: Option<Columns>,
    /// Where in the text the fields end, of one record after the other.
    pub(crate) field_ends: Vec<usize>,
    /// Inputs that are none, in their order.
    pub(crate) problems: Vec<(usize, Problem)>,
    /// What becomes of an input.
    pub(crate) shape: Shape,
    /// What messages call its input, where that is the contents of something.
    pub(crate) title: Option<Vec<u8>>,
    /// Whether its input is a piece of a stream, which scripts find at their standard input.
    pub(crate) is_piece: bool,
    /// What the records are lines of.
    pub(crate) file: Option<Arc<str>>,
    /// The index of the first input.
    pub(crate) first: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The number of the line in its file, from 1.
    pub(crate) line: u64,
}

/// The fields that each record has.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) n: usize,
    /// As the header has them.
    pub(crate) names: Option<Arc<[String]>>,
}

/// Inputs in the order in which they are read, each block when it is asked for.
pub(crate) type Blocks = Box<dyn Iterator<Item = Result<Block, Fatal>> + Send>;

impl Block {
    /// Records of one value each.
    pub(crate) fn new(text: Vec<u8>, entries: Vec<Entry>, format: Format) -> Block {
        Block {
            text,
            entries,
            format,
            columns: None,
            field_ends: Vec::new(),
            problems: Vec::new(),
            shape: Shape::Arg,
            title: None,
            is_piece: false,
            file: None,
            first: 0,
        }
    }

    /// One input for each word.
    pub(crate) fn of_words(words: impl IntoIterator<Item = Vec<u8>>, format: Format) -> Block {
        let mut block = Block::new(Vec::new(), Vec::new(), format);
        for word in words {
            block.push_record(&word);
        }
        block
    }

    /// Appends a record of one value; its line is its number.
    pub(crate) fn push_record(&mut self, record: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(record);
        let (end, line) = (self.text.len(), self.entries.len() as u64 + 1);
        self.entries.push(Entry { start, end, line });
    }

    /// Notes which of its records name no file that is there.
    pub(crate) fn note_missing_files(&mut self) {
        for place in 0..self.len() {
            let path = path(self.record(place));
            if let Err(error) = path.metadata() {
                let problem = Problem::new(format!("{}: {error}", path.display()));
                self.problems.push((place, problem));
            }
        }
    }

    /// How many inputs it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes of text it holds.
    pub(crate) fn n_bytes(&self) -> usize {
        self.text.len()
    }

    /// How much memory it takes: short lines take less than the notes of where they are.
    pub(crate) fn n_bytes_held(&self) -> usize {
        self.n_bytes() + self.entries.len() * size_of::<Entry>()
    }

    /// Whether the entries of its objects are keyword arguments.
    pub(crate) fn has_keywords(&self) -> bool {
        self.columns.is_none()
            && self.format == Format::Json
            && matches!(self.shape, Shape::Keywords | Shape::Fitting)
    }

    /// The fields of the first input that has any: a row, or a JSON object.
    pub(crate) fn fields_of_first(&self) -> Option<Vec<String>> {
        if let Some(Columns { names, .. }) = &self.columns {
            return Some(names.as_deref()?.to_vec());
        }
        if self.format == Format::Text {
            return None;
        }
        let records = (0..self.len()).map(|place| self.record(place));
        let mut objects = records.filter(|record| record.trim_ascii_start().starts_with(b"{"));
        objects.find_map(|record| match json::read(record) {
            Ok(Value::Dict(pairs)) => {
                let names = pairs.into_iter().filter_map(|(name, _)| match name {
                    Value::Str(name) => Some(name),
                    _ => None,
                });
                Some(names.collect())
            }
            _ => None,
        })
    }

    /// Leaves the first inputs alone that so many bytes hold.
    pub(crate) fn shorten(&mut self, n_bytes: usize) {
        let n = self.entries.partition_point(|entry| entry.end <= n_bytes);
        self.entries.truncate(n);
        self.problems.retain(|(place, _)| *place < n);
    }

    /// What a message calls the input.
    pub(crate) fn label(&self, place: usize) -> String {
        let number = self.first + place as u64 + 1;
        format!("input {number} ({})", self.quote(place))
    }

    /// Whether its inputs are those of a file or a stream.
    pub(crate) fn is_of_file(&self) -> bool {
        self.file.is_some()
    }

    /// Where it stands in the file that is read, else what a message calls it.
    pub(crate) fn origin(&self, place: usize) -> String {
        match &self.file {
            Some(file) => format!("{file}:{}", self.entries[place].line),
            None => self.label(place),
        }
    }

    /// What stands for an input that is all of a file, or much of a stream.
    pub(crate) fn name_of_much(&self, place: usize) -> Option<Vec<u8>> {
        let piece = || {
            self.is_piece
                .then(|| shortened(self.record(place)).into_bytes())
        };
        self.title.clone().or_else(piece)
    }

    /// The input as it came; the fields of a row with blanks between them.
    pub(crate) fn bytes(&self, place: usize) -> Vec<u8> {
        if let Some(name) = self.name_of_much(place) {
            return name;
        }
        match self.columns {
            None => self.record(place).to_vec(),
            Some(_) => self.fields(place).collect::<Vec<_>>().join(&b' '),
        }
    }

    /// Appends the input as JSON: an object of a row whose columns have names, an array of another row.
    pub(crate) fn write_json(&self, place: usize, out: &mut Vec<u8>) {
        if let Some(name) = self.name_of_much(place) {
            return self.write_text(&name, out);
        }
        let Some(columns) = &self.columns else {
            return self.write_field(self.record(place), out);
        };
        let (open, close) = match columns.names {
            Some(_) => (b'{', b'}'),
            None => (b'[', b']'),
        };
        let mut before = open;
        for (number, field) in self.fields(place).enumerate() {
            out.push(before);
            before = b',';
            if let Some(name) = columns.names.as_ref().and_then(|names| names.get(number)) {
                self.write_text(name.as_bytes(), out);
                out.push(b':');
            }
            self.write_field(field, out);
        }
        if before == open {
            out.push(open);
        }
        out.push(close);
    }

    fn write_field(&self, field: &[u8], out: &mut Vec<u8>) {
        match self.format {
            Format::Json if json::read(field).is_ok() => out.extend_from_slice(field.trim_ascii()),
            _ => self.write_text(field, out),
        }
    }

    fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) {
        json::write(&text(bytes), out).expect("a str is JSON");
    }

    /// The input, cut short, as a message shows it.
    pub(crate) fn quote(&self, place: usize) -> String {
        if let Some(title) = &self.title {
            return format!("{:?}", String::from_utf8_lossy(title));
        }
        if self.columns.is_some() {
            let fields: Vec<&[u8]> = self.fields(place).collect();
            return match (self.format, &fields[..]) {
                (Format::Json, fields) => shortened(&fields.join(&b' ')),
                (Format::Text, fields) => format!("{:?}", shortened(&fields.join(&b' '))),
            };
        }
        match self.format {
            Format::Text => format!("{:?}", shortened(self.record(place))),
            Format::Json => shortened(self.record(place).trim_ascii()),
        }
    }

    /// Why it is no input, as far as that was found when it was read.
    pub(crate) fn noted(&self, place: usize) -> Option<&Problem> {
        let noted = |at: usize| &self.problems[at].1;
        let found = self.problems.binary_search_by_key(&place, |(at, _)| *at);
        found.ok().map(noted)
    }

    pub(crate) fn record(&self, place: usize) -> &[u8] {
        let Entry { start, end, .. } = self.entries[place];
        &self.text[start..end]
    }

    /// The record's fields; one that has no columns is its only field.
    pub(crate) fn fields(&self, place: usize) -> impl Iterator<Item = &[u8]> {
        let Entry { start, end, .. } = self.entries[place];
        let n = self.columns.as_ref().map_or(0, |columns| columns.n);
        let ends = &self.field_ends[place * n..(place + 1) * n];
        let alone = self.columns.is_none().then_some(&self.text[start..end]);
        let starts = std::iter::once(start).chain(ends.iter().copied());
        let fields = starts.zip(ends).map(|(start, end)| &self.text[start..*end]);
        alone.into_iter().chain(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_on_one_line() {
        let long = "é".repeat(100);
        let words = ["a \"b\"\n", "x\u{1b}", &long].map(|word| word.as_bytes().to_vec());
        let block = Block::of_words(words, Format::Text);
        assert_eq!(block.quote(0), "\"a \\\"b\\\"\\n\"");
        assert_eq!(block.quote(1), "\"x\\u{1b}\"");
        assert_eq!(
            block.quote(2),
            format!("\"{}…{}\"", "é".repeat(28), "é".repeat(12))
        );
        assert_eq!(block.label(1), "input 2 (\"x\\u{1b}\")");
        let block = Block::of_words([b" {\"a\": 1} ".to_vec()], Format::Json);
        assert_eq!(block.quote(0), "{\"a\": 1}");
    }
}
