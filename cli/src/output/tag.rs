//! Tag: the start of each line of a task's output.

/// What is put before lines, as the command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tagstring(Vec<u8>);

/// Puts a tag before each line of a text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Tagger {
    /// Empty for none.
    tag: Vec<u8>,
    is_in_line: bool,
}

impl Tagstring {
    pub(super) fn new(text: &str) -> Tagstring {
        Tagstring(text.as_bytes().to_vec())
    }

    /// For the input of that index.
    pub(super) fn fill(&self, index: u64, input: &[u8]) -> Tagger {
        let mut tag = Vec::new();
        let mut rest = &self.0[..];
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b"{}") {
                tag.extend_from_slice(input);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(b"{#}") {
                tag.extend_from_slice((index + 1).to_string().as_bytes());
                rest = after;
            } else {
                tag.push(rest[0]);
                rest = &rest[1..];
            }
        }
        // It is to stay on its line, and in its column.
        for byte in &mut tag {
            if matches!(*byte, b'\n' | b'\r' | b'\t' | 0) {
                *byte = b' ';
            }
        }
        tag.push(b'\t');
        Tagger {
            tag,
            is_in_line: false,
        }
    }
}

impl Tagger {
    /// Appends a piece of text, with the tag before each line that begins in it.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if !self.is_in_line {
                out.extend_from_slice(&self.tag);
            }
            out.extend_from_slice(line);
            self.is_in_line = line.last() != Some(&b'\n');
        }
    }

    /// Ends the last line.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if self.is_in_line {
            out.push(b'\n');
            self.is_in_line = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_begins_with_its_tag_however_the_text_is_cut() {
        let text = b"one\n\ntwo\nthree";
        for size in 1..text.len() {
            let mut tagger = Tagstring::new("<{}|{#}>{").fill(4, b"a\nb\t{}");
            let mut out = Vec::new();
            for piece in text.chunks(size) {
                tagger.append(&mut out, piece);
            }
            tagger.end(&mut out);
            tagger.end(&mut out);
            let tag = "<a b {}|5>{\t";
            let expected = format!("{tag}one\n{tag}\n{tag}two\n{tag}three\n");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn without_a_tag_only_the_last_newline_is_added() {
        let mut tagger = Tagger::default();
        let mut out = Vec::new();
        tagger.append(&mut out, b"a\nb");
        tagger.end(&mut out);
        assert_eq!(out, b"a\nb\n");
    }
}
