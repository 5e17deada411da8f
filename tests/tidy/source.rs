//! The files of the repository, as text.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of the repository, from its root, without hidden files and what builds leave.
pub(crate) fn files() -> Vec<PathBuf> {
    const BUILT: [&str; 3] = ["target", "dist", "__pycache__"];
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_built = BUILT.contains(&&*name) || name.ends_with(".so");
            if name.starts_with('.') || is_built || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort();
    found
}

/// All files of the repository with that extension.
pub(crate) fn sources(extension: &str) -> Vec<Source> {
    let mut found = files();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    let sources = found.into_iter().map(|path| Source {
        text: fs::read_to_string(root().join(&path)).unwrap(),
        path: path.to_string_lossy().into_owned(),
    });
    sources.collect()
}

/// Rust source with comments and texts blanked out, line by line as it was.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(&code, rest) {
            length
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].char_indices().find(|&(_, c)| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(at, _)| at + 2)
        } else if let Some(length) = character(rest) {
            length
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (blank, after) = rest.split_at(length);
        code.extend(blank.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    code
}

/// How long the raw string is that the code starts with; `before` is the code before it.
fn raw_text(before: &str, code: &str) -> Option<usize> {
    let after = code.strip_prefix('r')?;
    let body = after.trim_start_matches('#');
    let n_hashes = after.len() - body.len();
    let body = body.strip_prefix('"')?;
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(n_hashes));
    let end = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(code.len() - body.len() + end)
}

/// How long the character literal is that the code starts with. A lifetime has no second quote.
fn character(code: &str) -> Option<usize> {
    let inside = code.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let end = match first {
        // The one after the backslash may be a quote.
        '\\' => 2 + inside.get(2..)?.find('\'')?,
        _ => first.len_utf8(),
    };
    inside[end..].starts_with('\'').then_some(end + 2)
}
