//! Names: the files that patterns match, in an order that does not depend on the disk.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobMatcher};
use ignore::{Walk, WalkBuilder};

use crate::exit::Exit;
use crate::failure::Problem;
use crate::fatal::Fatal;
use crate::input::block::{Block, Format};

/// How many names go into one block.
const N_NAMES: usize = 64;

/// What is passed over on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// What `.gitignore` and `.ignore` name is taken too.
    pub(super) ignores_nothing: bool,
    /// What begins with a dot is taken too.
    pub(super) takes_hidden: bool,
}

/// The names of the files that some patterns match.
pub(super) struct Names {
    rules: Rules,
    /// Each with the folder where its files are, the ones that are done first.
    patterns: Vec<Pattern>,
    refused: Vec<GlobMatcher>,
    n_done: usize,
    walk: Option<Walk>,
    /// What was found to see whether there is anything.
    found: Option<Found>,
}

/// The name of a file, or why what is there cannot be looked at.
type Found = Result<PathBuf, Problem>;

#[derive(Debug)]
struct Pattern {
    matcher: GlobMatcher,
    root: PathBuf,
    depth_max: Option<usize>,
}

impl Names {
    /// Looks for the first of them.
    pub(super) fn find(patterns: &[String], rules: Rules) -> Result<Names, Fatal> {
        let (refused, wanted): (Vec<&String>, Vec<&String>) = patterns
            .iter()
            .partition(|pattern| pattern.starts_with('!'));
        let wanted: Result<Vec<Pattern>, Fatal> =
            wanted.into_iter().map(|text| Pattern::new(text)).collect();
        let refused: Result<Vec<GlobMatcher>, Fatal> = refused
            .into_iter()
            .map(|text| matcher(&text[1..]))
            .collect();
        let mut names = Names {
            rules,
            patterns: wanted?,
            refused: refused?,
            n_done: 0,
            walk: None,
            found: None,
        };
        names.found = names.next_name();
        if names.found.is_none() {
            let fatal = Fatal::new(
                Exit::Usage,
                format!("no file matches {}", patterns.join(" ")),
            );
            let hint = match rules.ignores_nothing && rules.takes_hidden {
                true => "** stands for any folders, * for any part of a name",
                false => {
                    "files that .gitignore names or that begin with a dot are skipped: \
                     --no-ignore and --hidden include them"
                }
            };
            return Err(fatal.hint(hint));
        }
        Ok(names)
    }

    fn next_name(&mut self) -> Option<Found> {
        loop {
            let pattern = self.patterns.get(self.n_done)?;
            let rules = self.rules;
            let walk = self.walk.get_or_insert_with(|| pattern.walk(rules));
            let entry = match walk.next() {
                Some(Ok(entry)) => entry,
                // One that is not there has no files.
                Some(Err(error)) if error.io_error().is_some_and(is_missing) => continue,
                Some(Err(error)) => {
                    return Some(Err(Problem::new(format!("cannot look there: {error}"))));
                }
                None => {
                    self.walk = None;
                    self.n_done += 1;
                    continue;
                }
            };
            let path = entry.path().strip_prefix("./").unwrap_or(entry.path());
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file())
                || (entry.path_is_symlink() && entry.path().is_file());
            let (before, rest) = self.patterns.split_at(self.n_done);
            let is_wanted = is_file
                && rest[0].matcher.is_match(path)
                && !self.refused.iter().any(|refused| refused.is_match(path))
                && !before.iter().any(|before| before.matcher.is_match(path));
            if is_wanted {
                return Some(Ok(path.to_owned()));
            }
        }
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, Fatal> {
        let text = text.strip_prefix("./").unwrap_or(text);
        let parts: Vec<&str> = text.split('/').collect();
        let is_literal = |part: &&&str| !part.contains(['*', '?', '[', '{', '\\']);
        let n_literal = parts.iter().take_while(is_literal).count();
        let root = match n_literal {
            0 => ".".to_owned(),
            1 if parts[0].is_empty() => "/".to_owned(),
            n => parts[..n].join("/"),
        };
        // Braces may hold folders.
        let is_deep = text.contains("**") || text.contains('{');
        Ok(Pattern {
            matcher: matcher(text)?,
            root: root.into(),
            depth_max: (!is_deep).then(|| parts.len() - n_literal),
        })
    }

