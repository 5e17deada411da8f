//! Results: whether the file at standard output has the results that the job log records.
//!
//! A file is known by its device and inode. One that was moved to another disk has others, and one that was
//! replaced may have the same: so what stands where results are said to end is compared too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::past::Contents;
use super::row::{FilePosition, Record, digest, digest_on};

/// How much of a file is compared, from the end of its results back; one result at least.
const COMPARED_MAX: u64 = 1 << 20;

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// What became of the results of earlier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// They are there, or there are none, or the file ends before them.
    Here,
    /// Those of so many inputs are in another file, or have been replaced in this one.
    Other(usize),
}

/// Looks for them in the file, which can be read if `file` is there. Where it turns out to be a copy of the file
/// that they were written to, the account takes it for that from now on.
pub(super) fn find(
    contents: &mut Contents,
    here: &FilePosition,
    file: Option<&File>,
) -> io::Result<Found> {
    // Of several files the one that the last run wrote to comes first: a number that a removed file had may be
    // another's now.
    let places = contents.records.iter().rev().map(|record| record.result);
    let last = places
        .filter(|result| result.n_bytes > 0)
        .find_map(|result| result.place);
    let Some(last) = last else {
        return Ok(Found::Here);
    };
    if !last.is_beside(here) {
        let theirs: Vec<&Record> = all_in(contents, &last).collect();
        let n = theirs.len();
        if has(&theirs, here.end, file)? == Some(true) {
            take_for(contents, &last, here);
            return Ok(Found::Here);
        }
        if all_in(contents, here).next().is_none() {
            return Ok(Found::Other(n));
        }
    }
    let own: Vec<&Record> = all_in(contents, here).collect();
    let is_other = match has(&own, here.end, file)? {
        Some(has) => !has,
        // What is left of the first one, or something else.
        None => file.is_some() && first_start(&own).is_some_and(|start| start < here.end),
    };
    Ok(match is_other {
        true => Found::Other(own.len()),
        false => Found::Here,
    })
}

/// Has the account take a file for another one.
fn take_for(contents: &mut Contents, other: &FilePosition, here: &FilePosition) {
    let records = contents.records.iter_mut();
    let places = records.filter_map(|record| record.result.place.as_mut());
    for place in places.filter(|place| place.is_beside(other)) {
        (place.device, place.inode) = (here.device, here.inode);
    }
}

/// The inputs that have added something to that file.
fn all_in<'c>(contents: &'c Contents, file: &FilePosition) -> impl Iterator<Item = &'c Record> {
    let file = *file;
    contents.records.iter().filter(move |record| {
        let result = &record.result;
        result.n_bytes > 0 && result.place.is_some_and(|place| place.is_beside(&file))
    })
}

/// Where the first of these results begins, as far as they have digests.
fn first_start(records: &[&Record]) -> Option<u64> {
    let results = records.iter().map(|record| record.result);
    let results = results.filter(|result| result.digest.is_some());
    let starts =
        results.filter_map(|result| Some(result.place?.end.saturating_sub(result.n_bytes)));
    starts.min()
}

/// Whether the file, which is so long, has the last of these results that it is long enough for; `None` where
/// that is unknown.
fn has(records: &[&Record], len: u64, file: Option<&File>) -> io::Result<Option<bool>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let results = records.iter().map(|record| record.result);
    let results = results.filter_map(|result| {
        let end = result.place?.end;
        Some((end, result.n_bytes.min(end), result.digest?)).filter(|(end, ..)| *end <= len)
    });
    let mut results: Vec<(u64, u64, u64)> = results.collect();
    results.sort_unstable();
    let mut n_compared = 0;
    for (end, n, known) in results.iter().rev() {
        if digest_of(file, end - n, *n)? != *known {
            return Ok(Some(false));
        }
        n_compared += n;
        if n_compared >= COMPARED_MAX {
            break;
        }
    }
    Ok((n_compared > 0).then_some(true))
}

