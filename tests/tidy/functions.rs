//! How long functions are.

use crate::source::{code_of, sources};

/// The most lines of a function, from its name to its end, with those of functions inside it.
const N_LINES_MAX: usize = 80;

/// A function: its name, and how many lines it has.
type Function = (String, usize);

/// The functions of Rust code.
fn of_rust(text: &str) -> Vec<Function> {
    let code = code_of(text);
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(char::is_whitespace)
    });
    let functions = starts.filter_map(|(at, _)| {
        let definition = &code[at..];
        let n_lines = definition[..length(definition)?].lines().count();
        let name = definition["fn ".len()..].split(['(', '<']).next()?;
        Some((name.to_owned(), n_lines))
    });
    functions.collect()
}

/// How long a definition is, up to the end of its body; `None` for one without a body.
fn length(definition: &str) -> Option<usize> {
    let (mut n_braces, mut n_others) = (0, 0);
    for (at, c) in definition.char_indices() {
        match c {
            '{' => n_braces += 1,
            '}' => n_braces -= 1,
            '(' | '[' => n_others += 1,
            ')' | ']' => n_others -= 1,
            ';' if n_braces == 0 && n_others == 0 => return None,
            _ => {}
        }
        if c == '}' && n_braces == 0 && n_others == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The functions of Python code.
fn of_python(text: &str) -> Vec<Function> {
    let lines = code_lines(text);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let starts = lines.iter().enumerate().filter_map(|(number, line)| {
        let definition = line.trim_start();
        let definition = definition.strip_prefix("async ").unwrap_or(definition);
        Some((number, definition.strip_prefix("def ")?))
    });
    let functions = starts.map(|(number, definition)| {
        // Parentheses that close the list of parameters are not indented.
        let is_inside = |line: &&str| {
            let is_parameters = line.trim_start().starts_with([')', ']']);
            line.trim().is_empty() || is_parameters || indent(line) > indent(&lines[number])
        };
        let body = lines[number + 1..].iter().map(String::as_str);
        let body: Vec<&str> = body.take_while(is_inside).collect();
        let last = body.iter().rposition(|line| !line.trim().is_empty());
        let name = definition.split(['(', '[']).next().unwrap_or_default();
        (name.to_owned(), last.map_or(1, |last| last + 2))
    });
    functions.collect()
}

/// The lines of Python code. What stands inside a text of several lines is replaced by the indentation of its first.
fn code_lines(text: &str) -> Vec<String> {
    let mut quote = None;
    let mut indent = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let is_inside = quote.is_some();
        let mut rest = line;
        loop {
            let next = match quote {
                Some(quote) => rest.find(quote).map(|at| (at, None)),
                None => ["\"\"\"", "'''"]
                    .into_iter()
                    .filter_map(|quote| Some((rest.find(quote)?, Some(quote))))
                    .min(),
            };
            let Some((at, after)) = next else { break };
            rest = &rest[at + 3..];
            quote = after;
        }
        if is_inside {
            lines.push(format!("{indent}-"));
        } else {
            indent = line[..line.len() - line.trim_start().len()].to_owned();
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn functions_are_measured_to_their_ends() {
    let rust = "trait A { fn none(a: [u8; 2]) -> u8; }\nfn one() { '{' }\nfn three<'a>() {\n    \"}\"\n}\n\
                type B = fn (u8);";
    let expected = [("one", 1), ("three", 3)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(of_rust(rust), expected);
    let python = "def two():\n    pass\n\nasync def six(\n    a,\n):\n    text = '''\ndef none(): '''\n    pass\n\n\
                  class A:\n    def one(self): pass\n";
    let expected = [("two", 2), ("six", 6), ("one", 1)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(of_python(python), expected);
}

#[test]
fn functions_are_short() {
    for (extension, functions_of) in [("rs", of_rust as fn(&str) -> _), ("py", of_python)] {
        let mut n_functions = 0;
        for source in sources(extension) {
            for (name, n_lines) in functions_of(&source.text) {
                let path = &source.path;
                assert!(n_lines <= N_LINES_MAX, "{path}: {name} has {n_lines} lines");
                n_functions += 1;
            }
        }
        assert!(
            n_functions > 500,
            "{extension}: {n_functions} functions are found"
        );
    }
}
