//! Rows: CSV and TSV, cut into records of fields.

use std::io::{self, Read};
use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::exit::Exit;
use crate::failure::Problem;
use crate::fatal::Fatal;
use crate::input::block::{Block, Columns, Entry, Format};
use crate::input::format::encoding::cannot_read_on;

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// The blocks of a stream's rows.
pub(crate) struct Rows<R> {
    stream: R,
    /// What a message calls the stream.
    name: Arc<str>,
    chunk: Vec<u8>,
    /// The part of the chunk that has been read and not cut.
    waiting: std::ops::Range<usize>,
    has_ended: bool,
    reader: Reader,
    record: RowRecord,
    has_header: bool,
    columns: Option<Columns>,
    /// Comes after what was read before it.
    trouble: Option<io::Error>,
}

/// A record that is being read.
#[derive(Debug, Default)]
struct RowRecord {
    fields: Vec<u8>,
    n_bytes: usize,
    ends: Vec<usize>,
    n_ends: usize,
    /// Newlines up to where reading is, and whether the last byte was one.
    n_newlines: u64,
    ends_line: bool,
}

impl RowRecord {
    fn ends(&self) -> &[usize] {
        &self.ends[..self.n_ends]
    }

    /// The number of the line that it begins on.
    fn line(&self) -> u64 {
        let inside = n_newlines(&self.fields[..self.n_bytes]);
        self.n_newlines - u64::from(self.ends_line) - inside + 1
    }

    fn field(&self, number: usize) -> &[u8] {
        let start = match number {
            0 => 0,
            _ => self.ends[number - 1],
        };
        &self.fields[start..self.ends[number]]
    }

    /// Takes more of the input; whether the record is whole, and how much was taken.
    fn read(&mut self, reader: &mut Reader, input: &[u8]) -> (ReadRecordResult, usize) {
        let (fields, ends) = (&mut self.fields, &mut self.ends);
        let (result, n_read, n_bytes, n_ends) =
            reader.read_record(input, &mut fields[self.n_bytes..], &mut ends[self.n_ends..]);
        self.n_bytes += n_bytes;
        self.n_ends += n_ends;
        if let Some(last) = input[..n_read].last() {
            self.n_newlines += n_newlines(&input[..n_read]);
            self.ends_line = *last == b'\n';
        }
        match result {
            ReadRecordResult::OutputFull => fields.resize(2 * fields.len() + 1024, 0),
            ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len() + 16, 0),
            _ => {}
        }
        (result, n_read)
    }
}

