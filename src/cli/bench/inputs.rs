//! Inputs: read as `owngil map` reads them, and held in memory up to a limit.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use crate::cli::exit::Exit;
use crate::cli::fatal::Fatal;
use crate::cli::feed::Source;
use crate::cli::input::{Block, Cutter, Format, Input};

/// How much text is read at most.
pub(crate) const TEXT_MAX: usize = 256 << 20;

/// How much is read at once.
const READ_SIZE: usize = 1 << 20;

/// All inputs that there are.
#[derive(Debug)]
pub(crate) struct Inputs {
    blocks: Vec<Arc<Block>>,
    n: usize,
    /// What they are lines of, for messages.
    file: Option<String>,
    /// Whether there were more.
    pub(crate) is_cut: bool,
}

impl Inputs {
    /// Reads no more than `limit` bytes.
    pub(crate) fn read(
        source: Source,
        format: Option<Format>,
        limit: usize,
    ) -> Result<Inputs, Fatal> {
        let cutter = Cutter::new(format);
        let name = source.name();
        let (blocks, is_cut, file) = match source {
            Source::Words(words) => (vec![cutter.words(words)], false, None),
            Source::File(_, file) => {
                let (blocks, is_cut) = cut(file, cutter, limit, &name)?;
                (blocks, is_cut, Some(name))
            }
            Source::Stdin => {
                let (blocks, is_cut) = cut(io::stdin().lock(), cutter, limit, &name)?;
                (blocks, is_cut, Some(name))
            }
        };
        Ok(Inputs {
            n: blocks.iter().map(Block::len).sum(),
            blocks: blocks.into_iter().map(Arc::new).collect(),
            file,
            is_cut,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// The input of that number, from 0.
    pub(crate) fn get(&self, number: usize) -> Result<Input, Fatal> {
        let (block, place) = self.place(number);
        match block.problem(place) {
            None => Ok(Input::at(block, place)),
            Some(problem) => {
                let message = format!("{}: not JSON: {problem}", self.label(number));
                let hint = "each line must be one JSON value; --input lines reads text";
                Err(Fatal::new(Exit::Failed, message).hint(hint))
            }
        }
    }

    /// What a message calls it.
    pub(crate) fn label(&self, number: usize) -> String {
        let (block, place) = self.place(number);
        let quote = block.quote(place);
        match &self.file {
            Some(file) => format!("{file}:{} ({quote})", block.line(place)),
            None => format!("input {} ({quote})", number + 1),
        }
    }

    /// All numbers, in an order whose every beginning is spread evenly over them.
    pub(crate) fn spread(&self) -> impl Iterator<Item = usize> {
        let n = self.n;
        // Steps of the golden section, of a length that meets every number once.
        let wanted = (n as f64 * 0.618) as usize;
        let is_prime_to = |step: &usize| gcd(*step, n) == 1;
        let step = (wanted.max(1)..).find(is_prime_to).unwrap_or(1);
        (0..n).map(move |turn| (turn as u128 * step as u128 % n as u128) as usize)
    }

    fn place(&self, number: usize) -> (&Arc<Block>, usize) {
        let after = |block: &Arc<Block>| block.first + block.len() as u64;
        let at = self
            .blocks
            .partition_point(|block| after(block) <= number as u64);
        let block = &self.blocks[at];
        (block, number - block.first as usize)
    }
}

pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The blocks of a stream, and whether it was longer than the limit.
fn cut(
    mut stream: impl Read,
    mut cutter: Cutter,
    limit: usize,
    name: &str,
) -> Result<(Vec<Block>, bool), Fatal> {
    let mut blocks = Vec::new();
    let mut chunk = vec![0; READ_SIZE];
    let mut left = limit;
    while left > 0 {
        let size = left.min(READ_SIZE);
        match stream.read(&mut chunk[..size]) {
            Ok(0) => break,
            Ok(n) => {
                blocks.extend(cutter.push(&chunk[..n]));
                left -= n;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let fatal = Fatal::new(Exit::Failed, format!("cannot read on in {name}"));
                return Err(fatal.cause(error));
            }
        }
    }
    let is_cut = left == 0 && stream.read(&mut chunk).is_ok_and(|n| n > 0);
    if !is_cut {
        blocks.extend(cutter.finish());
    } else if blocks.is_empty() {
        let message = format!("{name} has no line of less than {} MiB", limit >> 20);
        return Err(Fatal::new(Exit::Failed, message));
    }
    Ok((blocks, is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use owngil::{Payload, Value};
    use std::collections::BTreeSet;

    fn words(n: usize) -> Inputs {
        let words = (0..n).map(|n| n.to_string().into_bytes()).collect();
        Inputs::read(Source::Words(words), None, 0).unwrap()
    }

    fn file(text: &str, format: Format, limit: usize) -> Inputs {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        Inputs::read(Source::File("some.txt".into(), file), Some(format), limit).unwrap()
    }

    fn value(inputs: &Inputs, number: usize) -> Value {
        let input = inputs.get(number).unwrap();
        Payload::new(&input).unwrap().decode().unwrap()
    }

    #[test]
    fn every_input_is_met_once_and_a_beginning_is_spread() {
        for n in [1, 2, 3, 10, 999, 1000] {
            let met: BTreeSet<usize> = words(n).spread().collect();
            assert_eq!(met, (0..n).collect(), "{n}");
        }
        let mut first: Vec<usize> = words(1000).spread().take(10).collect();
        first.sort_unstable();
        let widest = first.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(widest.unwrap() < 250, "{first:?}");
    }

    #[test]
    fn lines_are_found_again_by_their_numbers() {
        let text: String = (0..300_000).map(|n| format!("{n}\n")).collect();
        let inputs = file(&text, Format::Text, 1 << 30);
        assert_eq!((inputs.len(), inputs.is_cut), (300_000, false));
        assert!(inputs.blocks.len() > 1);
        for number in [0, 1, 150_000, 299_999] {
            assert_eq!(
                value(&inputs, number),
                Value::from(number.to_string().as_str())
            );
        }
        assert_eq!(inputs.label(7), "some.txt:8 (\"7\")");
        assert_eq!(words(8).label(7), "input 8 (\"7\")");
    }

    #[test]
    fn what_is_beyond_the_limit_is_left_out_in_whole_lines() {
        let inputs = file("one\ntwo\nthree\n", Format::Text, 9);
        assert_eq!((inputs.len(), inputs.is_cut), (2, true));
        let inputs = file("one\ntwo\n", Format::Text, 8);
        assert_eq!((inputs.len(), inputs.is_cut), (2, false));
        assert_eq!(file("", Format::Text, 8).len(), 0);
    }

    #[test]
    fn a_line_that_is_no_json_is_told_with_its_place() {
        let inputs = file("1\n\n{\n", Format::Json, 100);
        assert_eq!(value(&inputs, 0), Value::Int(1));
        let fatal = inputs.get(1).unwrap_err();
        assert_eq!(fatal.exit, Exit::Failed);
        assert!(
            fatal.to_string().contains("some.txt:3 ({): not JSON"),
            "{fatal}"
        );
    }
}
