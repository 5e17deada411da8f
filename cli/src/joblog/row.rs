//! Row: a line of the job log, written and read.
//!
//! The columns of GNU parallel come first, so that its tools read it; ours follow.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// GNU parallel's columns.
const FOREIGN: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";

/// How many they are.
const N_FOREIGN: usize = 9;

/// All columns, in the first line of the file.
pub(crate) const HEADER: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\t\
     Outcome\tTries\tInput\tCode\tStdout\n";

/// How much of a command is written: the input's own digest tells it from others.
const COMMAND_MAX: usize = 400;

/// How an input ended for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Failed,
    Timeout,
    /// Its worker was lost.
    Lost,
}

impl Outcome {
    const NAMES: [(&str, Outcome); 4] = [
        ("ok", Outcome::Ok),
        ("failed", Outcome::Failed),
        ("timeout", Outcome::Timeout),
        ("lost", Outcome::Lost),
    ];

    fn name(self) -> &'static str {
        let known = Outcome::NAMES.iter().find(|(_, outcome)| *outcome == self);
        known.map_or("", |(name, _)| name)
    }
}

/// How one input ended.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// From 0; in the file from 1.
    pub(crate) index: u64,
    pub(crate) begun: SystemTime,
    pub(crate) elapsed: Duration,
    pub(crate) status: i32,
    pub(crate) command: String,
    pub(crate) outcome: Outcome,
    pub(crate) n_tries: u32,
    pub(crate) input: u64,
    pub(crate) code: u64,
    pub(crate) result: Extent,
}

/// What an input has added to the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) n_bytes: u64,
    /// Of these bytes; accounts that were begun earlier have none.
    pub(crate) digest: Option<u64>,
    /// Where they end, if standard output is a file.
    pub(crate) place: Option<FilePosition>,
}

/// Where the results that are accounted for end in the file that is standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilePosition {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) end: u64,
}

impl FilePosition {
    /// Whether both are in the same file.
    pub(crate) fn is_beside(&self, other: &FilePosition) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// What is read of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) is_ok: bool,
    /// Of the input; GNU parallel writes none.
    pub(crate) input: Option<u64>,
    pub(crate) code: Option<u64>,
    pub(crate) result: Extent,
}

impl Row {
    /// The whole line.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        let begun = self.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        // A String takes all that is written to it.
        let _ = write!(
            line,
            "{}\t:\t{:.3}\t{:.6}\t0\t{}\t{}\t0\t{}\t{}\t{}\t{:016x}\t{:016x}\t",
            self.index + 1,
            begun.as_secs_f64(),
            self.elapsed.as_secs_f64(),
            self.result.n_bytes,
            self.status,
            on_one_line(&self.command),
            self.outcome.name(),
            self.n_tries,
            self.input,
            self.code,
        );
        let _ = match self.result.place {
            Some(FilePosition { device, inode, end }) => write!(line, "{device:x}:{inode:x}:{end}"),
            None => write!(line, "-"),
        };
        let _ = match (self.result.place, self.result.digest) {
            (Some(_), Some(digest)) => writeln!(line, ":{digest:016x}"),
            _ => writeln!(line),
        };
        line
    }
}

/// Without what would end a column or a line, and not too long.
fn on_one_line(command: &str) -> String {
    let mut text = String::with_capacity(command.len().min(COMMAND_MAX));
    for c in command.chars().take(COMMAND_MAX) {
        match c.is_control() {
            true => text.extend(c.escape_default()),
            false => text.push(c),
        }
    }
    if command.chars().nth(COMMAND_MAX).is_some() {
        text.push('…');
    }
    text
}

/// Whether the line is the first one of a joblog, of GNU parallel's too.
pub(crate) fn is_header(line: &str) -> bool {
    line == FOREIGN || line == HEADER.trim_end()
}

/// Reads a line without its end; `None` if it is no row.
pub(crate) fn read(line: &str) -> Option<Record> {
    let columns: Vec<&str> = line.split('\t').collect();
    if columns.len() < N_FOREIGN {
        return None;
    }
    let index = columns[0].parse::<u64>().ok()?.checked_sub(1)?;
    let status: i64 = columns[6].parse().ok()?;
    let signal: i64 = columns[7].parse().ok()?;
    let mut record = Record {
        index,
        is_ok: status == 0 && signal == 0,
        input: None,
        code: None,
        result: Extent::default(),
    };
    // A command of GNU parallel's may hold tabs of its own.
    if let [outcome, n_tries, input, code, stdout] = columns[N_FOREIGN..]
        && Outcome::NAMES.iter().any(|(name, _)| *name == outcome)
        && n_tries.parse::<u32>().is_ok()
    {
        record.input = Some(u64::from_str_radix(input, 16).ok()?);
        record.code = Some(u64::from_str_radix(code, 16).ok()?);
        record.result.n_bytes = columns[5].parse().ok()?;
        if stdout != "-" {
            let (place, digest) = read_place(stdout)?;
            (record.result.place, record.result.digest) = (Some(place), digest);
        }
    }
    Some(record)
}