fn n_newlines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl<R: Read> Rows<R> {
    pub(crate) fn new(stream: R, name: Arc<str>, delimiter: u8, has_header: bool) -> Rows<R> {
        Rows {
            stream,
            name,
            chunk: vec![0; READ_SIZE],
            waiting: 0..0,
            has_ended: false,
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            record: RowRecord::default(),
            has_header,
            columns: None,
            trouble: None,
        }
    }

    /// Reads on; at the end nothing is waiting.
    fn read(&mut self) {
        match self.stream.read(&mut self.chunk) {
            Ok(n) => {
                self.waiting = 0..n;
                self.has_ended = n == 0;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.has_ended = true;
                self.trouble = Some(error);
            }
        }
    }

    /// Takes a record that is whole.
    fn take(&mut self, block: &mut Block) -> Result<(), Fatal> {
        let record = std::mem::take(&mut self.record);
        let taken = match &self.columns {
            None if self.has_header => self.header(&record).map(|names| {
                self.columns = Some(Columns {
                    n: names.len(),
                    names: Some(names.into()),
                });
            }),
            known => {
                let n = known.as_ref().map_or(record.n_ends, |columns| columns.n);
                let names = known.as_ref().and_then(|columns| columns.names.clone());
                self.columns = Some(Columns { n, names });
                push(block, &record, n, self.has_header);
                Ok(())
            }
        };
        self.record = RowRecord {
            n_bytes: 0,
            n_ends: 0,
            ..record
        };
        taken
    }

    fn header(&self, record: &RowRecord) -> Result<Vec<String>, Fatal> {
        let mistake = |what: String| {
            let fatal = Fatal::new(Exit::Usage, format!("{}: {what}", self.name));
            Err(fatal.hint("use --no-header if the first row is an input like the others"))
        };
        let mut names: Vec<String> = Vec::with_capacity(record.n_ends);
        for number in 0..record.n_ends {
            let name = record.field(number);
            match std::str::from_utf8(name) {
                Err(_) => {
                    let name = String::from_utf8_lossy(name);
                    return mistake(format!("the header's column {name:?} is not UTF-8"));
                }
                Ok(name) if names.iter().any(|known| known == name) => {
                    return mistake(format!("the header has two columns {name:?}"));
                }
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }
}

/// Appends a row, with as many fields as all have.
fn push(block: &mut Block, record: &RowRecord, n: usize, has_header: bool) {
    let start = block.text.len();
    block
        .text
        .extend_from_slice(&record.fields[..record.n_bytes]);
    let end = block.text.len();
    let ends = record.ends().iter().map(|end| start + end);
    let missing = std::iter::repeat(end);
    block.field_ends.extend(ends.chain(missing).take(n));
    if record.n_ends != n {
        let first = if has_header {
            "the header"
        } else {
            "the first row"
        };
        let plural = if record.n_ends == 1 { "" } else { "s" };
        let what = format!(
            "it has {} field{plural}, and {first} has {n}",
            record.n_ends
        );
        let problem =
            Problem::new(what).hint("fix the row, or read rows as text with --input lines");
        block.problems.push((block.entries.len(), problem));
    }
    let line = record.line();
    block.entries.push(Entry { start, end, line });
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Block, Fatal>;

    fn next(&mut self) -> Option<Result<Block, Fatal>> {
        let mut block = Block::new(Vec::new(), Vec::new(), Format::Text);
        block.file = Some(Arc::clone(&self.name));
        loop {
            if self.waiting.is_empty() && !self.has_ended {
                // What comes next may be long in coming.
                if block.len() > 0 {
                    break;
                }
                self.read();
                if self.waiting.is_empty() && !self.has_ended {
                    continue;
                }
            }
            let input = &self.chunk[self.waiting.clone()];
            let (result, n_read) = self.record.read(&mut self.reader, input);
            self.waiting.start += n_read;
            match result {
                ReadRecordResult::Record => {
                    if let Err(fatal) = self.take(&mut block) {
                        self.has_ended = true;
                        self.waiting = 0..0;
                        return Some(Err(fatal));
                    }
                }
                ReadRecordResult::End => break,
                _ => {}
            }
        }
        if block.len() > 0 {
            block.columns.clone_from(&self.columns);
            return Some(Ok(block));
        }
        let error = self.trouble.take()?;
        Some(Err(cannot_read_on(&self.name, error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, Vec<String>, Option<String>);

    /// Reads a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(into.len());
            into[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn rows(text: &str, size: usize, has_header: bool) -> (Option<Columns>, Vec<Row>) {
        let mut columns = None;
        let mut found = Vec::new();
        let stream = Slow(text.as_bytes(), size);
        for block in Rows::new(stream, "some.csv".into(), b',', has_header) {
            let block = block.unwrap();
            for place in 0..block.len() {
                let fields = block.fields(place);
                let fields = fields.map(|field| String::from_utf8(field.to_vec()).unwrap());
                let problem = block.noted(place).map(|problem| problem.what.clone());
                found.push((block.entries[place].line, fields.collect(), problem));
            }
            columns = block.columns;
        }
        (columns, found)
    }

    #[test]
    fn rows_are_inputs_however_the_stream_is_cut() {
        let text = "name,\"the, age\"\r\nAda,36\r\n\r\n\"a \"\"b\"\"\nc\",\"\"\r\nlast,7";
        for size in 1..text.len() + 1 {
            let (columns, found) = rows(text, size, true);
            let names = columns.unwrap().names.unwrap();
            assert_eq!(*names, ["name", "the, age"]);
            let shown: Vec<(u64, String)> = found
                .iter()
                .map(|(line, fields, _)| (*line, fields.join("|")))
                .collect();
            let expected = [(2, "Ada|36"), (4, "a \"b\"\nc|"), (6, "last|7")];
            assert_eq!(
                shown,
                expected.map(|(line, row)| (line, row.to_owned())),
                "{size}"
            );
        }
    }

    #[test]
    fn a_ragged_row_is_a_problem_of_its_own() {
        let (_, found) = rows("a,b\n1\n1,2\n1,2,3\n", 100, true);
        let problems: Vec<Option<&str>> = found.iter().map(|row| row.2.as_deref()).collect();
        assert_eq!(
            problems,
            [
                Some("it has 1 field, and the header has 2"),
                None,
                Some("it has 3 fields, and the header has 2")
            ]
        );
        let (columns, found) = rows("a,b\n1\n", 100, false);
        assert!(columns.unwrap().names.is_none());
        assert_eq!(
            found[1].2.as_deref(),
            Some("it has 1 field, and the first row has 2")
        );
    }

    #[test]
    fn a_header_that_cannot_be_is_reported() {
        for text in [&b"a,b,a\n1,2,3\n"[..], b"a\xff,b\n"] {
            let mut rows = Rows::new(text, "some.csv".into(), b',', true);
            let fatal = rows.next().unwrap().unwrap_err();
            assert!(
                fatal.to_string().starts_with("error: some.csv: the "),
                "{fatal}"
            );
            assert!(rows.next().is_none());
        }
        assert!(rows("", 1, true).1.is_empty());
        assert!(rows("a,b\n", 1, true).1.is_empty());
    }
}
