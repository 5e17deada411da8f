//! Rules that no compiler checks: which file may use which, where unsafe code is, what files are called and how long
//! they are, which words they use, and that the documents name what exists.
//!
//! It reads the sources as text, and needs no Python.

mod circles;
mod folders;
mod functions;
mod programs;
mod rooms;
mod source;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{code_of, read, root, sources};

/// The modules of the library's `src/`, floor by floor. A module uses those on its own floor and below, and the
/// way there is never a circle. A new edge needs its reason in docs/architecture.md.
const FLOORS: [&[&str]; 8] = [
    &[
        "bell",
        "bytes",
        "children",
        "error",
        "inherited",
        "libraries",
        "payload",
        "refusal",
        "spin",
        "sync",
    ],
    &[
        "extensions",
        "function",
        "output",
        "wire",
        "task",
        "tested",
        "runtime",
    ],
    &["host", "monitor"],
    &["interpreter"],
    &["doctor", "process"],
    &["worker"],
    &["pool"],
    &["hosted"],
];

/// Names that do not say what a file owns.
const BANNED_NAMES: [&str; 6] = ["utils", "helpers", "common", "core", "base", "imp"];

/// The most lines of a file; one that is longer has two owners in it.
const N_LINES_MAX: usize = 600;

/// Whether the word is in the text, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// What stands between `open` and the brace that belongs to it, after each `open` in the text.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let after = &code[at + prefix.len()..];
        let Some(group) = after.strip_prefix('{') else {
            names.insert(name(after));
            continue;
        };
        // The names right inside the braces; those of inner ones belong to another path.
        let mut depth = 1;
        let mut item_starts = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => item_starts = true,
                c if depth == 1 && item_starts && !c.is_whitespace() => {
                    names.insert(name(&group[at..]));
                    item_starts = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

/// The module of `src/` that a file belongs to.
fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split(['/', '.']).next().unwrap()
}

#[test]
fn comments_and_strings_are_not_code() {
    let text = "let a = \"crate::b \\\" //\"; // crate::c\nlet d = r#\"crate::\"e\"#; '\"' '\\'' &'a crate::f";
    let code = code_of(text);
    assert_eq!(code.lines().count(), 2);
    assert_eq!(
        names_after(&code, "crate::"),
        BTreeSet::from(["f".to_owned()])
    );
    let group = "use crate::{error::{Error, Result}, task, payload::{self, tag::{A, B}}};";
    let names: Vec<_> = names_after(group, "crate::").into_iter().collect();
    assert_eq!(names, ["error", "payload", "task"]);
    assert!(has_word("an unsafe block", "unsafe") && !has_word("unsafe_code", "unsafe"));
}

#[test]
fn modules_use_only_what_is_below_them() {
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("rs").iter().filter(|source| source.is_in("src/")) {
        let module = module_of(&source.path);
        // The one lists the modules, the other holds nothing but documentation.
        if matches!(module, "lib" | "compile_fail") {
            continue;
        }
        let own = floor(module);
        assert!(own.is_some(), "{} is on no floor: give it one", source.path);
        let used = names_after(&code_of(&source.text), "crate::");
        for used in used.into_iter().filter(|used| used != module) {
            let below = floor(&used);
            assert!(
                below.is_some_and(|below| Some(below) <= own),
                "{} uses crate::{used}, which is no module on its floor or below",
                source.path
            );
            edges.entry(module.to_owned()).or_default().insert(used);
        }
    }
    let drawn = read("docs/architecture.md");
    for (number, modules) in FLOORS.iter().enumerate() {
        let start = format!("\n {}  ", number + 1);
        let row = drawn.split_once(&start).unwrap().1.lines().next();
        let drawn: BTreeSet<&str> = row.unwrap().split(", ").collect();
        assert_eq!(
            drawn,
            modules.iter().copied().collect(),
            "docs/architecture.md"
        );
    }
    // Within a floor too there is a bottom: take away what uses nothing that is left.
    while !edges.is_empty() {
        let left: BTreeSet<String> = edges.keys().cloned().collect();
        edges.retain(|_, used| !used.is_disjoint(&left));
        assert!(edges.len() < left.len(), "a circle: {edges:?}");
    }
}

