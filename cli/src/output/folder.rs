//! Folder: the result and the output of each input in a folder of its own (`--results`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::spool::{Spool, Text};
use crate::exit::Exit;
use crate::fatal::Fatal;

/// How much of an input is in the name of its folder.
const NAME_MAX: usize = 60;

/// Where the folders are.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// What came of an input, beside what was printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskSummary<'a> {
    pub(crate) index: u64,
    pub(crate) input: &'a [u8],
    /// The value as JSON, if there is one.
    pub(crate) value: Option<&'a [u8]>,
    /// Why there is none.
    pub(crate) error: Option<&'a str>,
}

impl Folder {
    /// Makes the folder, if it is not there.
    pub(super) fn open(path: &Path) -> Result<Folder, Fatal> {
        match fs::create_dir_all(path) {
            Ok(()) => Ok(Folder(path.to_owned())),
            Err(error) => {
                let message = format!("cannot make the folder {}", path.display());
                Err(Fatal::new(Exit::Usage, message).cause(error))
            }
        }
    }

    /// Writes what came of an input.
    pub(super) fn keep(
        &self,
        summary: TaskSummary<'_>,
        spool: &Spool,
        printed: [&Text; 2],
    ) -> io::Result<()> {
        let folder = self.0.join(name(summary.index, summary.input));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("input"), summary.input)?;
        for (name, text) in ["stdout", "stderr"].into_iter().zip(printed) {
            let mut file = File::create(folder.join(name))?;
            spool.read(text, |piece| file.write_all(piece))?;
        }
        // One of them may be there from an earlier run.
        let outcomes = [
            ("value.json", summary.value),
            ("error", summary.error.map(str::as_bytes)),
        ];
        for (name, text) in outcomes {
            let path = folder.join(name);
            match text {
                Some(text) => fs::write(path, text)?,
                None => match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
            }
        }
        Ok(())
    }
}

/// The name of an input's folder: its number, so that no two are the same, and as much of it as a name
/// can hold anywhere.
fn name(index: u64, input: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let head = &input[..input.len().min(NAME_MAX)];
    let plain = head.iter().map(|byte| match is_plain(*byte) {
        true => char::from(*byte),
        false => '_',
    });
    let mut name = format!("{}-", index + 1);
    name.extend(plain);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_differ_whatever_the_inputs_are() {
        for (index, input, expected) in [
            (0, &b"photos/a.jpg"[..], "1-photos_a.jpg"),
            (1, b"..", "2-.."),
            (2, b"", "3-"),
            (
                3,
                b"My brother's 12\" *\x00\xff\n",
                "4-My_brother_s_12______",
            ),
        ] {
            assert_eq!(name(index, input), expected);
        }
        assert_eq!(name(9, &[b'x'; 5000]).len(), 3 + NAME_MAX);
    }

    #[test]
    fn an_earlier_failure_makes_way_for_the_value() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(&base.path().join("a/b")).unwrap();
        let (mut spool, mut text) = (Spool::default(), Text::default());
        spool.append(&mut text, b"printed\n").unwrap();
        let mut summary = TaskSummary {
            index: 0,
            input: b"x",
            value: None,
            error: Some("ValueError: bad\n"),
        };
        let read = |name: &str| fs::read_to_string(base.path().join("a/b/1-x").join(name));
        folder
            .keep(summary, &spool, [&text, &Text::default()])
            .unwrap();
        assert_eq!(read("error").unwrap(), "ValueError: bad\n");
        assert_eq!(read("stdout").unwrap(), "printed\n");
        assert_eq!(read("input").unwrap() + &read("stderr").unwrap(), "x");
        (summary.value, summary.error) = (Some(&b"1\n"[..]), None);
        folder.keep(summary, &spool, [&Text::default(); 2]).unwrap();
        assert!(read("error").is_err() && read("value.json").unwrap() == "1\n");
        assert_eq!(read("stdout").unwrap(), "");
    }
}