/// With the digest, if there is one.
fn read_place(text: &str) -> Option<(FilePosition, Option<u64>)> {
    let mut parts = text.split(':');
    let place = FilePosition {
        device: u64::from_str_radix(parts.next()?, 16).ok()?,
        inode: u64::from_str_radix(parts.next()?, 16).ok()?,
        end: parts.next()?.parse().ok()?,
    };
    let digest = match parts.next() {
        Some(digest) => Some(u64::from_str_radix(digest, 16).ok()?),
        None => None,
    };
    parts.next().is_none().then_some((place, digest))
}

/// A digest that stays the same from release to release (FNV-1a, 64 bits).
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    digest_on(0xcbf2_9ce4_8422_2325, bytes)
}

/// A digest of what came before and of this.
pub(crate) fn digest_on(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            index: 6,
            begun: UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
            elapsed: Duration::from_micros(1500),
            status: 0,
            command: "f.py:f 'a\tb\nc'".to_owned(),
            outcome: Outcome::Ok,
            n_tries: 2,
            input: digest(b"a"),
            code: digest(b""),
            result: Extent {
                n_bytes: 12,
                digest: Some(digest(b"result")),
                place: Some(FilePosition {
                    device: 0xfd01,
                    inode: 0xabc,
                    end: 77,
                }),
            },
        }
    }

    #[test]
    fn a_row_is_one_line_of_known_columns() {
        let line = row().line();
        assert_eq!(
            line,
            "7\t:\t1700000000.250\t0.001500\t0\t12\t0\t0\tf.py:f 'a\\tb\\nc'\tok\t2\t\
             af63dc4c8601ec8c\tcbf29ce484222325\tfd01:abc:77:9b51cd7cd76778c4\n"
        );
        assert_eq!(line.matches('\t').count(), HEADER.matches('\t').count());
        assert!(HEADER.starts_with(FOREIGN) && is_header(HEADER.trim_end()) && is_header(FOREIGN));
        let long = Row {
            command: "é".repeat(1000),
            ..row()
        };
        assert!(long.line().contains("é…\t"));
    }

    #[test]
    fn what_was_written_is_read_again() {
        for (outcome, status, is_ok) in [
            (Outcome::Ok, 0, true),
            (Outcome::Failed, 1, false),
            (Outcome::Timeout, 124, false),
            (Outcome::Lost, 1, false),
        ] {
            let whole = row().result;
            let undigested = Extent {
                digest: None,
                ..whole
            };
            let unplaced = Extent {
                place: None,
                ..undigested
            };
            for result in [whole, undigested, unplaced] {
                let row = Row {
                    outcome,
                    status,
                    result,
                    ..row()
                };
                let record = Record {
                    index: 6,
                    is_ok,
                    input: Some(row.input),
                    code: Some(row.code),
                    result,
                };
                assert_eq!(read(row.line().trim_end_matches('\n')), Some(record));
            }
        }
    }

    #[test]
    fn rows_of_gnu_parallel_are_read_too() {
        let record = |line| read(line).map(|record| (record.index, record.is_ok));
        assert_eq!(
            record("3\t:\t1700000000.123\t     0.010\t0\t2\t0\t0\techo a\tb"),
            Some((2, true))
        );
        assert_eq!(
            record("1\thost\t1.2\t3\t0\t0\t-1\t15\tsleep 9"),
            Some((0, false))
        );
        for line in ["", "x", "0\t:\t1\t1\t0\t0\t0\t0\tx", "1\t:\t1\t1\t0\t0\t0"] {
            assert_eq!(record(line), None, "{line:?}");
        }
    }

    #[test]
    fn no_part_of_a_line_is_taken_for_another_end() {
        let line = row().line();
        let whole = read(line.trim_end()).unwrap();
        for end in 0..line.len() - 1 {
            let Some(part) = line.get(..end).and_then(read) else {
                continue;
            };
            // A part may lack what comes last, but tells nothing else.
            assert_eq!((part.index, part.is_ok), (whole.index, whole.is_ok));
        }
    }
}