#[test]
fn the_command_uses_the_public_api_alone() {
    for source in sources("rs") {
        if !source.is_in("cli/src/") {
            continue;
        }
        let code = code_of(&source.text);
        for private in ["owngil_ffi", "bincode", "pyo3_ffi"] {
            assert!(!has_word(&code, private), "{} names {private}", source.path);
        }
    }
}

#[test]
fn python_and_bincode_have_one_door_each() {
    for source in sources("rs") {
        let code = code_of(&source.text);
        let door = |word: &str, path: &str| {
            let is_door = source.path == path;
            assert!(
                is_door || !has_word(&code, word),
                "{} names {word}",
                source.path
            );
        };
        door("pyo3_ffi", "ffi/src/raw.rs");
        door("bincode", "src/wire.rs");
        // What private copies find in their place calls them, on threads that they know.
        let stands_for_them =
            ["ffi/src/extension/gilstate.rs", "ffi/src/raw.rs"].contains(&&*source.path);
        assert!(
            stands_for_them || !code.contains("PyGILState"),
            "{}",
            source.path
        );
        assert!(!has_word(&code, "pyo3"), "{}", source.path);
    }
}

#[test]
fn unsafe_is_in_ffi_alone_and_says_why() {
    for source in sources("rs") {
        let code = code_of(&source.text);
        if !source.is_in("ffi/") {
            assert!(
                !has_word(&code, "unsafe"),
                "{} has unsafe code",
                source.path
            );
            continue;
        }
        let (code, text): (Vec<_>, Vec<_>) =
            (code.lines().collect(), source.text.lines().collect());
        for (number, line) in code.iter().enumerate() {
            if !line.contains("unsafe {") && !line.contains("unsafe impl") {
                continue;
            }
            // Up to the start of the statement; the comment stands before that.
            let start = (0..number).rev().find(|&above| {
                let line = code[above].trim();
                line.is_empty() || line.ends_with([';', '{', '}', ','])
            });
            let is_comment = |above: &usize| text[*above].trim().starts_with("//");
            let above = start.map_or(0, |start| start + 1);
            let comment: Vec<_> = (0..above).rev().take_while(is_comment).collect();
            assert!(
                comment.iter().any(|&line| text[line].contains("SAFETY: ")),
                "{}:{}: an unsafe block without its reason",
                source.path,
                number + 1
            );
        }
    }
    assert!(read("src/lib.rs").contains("\n#![forbid(unsafe_code)]\n"));
}

#[test]
fn files_have_one_owner_each_and_a_name_that_says_which() {
    for source in sources("rs").iter().chain(&sources("py")) {
        let n_lines = source.text.lines().count();
        assert!(n_lines <= N_LINES_MAX, "{}: {n_lines} lines", source.path);
        let stem = Path::new(&source.path).file_stem().unwrap();
        let is_banned = BANNED_NAMES.iter().any(|name| stem == *name);
        assert!(!is_banned, "{}: what does it own?", source.path);
        let says_what = source.text.starts_with("//!") || source.text.starts_with("\"\"\"");
        assert!(says_what, "{}: what does it own?", source.path);
    }
}

