//! Contents: inputs that are the contents of files, whose names come from other inputs.

use std::fs;

use crate::failure::Problem;
use crate::input::block::{Block, Blocks, Entry, Format};
use crate::input::text::path;

/// Reads each file when it is asked for, into a block of its own.
pub(super) fn of_files(names: Blocks, is_text: bool) -> Blocks {
    Box::new(names.flat_map(move |block| -> Blocks {
        match block {
            Ok(block) => {
                let places = 0..block.len();
                Box::new(places.map(move |place| Ok(read(&block, place, is_text))))
            }
            Err(fatal) => Box::new(std::iter::once(Err(fatal))),
        }
    }))
}

fn read(names: &Block, place: usize, is_text: bool) -> Block {
    let path = path(names.record(place));
    let name = names.record(place).to_vec();
    let read = match names.noted(place) {
        Some(problem) => Err(problem.clone()),
        None => fs::read(path).map_err(|error| Problem::new(format!("cannot read it: {error}"))),
    };
    let read = read.and_then(|text| match std::str::from_utf8(&text) {
        Err(error) if is_text => {
            let at = error.valid_up_to();
            let problem = Problem::new(format!("byte {at} is not UTF-8"));
            Err(problem.hint("use --as file-bytes to pass bytes"))
        }
        _ => Ok(text),
    });
    let (text, problem) = match read {
        Ok(text) => (text, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let entry = Entry {
        start: 0,
        end: text.len(),
        line: 1,
    };
    let mut block = Block::new(text, vec![entry], Format::Text);
    block.problems.extend(problem.map(|problem| (0, problem)));
    block.title = Some(name);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_an_input_and_one_that_cannot_be_read_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.into_os_string().into_encoded_bytes()
        };
        let names = [
            file("a b", b"one\ntwo\n"),
            b"/nowhere/at/all".to_vec(),
            file("raw", b"a\xff"),
        ];
        let blocks = |is_text| -> Vec<Block> {
            let names = Block::of_words(names.clone(), Format::Text);
            let names: Blocks = Box::new(std::iter::once(Ok(names)));
            of_files(names, is_text).map(Result::unwrap).collect()
        };
        let found = blocks(true);
        assert_eq!(found[0].record(0), b"one\ntwo\n");
        assert!(found[0].quote(0).ends_with("/a b\""));
        let problem = |at: usize| found[at].noted(0).unwrap().what.clone();
        assert!(problem(1).starts_with("cannot read it: No such file"));
        assert_eq!(problem(2), "byte 1 is not UTF-8");
        assert_eq!(blocks(false)[2].record(0), b"a\xff");
    }
}
