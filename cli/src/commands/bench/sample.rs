//! Sample: the inputs that are measured, read as `owngil map` reads them, and held in memory up to a limit.

use std::sync::Arc;

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input::{Block, Blocks, Input};

/// How much text is read at most.
pub(crate) const TEXT_MAX: usize = 256 << 20;

/// All inputs that there are.
#[derive(Debug)]
pub(crate) struct Sample {
    blocks: Vec<Arc<Block>>,
    n: usize,
    /// Whether there were more.
    pub(crate) is_cut: bool,
}

impl Sample {
    /// Reads no more than `limit` bytes.
    pub(crate) fn read(blocks: Blocks, name: &str, limit: usize) -> Result<Sample, Fatal> {
        let mut found = Sample {
            blocks: Vec::new(),
            n: 0,
            is_cut: false,
        };
        let mut left = limit;
        for block in blocks {
            let mut block = block?;
            found.is_cut = block.n_bytes() > left;
            if found.is_cut {
                block.shorten(left);
            }
            left = left.saturating_sub(block.n_bytes());
            found.n += block.len();
            if block.len() > 0 {
                found.blocks.push(Arc::new(block));
            }
            if found.is_cut {
                break;
            }
        }
        if found.is_cut && found.n == 0 {
            let message = format!("{name} has no line of less than {} MiB", limit >> 20);
            return Err(Fatal::new(Exit::Failed, message));
        }
        Ok(found)
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
                let message = format!("{}: {}", self.label(number), problem.what);
                let fatal = Fatal::new(Exit::Failed, message);
                Err(match problem.hint {
                    Some(hint) => fatal.hint(hint),
                    None => fatal,
                })
            }
        }
    }

    /// What a message calls it.
    pub(crate) fn label(&self, number: usize) -> String {
        let (block, place) = self.place(number);
        match block.is_of_file() {
            true => format!("{} ({})", block.origin(place), block.quote(place)),
            false => block.label(place),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{self, Format, Shape};
    use owngil::{Payload, Value};
    use std::collections::BTreeSet;
    use std::io;

    fn words(n: usize) -> Sample {
        let words = (0..n).map(|n| n.to_string().into_bytes()).collect();
        let words = input::Inputs::of_words(words, Format::Text);
        Sample::read(words.blocks(Shape::Arg), "words", TEXT_MAX).unwrap()
    }

    fn file(text: &str, format: Format, limit: usize) -> Sample {
        let stream = io::Cursor::new(text.to_owned());
        let inputs = input::Inputs::of_stream(stream, "some.txt", Some(format), b'\n');
        Sample::read(inputs.blocks(Shape::Arg), "some.txt", limit).unwrap()
    }

    fn value(inputs: &Sample, number: usize) -> Value {
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
    fn a_line_that_is_no_json_is_reported_with_its_place() {
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
