//! Metadata: the Python that a script needs, from its block as in PEP 723.

use std::fs;
use std::path::{Path, PathBuf};

use owngil::Version;
use toml::{Table, Value};

/// What stands in a script's block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) script: PathBuf,
    pub(crate) requires_python: Option<String>,
    pub(crate) dependencies: Vec<String>,
}

impl Metadata {
    /// That of a script; `None` where it has none, or cannot be read, which is an error when it is loaded.
    pub(crate) fn of(script: &Path) -> Result<Option<Metadata>, String> {
        // A pipe has been read, and gives nothing more: one with a name would be waited for without end.
        let text = script.is_file().then(|| fs::read(script).ok());
        let Some(text) = text.flatten() else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&text);
        let Some(block) = block(&text) else {
            return Ok(None);
        };
        let table: Table = block
            .parse()
            .map_err(|error: toml::de::Error| error.to_string())?;
        let requires = table.get("requires-python").and_then(Value::as_str);
        let dependencies = table.get("dependencies").and_then(Value::as_array);
        let dependencies = dependencies.into_iter().flatten();
        Ok(Some(Metadata {
            script: script.to_owned(),
            requires_python: requires.map(str::to_owned),
            dependencies: dependencies
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
        }))
    }

    /// Whether it allows for that Python, as far as that is known.
    pub(crate) fn allows(&self, version: Version) -> bool {
        let Some(requires) = &self.requires_python else {
            return true;
        };
        let version = [version.major, version.minor, version.micro].map(u64::from);
        requires
            .split(',')
            .all(|clause| holds(clause.trim(), &version).unwrap_or(true))
    }
}

/// The text of the block `script`, without the `#` that each of its lines begins with.
fn block(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_end);
    lines.find(|line| *line == "# /// script")?;
    let inside: Vec<&str> = lines
        .take_while(|line| *line == "#" || line.starts_with("# "))
        .collect();
    // The last such line ends it: there may be others in texts.
    let end = inside.iter().rposition(|line| *line == "# ///")?;
    let inside = inside[..end].iter();
    Some(
        inside
            .map(|line| line.get(2..).unwrap_or("").to_owned() + "\n")
            .collect(),
    )
}

/// Whether a clause such as `>=3.12` holds; `None` where it is of a form that is not known.
fn holds(clause: &str, version: &[u64; 3]) -> Option<bool> {
    let at = clause.find(|c: char| !"<>=!~".contains(c))?;
    let (operator, number) = clause.split_at(at);
    let number = number.trim();
    let (number, is_prefix) = match number.strip_suffix(".*") {
        Some(prefix) => (prefix, true),
        None => (number, false),
    };
    let parts: Vec<u64> = number
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let mut padded = [0; 3];
    padded
        .iter_mut()
        .zip(&parts)
        .for_each(|(to, from)| *to = *from);
    let starts = |n: usize| {
        version
            .iter()
            .zip(&parts[..n.min(parts.len())])
            .all(|(a, b)| a == b)
    };
    let equal = if is_prefix {
        starts(3)
    } else {
        *version == padded
    };
    Some(match operator {
        ">=" => *version >= padded,
        "<=" => *version <= padded,
        ">" => *version > padded,
        "<" => *version < padded,
        "==" | "===" => equal,
        "!=" => !equal,
        "~=" => *version >= padded && starts(parts.len().saturating_sub(1)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<Metadata>, String> {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.py");
        fs::write(&script, text).unwrap();
        Metadata::of(&script)
    }

    #[test]
    fn the_block_is_read_wherever_it_stands() {
        let text = "#!/usr/bin/env python\n\"\"\"Doc.\"\"\"\n# /// script\n# requires-python = \">=3.12\"\n\
                    # dependencies = [\n#   \"requests<3\",\n#\n#   \"rich\",\n# ]\n# ///\nimport rich\n";
        let metadata = of(text).unwrap().unwrap();
        assert_eq!(metadata.requires_python.as_deref(), Some(">=3.12"));
        assert_eq!(metadata.dependencies, ["requests<3", "rich"]);
    }

    #[test]
    fn no_block_is_none_and_a_broken_one_is_reported() {
        for text in [
            "print(1)\n",
            "# /// other\n# a = 1\n# ///\n",
            "# /// script\n# a = 1\nprint(1)\n",
            "## /// script\n# ///\n",
        ] {
            assert_eq!(of(text), Ok(None), "{text}");
        }
        assert!(of("# /// script\n# dependencies = [\n# ///\n").is_err());
        assert_eq!(Metadata::of(Path::new("/nowhere.py")), Ok(None));
    }

    #[test]
    fn versions_are_compared_by_each_clause() {
        let allows = |requires: &str| {
            let mut clauses = requires.split(',');
            clauses.all(|clause| holds(clause.trim(), &[3, 13, 2]).unwrap_or(true))
        };
        for requires in [
            ">=3.12",
            ">=3.13.2",
            ">3.13",
            "<3.14",
            "<=3.13.2",
            "==3.13.*",
            "==3.13.2",
            "~=3.12",
            "~=3.13.0",
            "!=3.12.*",
            ">= 3.11, <4",
            "what",
            "==3.13.2rc1",
        ] {
            assert!(allows(requires), "{requires}");
        }
        for requires in [
            ">=3.14",
            ">3.13.2",
            "<3.13",
            "==3.13",
            "==3.12.*",
            "~=3.12.1",
            "!=3.13.*",
            "~=3.14",
            ">=3.12,<3.13",
        ] {
            assert!(!allows(requires), "{requires}");
        }
    }
}