/// The digest of so many bytes of a file, from that place on.
fn digest_of(file: &File, mut start: u64, mut n: u64) -> io::Result<u64> {
    let mut chunk = vec![0; READ_SIZE];
    let mut so_far = digest(b"");
    while n > 0 {
        let size = READ_SIZE.min(usize::try_from(n).unwrap_or(READ_SIZE));
        let n_read = match file.read_at(&mut chunk[..size], start) {
            Ok(0) => break,
            Ok(n_read) => n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        so_far = digest_on(so_far, &chunk[..n_read]);
        start += n_read as u64;
        n -= n_read as u64;
    }
    Ok(so_far)
}

#[cfg(test)]
mod tests {
    use super::super::row::Extent;
    use super::*;
    use std::fs;

    const TEXT: &str = "one\ntwo\nthree\n";

    fn place(inode: u64, end: usize) -> FilePosition {
        FilePosition {
            device: 1,
            inode,
            end: end as u64,
        }
    }

    /// An account of the lines of the text, in the file of that inode.
    fn account(inode: u64, has_digests: bool) -> Contents {
        let mut end = 0;
        let lines = TEXT.split_inclusive('\n');
        let records = lines.zip(0..).map(|(line, index)| {
            end += line.len();
            Record {
                index,
                is_ok: true,
                input: None,
                code: None,
                result: Extent {
                    n_bytes: line.len() as u64,
                    digest: has_digests.then(|| digest(line.as_bytes())),
                    place: Some(place(inode, end)),
                },
            }
        });
        Contents {
            records: records.collect(),
            n_whole: 0,
        }
    }

    /// What is found in a file of inode 7 with that text, and how many inputs the account then has there.
    fn found(contents: &mut Contents, text: &str) -> (Found, usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, text).unwrap();
        let here = place(7, text.len());
        let found = find(contents, &here, Some(&File::open(&path).unwrap())).unwrap();
        (found, all_in(contents, &here).count())
    }

    #[test]
    fn a_file_is_known_by_what_is_in_it() {
        for inode in [7, 8] {
            for text in [TEXT, "one\ntwo\nthree\nfo", "one\ntwo\nthr", "one\ntwo\n"] {
                let found = found(&mut account(inode, true), text);
                assert_eq!(found, (Found::Here, 3), "{inode}: {text:?}");
            }
            for text in [
                "one\ntwo\nThree\n",
                "mine, and long enough",
                "one\n\n\n\ntwo\n",
                "two\n",
                "on",
            ] {
                let (found, _) = found(&mut account(inode, true), text);
                assert_eq!(found, Found::Other(3), "{inode}: {text:?}");
            }
        }
    }

    #[test]
    fn a_number_that_a_removed_file_had_may_be_that_of_a_copy() {
        let mut moved = account(7, true);
        for record in &mut moved.records[1..] {
            record.result.place.as_mut().unwrap().inode = 8;
        }
        assert_eq!(found(&mut moved, TEXT), (Found::Here, 3));
    }

    #[test]
    fn an_empty_file_has_lost_its_own_results_and_has_none_of_another_one() {
        assert_eq!(found(&mut account(7, true), ""), (Found::Here, 3));
        assert_eq!(found(&mut account(8, true), ""), (Found::Other(3), 0));
    }

    #[test]
    fn an_account_without_digests_goes_on_in_its_own_file_alone() {
        assert_eq!(found(&mut account(7, false), TEXT), (Found::Here, 3));
        assert_eq!(
            found(&mut account(7, false), "mine, and long"),
            (Found::Here, 3)
        );
        assert_eq!(found(&mut account(8, false), TEXT), (Found::Other(3), 0));
        let unreadable = find(&mut account(7, true), &place(7, 3), None).unwrap();
        assert_eq!(unreadable, Found::Here);
        let unreadable = find(&mut account(8, true), &place(7, 3), None).unwrap();
        assert_eq!(unreadable, Found::Other(3));
    }

    #[test]
    fn inputs_without_a_result_tie_an_account_to_no_file() {
        let mut contents = account(8, true);
        for record in &mut contents.records {
            record.result.n_bytes = 0;
        }
        assert_eq!(found(&mut contents, "mine\n"), (Found::Here, 0));
    }

    #[test]
    fn the_file_of_the_last_run_alone_is_gone_on_with() {
        let mut contents = account(8, true);
        contents
            .records
            .extend(account(9, true).records.into_iter().map(|mut record| {
                record.result.digest = Some(digest(b"another"));
                record
            }));
        // It has what the first one had, and none of what the second one has.
        assert_eq!(found(&mut contents, TEXT), (Found::Other(3), 0));
    }
}
