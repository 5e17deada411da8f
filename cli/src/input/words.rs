//! Words: the command line, cut at `:::` into groups of inputs.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::fatal::Fatal;

/// Some inputs that the command line names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WordGroup {
    pub(crate) words: Listed,
    /// Whether it goes side by side with the one before.
    pub(crate) is_linked: bool,
}

/// What the words of a group are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Inputs(Vec<Vec<u8>>),
    /// A file of inputs.
    File(PathBuf),
}

/// The words of the whole command line, with a `--` before the first `:::` of a command whose options may
/// follow its inputs: what comes after `:::` may begin with a dash.
pub(crate) fn guarded(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let is_command = |word: &&OsString| !word.as_encoded_bytes().starts_with(b"-");
    let command = words.iter().skip(1).find(is_command);
    if command.is_some_and(|command| command == "map" || command == "bench")
        && let Some(at) = words.iter().position(is_separator)
        && !words[..at].iter().any(|word| word == "--")
    {
        words.insert(at, "--".into());
    }
    words
}

/// Whether the word ends what stands before it, and inputs come next.
fn is_separator(word: &OsString) -> bool {
    meaning(word).is_some()
}

/// What stands before the first `:::`, and the groups after it.
pub(crate) fn split(
    words: impl IntoIterator<Item = OsString>,
) -> Result<(Vec<OsString>, Vec<WordGroup>), Fatal> {
    let mut words = words.into_iter().peekable();
    let mut before = Vec::new();
    while let Some(word) = words.next_if(|word| !is_separator(word)) {
        before.push(word);
    }
    let mut groups: Vec<WordGroup> = Vec::new();
    while let Some(separator) = words.next() {
        let Some((names_files, is_linked)) = meaning(&separator) else {
            break;
        };
        let written = separator.display();
        if is_linked && groups.is_empty() {
            let message = format!("{written} needs a group of inputs before it");
            let hint = "::: begins the first group of inputs, and :::+ goes side by side with it";
            return Err(Fatal::new(Exit::Usage, message).hint(hint));
        }
        let mut listed = Vec::new();
        while let Some(word) = words.next_if(|word| !is_separator(word)) {
            listed.push(word);
        }
        if !names_files {
            let inputs = listed.into_iter().map(OsString::into_encoded_bytes);
            groups.push(WordGroup {
                words: Listed::Inputs(inputs.collect()),
                is_linked,
            });
        } else if listed.is_empty() {
            return Err(Fatal::new(
                Exit::Usage,
                format!("{written} needs a file name"),
            ));
        } else {
            groups.extend(listed.into_iter().map(|path| WordGroup {
                words: Listed::File(path.into()),
                is_linked,
            }));
        }
    }
    Ok((before, groups))
}

/// Whether files come next, and whether the group is linked.
fn meaning(word: &OsString) -> Option<(bool, bool)> {
    match word.as_encoded_bytes() {
        b":::" => Some((false, false)),
        b":::+" => Some((false, true)),
        b"::::" => Some((true, false)),
        b"::::+" => Some((true, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn inputs(text: &str, is_linked: bool) -> WordGroup {
        let inputs = words(text).into_iter().map(OsString::into_encoded_bytes);
        WordGroup {
            words: Listed::Inputs(inputs.collect()),
            is_linked,
        }
    }

    #[test]
    fn colons_cut_groups() {
        assert_eq!(split(words("a b")).unwrap(), (words("a b"), vec![]));
        assert_eq!(
            split(words("s.py -x ::: -a b ::: ::: 1 :::+ 2")).unwrap(),
            (
                words("s.py -x"),
                vec![
                    inputs("-a b", false),
                    inputs("", false),
                    inputs("1", false),
                    inputs("2", true),
                ]
            )
        );
        let file = |path: &str, is_linked| WordGroup {
            words: Listed::File(path.into()),
            is_linked,
        };
        assert_eq!(
            split(words(":::: a b ::::+ c")).unwrap().1,
            [file("a", false), file("b", false), file("c", true)]
        );
    }

    #[test]
    fn what_follows_colons_is_no_option() {
        let guard = |text| guarded(words(text));
        assert_eq!(
            guard("owngil map f -k ::: -j"),
            words("owngil map f -k -- ::: -j")
        );
        assert_eq!(
            guard("owngil -v bench f :::: -"),
            words("owngil -v bench f -- :::: -")
        );
        for same in [
            "owngil run s ::: -j",
            "owngil map f -- a ::: b",
            "owngil map f a",
        ] {
            assert_eq!(guard(same), words(same));
        }
    }

    #[test]
    fn a_group_that_is_linked_to_none_is_a_mistake() {
        for text in ["m:f :::+ a", "m:f ::::"] {
            assert_eq!(split(words(text)).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }
}
