//! Past: what earlier runs have done, read from their job log.

use std::collections::HashMap;

use super::row::{self, FilePosition, HEADER, Record};

/// Which of the inputs that an earlier run has ended are run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// `--resume`: none.
    None,
    /// `--resume-failed`: those that failed.
    Failed,
    /// `--retry-failed`: those, and no others at all.
    OnlyFailed,
}

/// What is known of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is to be run.
    ToDo,
    /// It is not to be run.
    Done,
    /// It would not be run, but it is another one than was run.
    Changed,
}

/// How inputs have ended, by their indices; the last end of each counts.
#[derive(Debug, Default)]
pub(crate) struct Past {
    again: Option<Again>,
    ended: HashMap<u64, PastCall>,
    /// Whether any was run by other code than this run's.
    pub(crate) is_code_changed: bool,
    pub(crate) n_failed: u64,
}

#[derive(Clone, Copy, Debug)]
struct PastCall {
    is_ok: bool,
    input: Option<u64>,
}

/// What a joblog holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) records: Vec<Record>,
    /// How many of its bytes are whole lines; the rest was not written to its end.
    pub(crate) n_whole: usize,
}

impl Contents {
    /// Reads a file's text, or says what is wrong with it.
    pub(crate) fn read(text: &[u8]) -> Result<Contents, String> {
        let n_whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let (whole, torn) = text.split_at(n_whole);
        if n_whole == 0 && !HEADER.as_bytes().starts_with(torn) {
            return Err("it does not begin as a joblog does".to_owned());
        }
        let whole = String::from_utf8_lossy(whole);
        let mut lines = whole.lines();
        if lines.next().is_some_and(|first| !row::is_header(first)) {
            return Err("it does not begin as a joblog does".to_owned());
        }
        let mut records = Vec::new();
        for (number, line) in lines.enumerate() {
            let record = row::read(line);
            records
                .push(record.ok_or_else(|| format!("line {} is not a joblog line", number + 2))?);
        }
        Ok(Contents { records, n_whole })
    }

    /// Up to where the results in that file are accounted for, if any are in it.
    pub(crate) fn end_in(&self, file: &FilePosition) -> Option<u64> {
        let places = self.records.iter().filter_map(|record| record.result.place);
        let ends = places
            .filter(|place| place.is_beside(file))
            .map(|place| place.end);
        ends.max()
    }

    /// Forgets the inputs whose results are no longer in that file, which ends before them; says how many.
    pub(crate) fn forget_lost(&mut self, file: &FilePosition) -> usize {
        let n = self.records.len();
        self.records.retain(|record| {
            let place = record.result.place.filter(|place| place.is_beside(file));
            place.is_none_or(|place| place.end <= file.end)
        });
        n - self.records.len()
    }
}

impl Past {
    /// `code` is the digest of the code that this run calls.
    pub(crate) fn new(records: &[Record], again: Again, code: u64) -> Past {
        let mut ended = HashMap::with_capacity(records.len());
        for record in records {
            let Record { is_ok, input, .. } = *record;
            ended.insert(record.index, PastCall { is_ok, input });
        }
        let others = |record: &Record| record.code.is_some_and(|known| known != code);
        Past {
            again: Some(again),
            n_failed: ended.values().filter(|ended| !ended.is_ok).count() as u64,
            ended,
            is_code_changed: records.iter().any(others),
        }
    }

    /// How many inputs have ended.
    pub(crate) fn len(&self) -> usize {
        self.ended.len()
    }

    /// What is known of the input, whose digest is given when it is asked for.
    pub(crate) fn of(&self, index: u64, digest: impl FnOnce() -> u64) -> Known {
        let Some(again) = self.again else {
            return Known::ToDo;
        };
        let Some(ended) = self.ended.get(&index) else {
            return match again {
                Again::OnlyFailed => Known::Done,
                Again::None | Again::Failed => Known::ToDo,
            };
        };
        if !ended.is_ok && again != Again::None {
            return Known::ToDo;
        }
        match ended.input.is_none_or(|known| known == digest()) {
            true => Known::Done,
            false => Known::Changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::row::Extent;
    use super::*;

    fn record(index: u64, is_ok: bool) -> Record {
        Record {
            index,
            is_ok,
            input: Some(index),
            code: Some(1),
            result: Extent {
                n_bytes: 10,
                digest: None,
                place: Some(FilePosition {
                    device: 1,
                    inode: 2,
                    end: 10 * (index + 1),
                }),
            },
        }
    }

    #[test]
    fn each_option_runs_what_its_name_says() {
        let records = [record(0, true), record(1, false)];
        for (again, expected) in [
            (Again::None, [Known::Done, Known::Done, Known::ToDo]),
            (Again::Failed, [Known::Done, Known::ToDo, Known::ToDo]),
            (Again::OnlyFailed, [Known::Done, Known::ToDo, Known::Done]),
        ] {
            let past = Past::new(&records, again, 1);
            assert_eq!([0, 1, 2].map(|index| past.of(index, || index)), expected);
            assert_eq!(
                (past.len(), past.n_failed, past.is_code_changed),
                (2, 1, false)
            );
        }
        assert_eq!(Past::default().of(0, || 0), Known::ToDo);
    }

    #[test]
    fn an_input_that_is_not_the_one_that_was_done_is_reported() {
        let records = [record(0, true), record(1, false)];
        let past = Past::new(&records, Again::Failed, 2);
        assert_eq!(past.of(0, || 9), Known::Changed);
        // What failed may work now.
        assert_eq!(past.of(1, || 9), Known::ToDo);
        assert!(past.is_code_changed);
    }

    #[test]
    fn the_last_end_of_an_input_counts() {
        let records = [record(0, false), record(0, true)];
        let past = Past::new(&records, Again::Failed, 1);
        assert_eq!((past.of(0, || 0), past.n_failed), (Known::Done, 0));
    }

    #[test]
    fn a_log_that_is_cut_anywhere_has_its_whole_lines() {
        let line = |number: u64| {
            format!(
                "{number}\t:\t1.000\t0.001\t0\t2\t0\t0\tx\tok\t1\t{number:x}\t1\t1:2:{number}0\n"
            )
        };
        let text: String = [HEADER.to_owned(), line(1), line(2), line(3)].concat();
        for end in 0..=text.len() {
            let contents = Contents::read(&text.as_bytes()[..end]).unwrap();
            let n_lines = text[..end].matches('\n').count();
            assert_eq!(contents.records.len(), n_lines.saturating_sub(1));
            assert!(contents.n_whole <= end && text[..contents.n_whole].lines().count() == n_lines);
        }
        for text in ["hello", "hello\n", "Seq\n", &format!("{HEADER}1\t2\n")] {
            assert!(Contents::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn results_that_are_gone_are_to_be_made_again() {
        let records = (0..3).map(|index| record(index, true)).collect();
        let mut contents = Contents {
            records,
            n_whole: 0,
        };
        let place = |inode, end| FilePosition {
            device: 1,
            inode,
            end,
        };
        assert_eq!(contents.end_in(&place(2, 0)), Some(30));
        assert_eq!(contents.end_in(&place(3, 0)), None);
        assert_eq!(contents.forget_lost(&place(3, 0)), 0);
        assert_eq!(contents.forget_lost(&place(2, 25)), 1);
        assert_eq!(contents.end_in(&place(2, 0)), Some(20));
        assert_eq!(contents.forget_lost(&place(2, 0)), 2);
    }
}
