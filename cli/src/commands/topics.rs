//! Topics: `owngil help TOPIC`, the sections of the page about the command, for a terminal.

use clap::{Args as ClapArgs, Command};

use super::shell::print;
use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::options::suggest::nearest;
use crate::terminal::screen::{Screen, wrapped};

/// The page about the command.
const PAGE: &str = include_str!("../../docs/cli.md");

/// What people call topics whose names have no such word.
const ALSO: [(&str, &str); 5] = [
    ("config", "settings-in-pyproject-toml"),
    ("joblog", "resuming"),
    ("resume", "resuming"),
    ("retries", "running"),
    ("stacks", "inspecting-a-run"),
];

/// Print the help of a command, or what there is to know about a topic.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  owngil help
  owngil help exit
  owngil help map")]
pub(crate) struct HelpArgs {
    /// A command, or a topic; without it the topics are listed
    #[arg(value_name = "COMMAND|TOPIC")]
    pub(crate) name: Option<String>,
}

/// A section of the page.
#[derive(Debug, PartialEq, Eq)]
struct Topic<'p> {
    /// What it is asked for by: its heading as far as a colon, in lower case and in one word.
    name: String,
    heading: &'p str,
    body: &'p str,
}

/// Prints what is asked for.
pub(crate) fn help(args: &HelpArgs, mut command: Command) -> Result<Exit, Fatal> {
    command.build();
    let topics = topics(PAGE);
    let width = Screen::find().width;
    let Some(name) = &args.name else {
        let text = format!("{}\n{}", command.render_help(), list(&topics));
        return print(text.as_bytes());
    };
    if let Some(named) = command.find_subcommand_mut(name) {
        return print(named.render_long_help().to_string().as_bytes());
    }
    match found(&topics, name) {
        Some(topic) => print(shown(topic, width).as_bytes()),
        None => Err(unknown(name, &topics, &command)),
    }
}

fn list(topics: &[Topic<'_>]) -> String {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let topics = wrapped(&names.join(", "), 80);
    format!(
        "Topics, with `owngil help TOPIC`:\n{}",
        indented(&topics, 2)
    )
}

fn unknown(name: &str, topics: &[Topic<'_>], command: &Command) -> Fatal {
    let commands = command.get_subcommands().map(Command::get_name);
    let names = commands.chain(topics.iter().map(|topic| topic.name.as_str()));
    let fatal = Fatal::new(Exit::Usage, format!("there is no topic {name:?}"));
    match nearest(names, name) {
        Some(nearest) => fatal.hint(format!("did you mean {nearest}?")),
        None => fatal.hint("`owngil help` lists them"),
    }
}

/// The sections of a page, without those of the commands, which have their own help.
fn topics(page: &str) -> Vec<Topic<'_>> {
    let sections = page.split("\n## ").skip(1);
    let sections = sections.filter_map(|section| section.split_once('\n'));
    let topic = |(heading, body)| {
        let short: &str = heading;
        let short = short.split(':').next().unwrap_or(short).to_lowercase();
        let words = short.split(|c: char| !c.is_alphanumeric() && c != '-');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let name = words.join("-");
        Topic {
            name,
            heading,
            body,
        }
    };
    let topics = sections.map(topic);
    topics
        .filter(|topic| !topic.heading.starts_with('`'))
        .collect()
}

/// The topic of that name, or of which it is the beginning or a word.
fn found<'t, 'p>(topics: &'t [Topic<'p>], name: &str) -> Option<&'t Topic<'p>> {
    let name = name.to_lowercase();
    let exact = topics.iter().find(|topic| topic.name == name);
    let begins = || topics.iter().find(|topic| topic.name.starts_with(&name));
    let has_word = || {
        let mut topics = topics.iter();
        topics.find(|topic| topic.name.split('-').any(|word| word.starts_with(&name)))
    };
    let is_also = || {
        let also = ALSO.iter().find(|(also, _)| also.starts_with(&name));
        also.and_then(|(_, other)| topics.iter().find(|topic| topic.name == *other))
    };
    exact.or_else(begins).or_else(has_word).or_else(is_also)
}

/// The section as plain text of that width.
fn shown(topic: &Topic<'_>, width: usize) -> String {
    let mut text = format!("{}\n\n", plain(topic.heading));
    let mut lines = topic.body.trim().lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                text.push_str(&format!("    {code}\n"));
            }
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(cells(row));
            }
            text.push_str(&table(&rows, width));
        } else if line.is_empty() {
            text.push('\n');
        } else {
            // The lines of a paragraph or of an item.
            let mut whole = line.to_owned();
            let goes_on = |line: &&str| !line.is_empty() && !line.starts_with(['|', '`', '-', '#']);
            while let Some(more) = lines.next_if(goes_on) {
                whole.push(' ');
                whole.push_str(more.trim());
            }
            let (mark, rest) = match whole.strip_prefix("- ") {
                Some(item) => ("- ", item),
                None => ("", whole.trim_start_matches(['#', ' '])),
            };
            let body = wrapped(&plain(rest), width - mark.len());
            let body = indented(&body, mark.len());
            text.push_str(mark);
            text.push_str(&body[mark.len()..]);
        }
    }
    text
}

