//! Words: the terms of the project, and the words and phrases that neither code nor documents use.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use crate::source::{Source, read, sources};

/// Names of an earlier private vocabulary, and phrases that no English speaker would use in documentation.
/// docs/glossary.md lists more words to avoid, next to the term that replaces each.
const HOUSE_WORDS: [&str; 20] = [
    "anew",
    "come alive",
    "comes alive",
    "desk",
    "desks",
    "gist",
    "is worn",
    "let go",
    "lets go",
    "mend",
    "mended",
    "mends",
    "nobody",
    "pass away",
    "passes away",
    "posts",
    "tally",
    "told",
    "voice",
    "whoever",
];

/// Turns of phrase that make a document hard to read.
const TURNS: [&str; 13] = [
    "are to be",
    "beside that",
    "beside this",
    "for ever",
    "is to be",
    "of which",
    "of whom",
    "so many",
    "so much",
    "to and fro",
    "to whom",
    "what is so",
    "which is to",
];

/// Uses of a word in another sense: the word, the file, and a part of the line.
const OTHER_SENSES: [(&str, &str, &str); 7] = [
    (
        "invocation",
        "python/owngil/pytest/__init__.py",
        "config.invocation_params",
    ),
    ("post", "cli/benches/peers/workloads.py", "GET|POST"),
    ("post", "examples/web_server/app.py", "@app.post"),
    ("post", "examples/web_server/main.rs", "\"POST\""),
    ("post", "src/tested/release.rs", ".post"),
    ("post", "src/tested/release.rs", "post-release"),
    ("post", "src/tested/release.rs", "post_release"),
];

/// This file, which has to name the words.
const THIS: &str = "tests/tidy/words.rs";

/// A file as a sequence of words.
struct Text {
    path: String,
    words: Vec<Word>,
    /// Each word once, so that most phrases are dismissed at once.
    vocabulary: HashSet<String>,
    lines: Vec<String>,
}

struct Word {
    text: String,
    line: usize,
    /// Whether only spaces, line ends, underscores and comment marks separate it from the word before.
    continues: bool,
}

impl Text {
    fn new(source: &Source) -> Text {
        let words = words(&source.text);
        Text {
            path: source.path.clone(),
            vocabulary: words.iter().map(|word| word.text.clone()).collect(),
            words,
            lines: source.text.lines().map(str::to_owned).collect(),
        }
    }

    /// The lines on which the phrase starts.
    fn lines_with(&self, phrase: &str) -> Vec<usize> {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        if !phrase.iter().all(|word| self.vocabulary.contains(*word)) {
            return Vec::new();
        }
        let starts = self.words.windows(phrase.len()).filter(|found| {
            let is_same = found.iter().map(|word| &word.text).eq(&phrase);
            is_same && found[1..].iter().all(|word| word.continues)
        });
        starts.map(|found| found[0].line).collect()
    }

    /// What stands where the phrase is used, except in another sense.
    fn uses(&self, phrase: &str) -> Vec<String> {
        let lines = self.lines_with(phrase).into_iter();
        let uses = lines.filter(|&line| {
            let is_other_sense = |&(word, path, part): &(&str, &str, &str)| {
                word == phrase && self.path.ends_with(path) && self.lines[line].contains(part)
            };
            !OTHER_SENSES.iter().any(is_other_sense)
        });
        uses.map(|line| format!("{}:{}: {phrase}", self.path, line + 1))
            .collect()
    }
}

/// The words of a text in lower case. `n_seats`, `NSeats` and `HTTPSeats` are two words each.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut continues = true;
    for (line, content) in text.lines().enumerate() {
        let mut before: Option<char> = None;
        let mut rest = content.chars().peekable();
        while let Some(c) = rest.next() {
            if !c.is_alphanumeric() {
                continues &= c.is_whitespace() || "_/!#*`".contains(c);
                before = None;
                continue;
            }
            let starts_hump = c.is_uppercase()
                && (before.is_some_and(|before| !before.is_uppercase())
                    || rest.peek().is_some_and(|next| next.is_lowercase()));
            if before.is_none() || starts_hump {
                let text = String::new();
                words.push(Word {
                    text,
                    line,
                    continues,
                });
                continues = true;
            }
            if let Some(word) = words.last_mut() {
                word.text.extend(c.to_lowercase());
            }
            before = Some(c);
        }
    }
    words
}

