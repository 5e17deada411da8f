//! Screen: what the terminal can show, and how wide it is.

use std::env;

use anstream::{AutoStream, ColorChoice};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The least and the most columns that a report takes.
const WIDTH: (usize, usize) = (72, 100);

/// Bars grow by eighths of a column.
pub(crate) const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Marks a place behind a bar.
pub(crate) const MARK: char = '│';

/// What the terminal can show, and how wide it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: usize,
    pub(crate) is_utf8: bool,
    pub(crate) has_color: bool,
}

/// A colour for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    Green,
    Yellow,
    Red,
}

impl Screen {
    /// Of this process; 80 columns where standard output is no terminal.
    pub(crate) fn find() -> Screen {
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let variable = |name: &str| env::var(name).ok();
        let stdout = super::stdout::file();
        let has_color = stdout.is_ok_and(|file| AutoStream::choice(&file) != ColorChoice::Never);
        Screen::new(width, has_color, variable)
    }

    pub(crate) fn new(
        width: usize,
        has_color: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Screen {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        // The first that is set decides, as in setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let is_utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        });
        Screen {
            width: width.clamp(WIDTH.0, WIDTH.1),
            is_utf8,
            has_color,
        }
    }

    /// In plain ASCII where the terminal shows no other.
    pub(crate) fn fit(self, text: String) -> String {
        if self.is_utf8 {
            return text;
        }
        let plain = text.replace('µ', "u").replace('–', "-");
        let plain = plain.replace('→', ">").replace('…', ".");
        let plain = plain.replace(EIGHTHS[7], "#").replace(MARK, "|");
        let ascii = plain.chars().map(|c| if c.is_ascii() { c } else { '?' });
        ascii.collect()
    }

    /// The word in that colour, where there are colours.
    pub(crate) fn paint(self, color: Color, word: &str) -> String {
        if !self.has_color {
            return word.to_owned();
        }
        let code = match color {
            Color::Green => 32,
            Color::Yellow => 33,
            Color::Red => 31,
        };
        format!("\x1b[{code}m{word}\x1b[0m")
    }
}

/// How many columns the text takes at most: terminals differ in whether they join emoji.
pub(crate) fn columns(text: &str) -> usize {
    let apart = text.chars().filter_map(UnicodeWidthChar::width).sum();
    text.width().max(apart)
}

/// The start of the text that fits into that many columns, and the rest.
pub(crate) fn split_at_column(text: &str, width: usize) -> (&str, &str) {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let fitting = ends.take_while(|end| columns(&text[..*end]) <= width);
    text.split_at(fitting.last().unwrap_or(0))
}

/// The text with spaces after it, up to that many columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let n_spaces = width.saturating_sub(columns(text));
    text.to_owned() + &" ".repeat(n_spaces)
}

/// The word in pieces of at most that many columns; a character that is wider is a piece.
fn pieces(mut word: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while let Some(first) = word.chars().next() {
        let (mut piece, mut rest) = split_at_column(word, width);
        if piece.is_empty() {
            (piece, rest) = word.split_at(first.len_utf8());
        }
        pieces.push(piece);
        word = rest;
    }
    pieces
}

/// The text in lines of at most that many columns; a word that is longer than a line is cut.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut n_columns = 0;
    let words = text.split_whitespace();
    for word in words.flat_map(|word| pieces(word, width)) {
        let n = columns(word);
        if n_columns > 0 && n_columns + 1 + n > width {
            lines.push('\n');
            n_columns = 0;
        }
        if n_columns > 0 {
            lines.push(' ');
            n_columns += 1;
        }
        lines.push_str(word);
        n_columns += n;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize, variables: &[(&str, &str)]) -> Screen {
        Screen::new(width, false, |name| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_locale_and_the_terminal_say_what_can_be_shown() {
        let shown = |width, variables: &[(&str, &str)]| {
            let screen = screen(width, variables);
            (screen.width, screen.is_utf8)
        };
        assert_eq!(shown(80, &[("LANG", "en_GB.UTF-8")]), (80, true));
        assert_eq!(
            shown(500, &[("LC_ALL", ""), ("LANG", "C.utf8")]),
            (100, true)
        );
        assert_eq!(
            shown(20, &[("LC_ALL", "C"), ("LANG", "C.utf8")]),
            (72, false)
        );
        assert_eq!(shown(80, &[]), (80, false));
    }

    #[test]
    fn lines_end_between_words_and_long_words_are_cut() {
        assert_eq!(wrapped("one two  three", 7), "one two\nthree\n");
        assert_eq!(wrapped("a 12345678901 b", 5), "a\n12345\n67890\n1 b\n");
        assert_eq!(wrapped("", 5), "\n");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(columns("a漢字"), 5);
        assert_eq!(columns("e\u{301}"), 1);
        // Two where it is drawn as an emoji.
        assert_eq!(columns("\u{263A}\u{FE0F}"), 2);
        // As one person, or as two.
        assert_eq!(columns("\u{1F468}\u{200D}\u{1F469}"), 4);
        assert_eq!(split_at_column("漢字", 3), ("漢", "字"));
        assert_eq!(split_at_column("漢字", 1), ("", "漢字"));
        assert_eq!(padded("漢", 3), "漢 ");
        assert_eq!(wrapped("漢字漢字 字", 5), "漢字\n漢字\n字\n");
        assert_eq!(wrapped("漢字", 1), "漢\n字\n");
    }
}