/// A row's first cell on a line, and the others below it.
fn table(rows: &[Vec<String>], width: usize) -> String {
    let (heads, rows) = rows
        .split_first()
        .map_or((&[][..], rows), |(heads, rows)| (&heads[..], rows));
    let mut text = String::new();
    for row in rows
        .iter()
        .filter(|row| !row.iter().all(|cell| cell.starts_with("--")))
    {
        let (first, rest) = row
            .split_first()
            .map_or(("", &row[..]), |(first, rest)| (first, rest));
        text.push_str(&format!("  {first}\n"));
        for (n, cell) in rest.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let cell = match heads.get(n + 1) {
                Some(head) if rest.len() > 1 && !head.is_empty() => format!("{head}: {cell}"),
                _ => cell.clone(),
            };
            text.push_str(&indented(&wrapped(&cell, width - 6), 6));
        }
    }
    text
}

fn cells(line: &str) -> Vec<String> {
    let line = line.replace("\\|", "\u{0}");
    let cells = line
        .trim()
        .trim_start_matches('|')
        .trim_end_matches('|')
        .split('|');
    cells
        .map(|cell| plain(&cell.replace('\u{0}', "|")))
        .collect()
}

/// Without the marks of Markdown that say nothing on a terminal.
fn plain(text: &str) -> String {
    // Between backticks stars are what they are.
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(n, part)| match n % 2 {
        0 => part.replace("**", ""),
        _ => part.to_owned(),
    });
    let text = parts.collect::<Vec<_>>().join("`");
    let mut plain = String::new();
    let mut rest = text.trim();
    // `[words](address)` becomes its words.
    while let Some(middle) = rest.find("](") {
        let start = rest[..middle].rfind('[');
        let end = rest[middle..].find(')').map(|end| middle + end + 1);
        let (Some(start), Some(end)) = (start, end) else {
            break;
        };
        plain.push_str(&rest[..start]);
        plain.push_str(&rest[start + 1..middle]);
        rest = &rest[end..];
    }
    plain + rest
}

fn indented(text: &str, n: usize) -> String {
    let lines = text.lines();
    lines.map(|line| format!("{:n$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    const SAMPLE: &str = "# Page\n\nIntro.\n\n## `owngil map`: calls\n\nNo topic.\n\n\
        ## Python: which one\n\nIt is **this** one, see [the page](page.md#x).\nAnd so on.\n\n\
        | option | meaning |\n|---|---|\n| `-a\\|b` | first |\n\n- an item\n  of two lines\n- another\n\n\
        ```console\n$ owngil map x\n```\n\n## Exit statuses\n\nNone.\n";

    #[test]
    fn a_topic_is_found_by_its_name_its_beginning_or_a_word_of_it() {
        let topics = topics(SAMPLE);
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["python", "exit-statuses"]);
        for name in ["exit-statuses", "exit-status", "EXIT", "statuses"] {
            assert_eq!(found(&topics, name).unwrap().heading, "Exit statuses");
        }
        assert!(found(&topics, "map").is_none());
        let error = unknown("pyhton", &topics, &crate::options::args::Args::command()).to_string();
        assert!(error.ends_with("hint: did you mean python?\n"), "{error}");
    }

    #[test]
    fn a_section_is_shown_without_its_marks() {
        let topics = topics(SAMPLE);
        let expected = "Python: which one\n\nIt is this one, see the page. And so on.\n\n  \
            `-a|b`\n      first\n\n- an item of two lines\n- another\n\n    $ owngil map x\n";
        assert_eq!(shown(found(&topics, "python").unwrap(), 80), expected);
        for line in shown(found(&topics, "python").unwrap(), 20).lines() {
            assert!(line.chars().count() <= 20, "{line}");
        }
    }

    #[test]
    fn every_topic_of_the_page_can_be_shown() {
        let topics = topics(PAGE);
        let wanted = [
            "exit-status",
            "python",
            "options",
            "inputs",
            "results",
            "resume",
            "joblog",
        ];
        for wanted in wanted.iter().chain(ALSO.iter().map(|(also, _)| also)) {
            assert!(found(&topics, wanted).is_some(), "{wanted}");
        }
        for topic in &topics {
            assert!(shown(topic, 72).lines().count() > 2, "{}", topic.name);
        }
    }
}
