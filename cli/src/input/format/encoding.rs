//! Encoding: the byte order mark that text may begin with, and text in other encodings than UTF-8.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::quoting::quoted;

/// What text begins with that some programs save as UTF-8, and what it begins with in other encodings.
const MARKS: [(&[u8], Option<&str>); 5] = [
    (b"\xEF\xBB\xBF", None),
    (b"\xFF\xFE\0\0", Some("UTF-32")),
    (b"\0\0\xFE\xFF", Some("UTF-32")),
    (b"\xFF\xFE", Some("UTF-16")),
    (b"\xFE\xFF", Some("UTF-16")),
];

/// A stream of text without its mark. One that is not UTF-8, by its mark, cannot be read.
pub(crate) struct Unmarked<R> {
    stream: R,
    /// Its first bytes, until they are handed on.
    start: Vec<u8>,
    has_begun: bool,
}

impl<R: Read> Unmarked<R> {
    pub(crate) fn new(stream: R) -> Unmarked<R> {
        Unmarked {
            stream,
            start: Vec::new(),
            has_begun: false,
        }
    }

    /// Reads as far as it takes to know the mark: what comes after it may be long in coming.
    fn begin(&mut self) -> io::Result<()> {
        while self.may_be_part_of_a_mark() {
            let mut bytes = [0; 4];
            let n = self.stream.read(&mut bytes[self.start.len()..])?;
            let from = self.start.len();
            self.start.extend_from_slice(&bytes[from..from + n]);
            if n == 0 {
                break;
            }
        }
        self.has_begun = true;
        let has = |(mark, _): &&(&[u8], Option<&str>)| self.start.starts_with(mark);
        match MARKS.iter().find(has) {
            Some((_, Some(name))) => Err(io::Error::new(ErrorKind::InvalidData, Foreign(name))),
            Some((mark, None)) => {
                self.start.drain(..mark.len());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn may_be_part_of_a_mark(&self) -> bool {
        let goes_on = |mark: &[u8]| mark.len() > self.start.len() && mark.starts_with(&self.start);
        MARKS.iter().any(|(mark, _)| goes_on(mark))
    }
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.has_begun {
            self.begin()?;
        }
        if self.start.is_empty() {
            return self.stream.read(into);
        }
        let n = self.start.len().min(into.len());
        into[..n].copy_from_slice(&self.start[..n]);
        self.start.drain(..n);
        Ok(n)
    }
}

/// The encoding of a text that is not UTF-8.
#[derive(Clone, Copy, Debug)]
struct Foreign(&'static str);

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}", self.0)
    }
}

impl std::error::Error for Foreign {}

/// The error when reading a stream of that name fails.
pub(crate) fn cannot_read_on(name: &str, error: io::Error) -> Fatal {
    let inside = error.get_ref();
    let Some(Foreign(encoding)) = inside.and_then(|inside| inside.downcast_ref()) else {
        let message = format!("reading {name} failed");
        return Fatal::new(Exit::Failed, message).cause(error);
    };
    let message = format!("{name} is {encoding}, and inputs are read as UTF-8");
    let file = match name {
        "standard input" => String::new(),
        file => format!(" {}", quoted(file.as_bytes())),
    };
    let hint = format!("convert it: iconv -f {encoding} -t UTF-8{file}");
    Fatal::new(Exit::Usage, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(1).min(into.len());
            self.0.read(&mut into[..n])
        }
    }

    fn both(text: &[u8]) -> io::Result<Vec<u8>> {
        let (mut at_once, mut slowly) = (Vec::new(), Vec::new());
        let read = Unmarked::new(text).read_to_end(&mut at_once);
        assert_eq!(
            read.is_ok(),
            Unmarked::new(Slow(text)).read_to_end(&mut slowly).is_ok()
        );
        assert_eq!(at_once, slowly);
        read.map(|_| at_once)
    }

    #[test]
    fn a_mark_is_passed_over_and_all_else_is_as_it_came() {
        assert_eq!(both(b"\xEF\xBB\xBFa\n").unwrap(), b"a\n");
        assert_eq!(both(b"\xEF\xBB\xBF").unwrap(), b"");
        for text in [
            &b""[..],
            b"a",
            b"\xEF\xBB",
            b"\xEF\xBBx",
            b"\xFF",
            b"\0\0a",
            b"a\xEF\xBB\xBF",
        ] {
            assert_eq!(both(text).unwrap(), text);
        }
    }

    #[test]
    fn another_encoding_is_reported_with_what_converts_it() {
        for (text, encoding) in [
            (&b"\xFF\xFEa\0"[..], "UTF-16"),
            (b"\xFE\xFF\0a", "UTF-16"),
            (b"\xFF\xFE", "UTF-16"),
            (b"\xFF\xFE\0\0a\0\0\0", "UTF-32"),
            (b"\0\0\xFE\xFF", "UTF-32"),
        ] {
            let fatal = cannot_read_on("a b", both(text).unwrap_err());
            let expected = format!(
                "error: a b is {encoding}, and inputs are read as UTF-8\n\
                 hint: convert it: iconv -f {encoding} -t UTF-8 'a b'\n"
            );
            assert_eq!((fatal.exit, fatal.to_string()), (Exit::Usage, expected));
        }
        let error = io::Error::from(ErrorKind::IsADirectory);
        assert_eq!(cannot_read_on("x", error).exit, Exit::Failed);
    }

    #[test]
    fn what_cannot_be_a_mark_is_not_waited_for() {
        let (stream, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"a").unwrap();
        let mut into = [0; 8];
        assert_eq!(Unmarked::new(stream).read(&mut into).unwrap(), 1);
    }
}