/// Code and documents, without this file.
static TEXTS: LazyLock<Vec<Text>> = LazyLock::new(|| {
    let all = ["rs", "py", "md"].into_iter().flat_map(sources);
    let others = all.filter(|source| source.path != THIS);
    others.map(|source| Text::new(&source)).collect()
});

fn assert_none(found: &[String], advice: &str) {
    assert!(
        found.is_empty(),
        "{advice}; {} uses:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn names_and_phrases_are_split_into_words() {
    let source = Source {
        path: "a.rs".to_owned(),
        text: "fn n_seats(x: HTTPSeat2) {}\n/// none of\n/// which. Of, which".to_owned(),
    };
    let text = Text::new(&source);
    let words: Vec<&str> = text.words.iter().map(|word| &*word.text).collect();
    assert_eq!(
        words,
        [
            "fn", "n", "seats", "x", "http", "seat2", "none", "of", "which", "of", "which"
        ]
    );
    assert_eq!(text.lines_with("of which"), [1]);
    assert_eq!(text.uses("seats"), ["a.rs:1: seats"]);
    assert!(text.lines_with("seat").is_empty());
}

#[test]
fn code_and_documents_have_no_house_words() {
    let found: Vec<_> = HOUSE_WORDS
        .iter()
        .flat_map(|word| TEXTS.iter().flat_map(|text| text.uses(word)))
        .collect();
    assert_none(&found, "use the field's term or plain English");
}

#[test]
fn help_and_documents_are_in_plain_english() {
    let help = "cli/tests/cli/transcripts/help.txt";
    let help = Text::new(&Source {
        path: help.to_owned(),
        text: read(help),
    });
    let documents = TEXTS.iter().filter(|text| text.path.ends_with(".md"));
    let texts: Vec<&Text> = documents.chain([&help]).collect();
    let turns = TURNS.iter().chain(&HOUSE_WORDS);
    let found: Vec<_> = turns
        .flat_map(|turn| texts.iter().flat_map(|text| text.uses(turn)))
        .collect();
    assert_none(&found, "say it in plain English");
}

/// The columns of each row of the glossary: terms, meaning, words to avoid.
fn glossary() -> Vec<[Vec<String>; 2]> {
    let text = read("docs/glossary.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter(|row| !row.starts_with("term "));
    rows.map(|row| {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let list = |column: &str| {
            let items = column.split(", ").filter(|item| !item.is_empty());
            items.map(str::to_owned).collect()
        };
        [list(columns[0]), list(columns[2])]
    })
    .collect()
}

#[test]
fn the_glossary_has_the_words_of_the_code() {
    let rows = glossary();
    assert!(rows.len() > 30, "the glossary is a table");
    let code: Vec<&Text> = TEXTS
        .iter()
        .filter(|text| !text.path.ends_with(".md") && !text.path.starts_with("tests/tidy/"))
        .collect();
    let unused: BTreeSet<&String> = rows
        .iter()
        .flat_map(|[terms, _]| terms)
        .filter(|term| code.iter().all(|text| text.lines_with(term).is_empty()))
        .collect();
    assert!(unused.is_empty(), "no code uses the terms {unused:?}");

    let others = || {
        let texts = TEXTS.iter();
        texts.filter(|text| text.path != "docs/glossary.md")
    };
    let found: Vec<_> = rows
        .iter()
        .flat_map(|[_, avoided]| avoided)
        .flat_map(|word| others().flat_map(move |text| text.uses(word)))
        .collect();
    assert_none(&found, "docs/glossary.md has the word to use instead");
}