/// The symbols between backticks in the first column of the ledger's tables.
fn ledger() -> BTreeSet<String> {
    let text = read("docs/safety.md");
    let (_, section) = text.split_once("\n## The ledger").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let columns = rows.filter_map(|row| row.split(" | ").next());
    columns
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_ledger_lists_every_c_symbol_that_is_touched() {
    let code = code_of(&read("ffi/src/raw.rs"));
    let mut touched = names_after(&code, "pyo3_ffi::");
    touched.extend(names_after(&code, "pyo3_ffi::compat::"));
    touched.remove("compat");
    // What pyo3-ffi leaves out is declared there.
    let declared = code.split("pub(crate) fn ").skip(1);
    touched.extend(declared.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
    assert!(touched.len() > 100, "{touched:?}");
    let listed = ledger();
    let missing: Vec<_> = touched.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/safety.md lacks {missing:?}");
    let gone: Vec<_> = listed.difference(&touched).collect();
    assert!(
        gone.is_empty(),
        "docs/safety.md lists {gone:?}, which raw.rs does not"
    );
    // And nothing is listed that no code uses.
    let ffi = sources("rs")
        .into_iter()
        .filter(|source| source.is_in("ffi/src/"));
    let used: String = ffi.map(|source| code_of(&source.text)).collect();
    for symbol in touched {
        let called = has_word(&used, &format!("raw::{symbol}"));
        assert!(called, "ffi/src/raw.rs names {symbol}, which nothing uses");
    }
}

#[test]
fn every_invariant_is_in_the_safety_document_with_a_test_that_exists() {
    let document = read("docs/safety.md");
    let tests: String = sources("rs")
        .into_iter()
        .filter(|source| source.path.contains("tests"))
        .map(|source| source.text)
        .collect();
    for source in sources("rs").iter().filter(|s| s.is_in("ffi/src/")) {
        for part in source.text.split("/// # Invariant").skip(1) {
            let definition = part.lines().find(|line| line.contains("struct "));
            let definition = definition.unwrap();
            let name = names_after(definition, "struct ").pop_first().unwrap();
            let row = format!("| `{name}` |");
            assert!(
                document.contains(&row),
                "docs/safety.md lacks the row {row}"
            );
        }
    }
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("_"));
    for row in rows {
        for name in row.split('`').skip(1).step_by(2) {
            let is_test = name.matches('_').count() > 3 && name == name.to_lowercase();
            if is_test {
                assert!(
                    has_word(&tests, name),
                    "docs/safety.md names the test {name}"
                );
            }
        }
    }
}

#[test]
fn documents_name_what_is_there() {
    let documents = sources("md");
    let all: String = documents
        .iter()
        .map(|source| source.text.as_str())
        .collect();
    for example in sources("rs").iter().chain(&sources("py")) {
        if let Some(name) = example.path.strip_prefix("examples/") {
            assert!(all.contains(name), "no document names examples/{name}");
        }
    }
    for source in &documents {
        let folder = Path::new(&source.path).parent().unwrap();
        for link in source.text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap();
            if !link.is_empty() && !link.contains("://") {
                let there = root().join(folder).join(link).exists();
                assert!(there, "{} links to {link}", source.path);
            }
        }
        for word in source.text.split('`').skip(1).step_by(2) {
            let is_path = [
                "src/",
                "cli/",
                "ffi/",
                "tests/",
                "docs/",
                "examples/",
                "tools/",
            ]
            .iter()
            .any(|folder| word.starts_with(folder));
            if is_path && !word.contains([' ', '*', '{', '<']) {
                let path = word.split(':').next().unwrap();
                assert!(root().join(path).exists(), "{} names {path}", source.path);
            }
        }
    }
    let n_lines = read("docs/architecture.md").lines().count();
    assert!(n_lines <= 200, "docs/architecture.md: {n_lines} lines");
}

#[test]
fn the_page_on_compatibility_shows_the_lists_that_ship() {
    let page = read("docs/compatibility.md");
    for list in ["processes.tsv", "libraries.tsv", "packages.tsv"] {
        let text = read(&format!("src/tested/{list}"));
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        for row in rows {
            let fields: Vec<&str> = row.split('\t').collect();
            let (first, last) = (fields[0], fields[fields.len() - 1]);
            let is_shown = page.lines().any(|line| {
                let begins = line.starts_with(&format!("| {first} |"));
                begins && (list == "packages.tsv" || line.ends_with(&format!(" {last} |")))
            });
            assert!(
                is_shown,
                "docs/compatibility.md lacks {row:?} of {list}: `make compatibility` writes it"
            );
        }
    }
}

#[test]
fn a_source_distribution_finds_each_target_that_it_leaves_out() {
    for manifest in ["Cargo.toml", "cli/Cargo.toml", "ffi/Cargo.toml"] {
        let text = read(manifest);
        for table in text.split("\n[[").skip(1) {
            let table = table.split("\n[").next().unwrap_or(table);
            let has_path = table.lines().any(|line| line.starts_with("path = "));
            assert!(
                has_path,
                "{manifest}: cargo looks for the file of [[{table}"
            );
        }
    }
}