    fn walk(&self, rules: Rules) -> Walk {
        WalkBuilder::new(&self.root)
            .standard_filters(!rules.ignores_nothing)
            .hidden(!rules.takes_hidden)
            .require_git(false)
            .max_depth(self.depth_max)
            .sort_by_file_name(Ord::cmp)
            .build()
    }
}

fn matcher(text: &str) -> Result<GlobMatcher, Fatal> {
    let text = text.strip_prefix("./").unwrap_or(text);
    let built = GlobBuilder::new(text).literal_separator(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|error| {
        let fatal = Fatal::new(Exit::Usage, format!("{text} is not a pattern"));
        fatal
            .cause(error.kind())
            .hint("for example --glob '**/*.csv'; !PATTERN leaves files out")
    })
}

impl Iterator for Names {
    type Item = Result<Block, Fatal>;

    fn next(&mut self) -> Option<Result<Block, Fatal>> {
        let mut block = Block::new(Vec::new(), Vec::new(), Format::Text);
        while block.len() < N_NAMES {
            let Some(found) = self.found.take().or_else(|| self.next_name()) else {
                break;
            };
            match found {
                Ok(path) => block.push_record(path.as_os_str().as_bytes()),
                Err(problem) => {
                    block.problems.push((block.len(), problem));
                    block.push_record(b"");
                }
            }
        }
        (block.len() > 0).then_some(Ok(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    const STRICT: Rules = Rules {
        ignores_nothing: false,
        takes_hidden: false,
    };

    /// The names below a folder that patterns below it match.
    fn names(folder: &Path, patterns: &[&str], rules: Rules) -> Vec<String> {
        let root = folder.to_str().unwrap();
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| match pattern.strip_prefix('!') {
                Some(pattern) => format!("!{root}/{pattern}"),
                None => format!("{root}/{pattern}"),
            })
            .collect();
        let Ok(names) = Names::find(&patterns, rules) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for block in names {
            let block = block.unwrap();
            let records = (0..block.len()).map(|place| block.record(place).to_vec());
            let records = records.map(|record| String::from_utf8(record).unwrap());
            found.extend(records.map(|name| name.strip_prefix(root).unwrap()[1..].to_owned()));
        }
        found
    }

    #[test]
    fn patterns_match_in_order_with_ignore_rules() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/deep")).unwrap();
        fs::create_dir_all(root.join("build")).unwrap();
        for name in [
            "z.csv",
            "a.csv",
            "-x y.csv",
            "b/2.csv",
            "b/deep/1.csv",
            "b/deep/1.txt",
            ".h.csv",
            "build/o.csv",
        ] {
            fs::write(root.join(name), "").unwrap();
        }
        fs::write(root.join(".gitignore"), "build/\n").unwrap();
        let all = ["-x y.csv", "a.csv", "b/2.csv", "b/deep/1.csv", "z.csv"];
        assert_eq!(names(root, &["**/*.csv"], STRICT), all);
        assert_eq!(
            names(root, &["*.csv"], STRICT),
            ["-x y.csv", "a.csv", "z.csv"]
        );
        assert_eq!(
            names(root, &["b/**"], STRICT),
            ["b/2.csv", "b/deep/1.csv", "b/deep/1.txt"]
        );
        assert_eq!(
            names(root, &["z.csv", "*.csv"], STRICT),
            ["z.csv", "-x y.csv", "a.csv"]
        );
        assert_eq!(
            names(root, &["**/*.csv", "!b/**", "!a*"], STRICT),
            ["-x y.csv", "z.csv"]
        );
        let hidden = Rules {
            takes_hidden: true,
            ..STRICT
        };
        assert_eq!(names(root, &["*.csv"], hidden)[1], ".h.csv");
        let ignored = Rules {
            ignores_nothing: true,
            ..STRICT
        };
        assert!(names(root, &["**/*.csv"], ignored).contains(&"build/o.csv".to_owned()));
        assert!(names(root, &["*.none"], STRICT).is_empty());
        assert!(names(root, &["nowhere/*.csv"], STRICT).is_empty());
    }

    #[test]
    fn what_is_no_pattern_is_reported() {
        let Err(fatal) = Names::find(&["a[".to_owned()], STRICT) else {
            panic!("it is none")
        };
        assert!(
            fatal
                .to_string()
                .starts_with("error: a[ is not a pattern\ncaused by: "),
            "{fatal}"
        );
    }
}
