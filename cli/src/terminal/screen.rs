//! Screen: what the terminal can show, and how wide it is.

use std::env;
use std::io::IsTerminal;

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
        Screen::new(
            width,
            super::stdout::file().is_ok_and(|file| file.is_terminal()),
            variable,
        )
    }

    pub(crate) fn new(
        width: usize,
        is_terminal: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Screen {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        // The first that is set decides, as in setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let is_utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        });
        let is_dumb = set(&"TERM").is_some_and(|terminal| terminal == "dumb");
        Screen {
            width: width.clamp(WIDTH.0, WIDTH.1),
            is_utf8,
            // no-color.org: any value but an empty one asks for none.
            has_color: is_terminal && !is_dumb && set(&"NO_COLOR").is_none(),
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

/// The text in lines of at most that many characters; a word that is longer than a line is cut.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut n_columns = 0;
    let pieces = text.split_whitespace().flat_map(|word| {
        let letters: Vec<char> = word.chars().collect();
        let pieces = letters.chunks(width.max(1)).map(String::from_iter);
        pieces.collect::<Vec<String>>()
    });
    for word in pieces {
        let n = word.chars().count();
        if n_columns > 0 && n_columns + 1 + n > width {
            lines.push('\n');
            n_columns = 0;
        }
        if n_columns > 0 {
            lines.push(' ');
            n_columns += 1;
        }
        lines.push_str(&word);
        n_columns += n;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize, is_terminal: bool, variables: &[(&str, &str)]) -> Screen {
        Screen::new(width, is_terminal, |name| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_locale_and_the_terminal_say_what_can_be_shown() {
        let shown = |width, variables: &[(&str, &str)]| {
            let screen = screen(width, false, variables);
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
    fn colours_are_for_terminals_whose_user_wants_them() {
        let painted = |is_terminal, variables: &[(&str, &str)]| {
            screen(80, is_terminal, variables).paint(Color::Red, "no") != "no"
        };
        assert!(painted(true, &[]));
        assert!(painted(true, &[("NO_COLOR", ""), ("TERM", "xterm")]));
        assert!(!painted(false, &[]));
        assert!(!painted(true, &[("NO_COLOR", "1")]));
        assert!(!painted(true, &[("TERM", "dumb")]));
    }
}
