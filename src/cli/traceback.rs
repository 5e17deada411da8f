//! Traceback: Python's text, with the frames that are not the user's left out.

/// How many packages are named for frames that are left out.
const N_NAMED: usize = 3;

/// The text without the frames of the standard library and of installed packages.
///
/// Where there would be none left, and where the text is of another form, it stays as it is.
pub(crate) fn trimmed(text: &str) -> String {
    let mut trimmed = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        trimmed.push_str(line);
        trimmed.push('\n');
        if line != "Traceback (most recent call last):" {
            continue;
        }
        let mut frames: Vec<Frame<'_>> = Vec::new();
        while let Some(first) = lines.next_if(|line| line.starts_with("  File \"")) {
            let mut frame = Frame {
                file: file_of(first),
                lines: vec![first],
            };
            let belongs = |line: &&str| line.starts_with("    ") || line.starts_with("  [");
            while let Some(more) = lines.next_if(belongs) {
                frame.lines.push(more);
            }
            frames.push(frame);
        }
        append(&mut trimmed, &frames);
    }
    trimmed
}

struct Frame<'t> {
    file: &'t str,
    lines: Vec<&'t str>,
}

fn append(text: &mut String, frames: &[Frame<'_>]) {
    let is_foreign = |frame: &Frame<'_>| owner(frame.file).is_some();
    let keeps_all = frames.iter().all(is_foreign);
    for run in frames.chunk_by(|a, b| is_foreign(a) == is_foreign(b)) {
        if keeps_all || !is_foreign(&run[0]) {
            for line in run.iter().flat_map(|frame| &frame.lines) {
                text.push_str(line);
                text.push('\n');
            }
            continue;
        }
        let mut owners: Vec<&str> = Vec::new();
        for owner in run.iter().filter_map(|frame| owner(frame.file)) {
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        let and_more = if owners.len() > N_NAMED { ", …" } else { "" };
        owners.truncate(N_NAMED);
        let plural = if run.len() == 1 { "" } else { "s" };
        let (n, owners) = (run.len(), owners.join(", "));
        text.push_str(&format!(
            "  ({n} frame{plural} of {owners}{and_more}: -v shows all)\n"
        ));
    }
}

fn file_of(line: &str) -> &str {
    let rest = line.strip_prefix("  File \"").unwrap_or_default();
    rest.split_once("\", line ").map_or(rest, |(file, _)| file)
}

/// The package or the module of the standard library that a file belongs to; `None` for the user's own.
fn owner(file: &str) -> Option<&str> {
    if let Some(frozen) = file.strip_prefix("<frozen ") {
        return Some(frozen.trim_end_matches('>'));
    }
    let after = |folder: &str| file.rsplit_once(folder).map(|(_, inside)| inside);
    let installed = after("/site-packages/").or_else(|| after("/dist-packages/"));
    let inside = installed.or_else(|| {
        let version = after("/lib/python3.").or_else(|| after("/lib64/python3."))?;
        let (version, inside) = version.split_once('/')?;
        version
            .chars()
            .all(|c| c.is_ascii_digit() || c == 't')
            .then_some(inside)
    })?;
    let first = inside.split('/').next().unwrap_or(inside);
    Some(first.strip_suffix(".py").unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_libraries_are_counted_and_named() {
        let text = "Traceback (most recent call last):\n  \
            File \"/home/me/a.py\", line 3, in f\n    return json.loads(x)\n           ~~~~~~~~~~^^^\n  \
            File \"/usr/lib/python3.13/json/__init__.py\", line 346, in loads\n    return d.decode(s)\n  \
            File \"/usr/lib/python3.13/json/decoder.py\", line 345, in decode\n    obj = x\n    ^^^\n  \
            [Previous line repeated 2 more times]\n  \
            File \"/v/lib/python3.13/site-packages/deep/x.py\", line 1, in g\n\
            json.decoder.JSONDecodeError: Expecting value\na second line\n";
        let expected = "Traceback (most recent call last):\n  \
            File \"/home/me/a.py\", line 3, in f\n    return json.loads(x)\n           ~~~~~~~~~~^^^\n  \
            (3 frames of json, deep: -v shows all)\n\
            json.decoder.JSONDecodeError: Expecting value\na second line\n";
        assert_eq!(trimmed(text), expected);
    }

    #[test]
    fn each_traceback_of_a_chain_is_trimmed_and_one_without_own_frames_is_not() {
        let library = "Traceback (most recent call last):\n  File \"/usr/lib/python3.12/re.py\", \
            line 1, in c\n    pass\nKeyError: 1\n";
        let chain = format!(
            "{library}\nDuring handling of the above exception, another exception occurred:\n\n\
             Traceback (most recent call last):\n  File \"<frozen runpy>\", line 1, in r\n  \
             File \"a.py\", line 2, in g\nValueError\n"
        );
        let shown = trimmed(&chain);
        assert!(shown.starts_with(library), "{shown}");
        let end = "last):\n  (1 frame of runpy: -v shows all)\n  File \"a.py\", line 2, in g\nValueError\n";
        assert!(shown.ends_with(end), "{shown}");
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for text in [
            "",
            "ValueError: no\n",
            "  File \"/usr/lib/python3.13/x.py\", line 1\n    def f(:\n          ^\nSyntaxError: bad\n",
            "  + Exception Group Traceback (most recent call last):\n  |   File \"/usr/lib/python3.13/a.py\"\n",
        ] {
            assert_eq!(trimmed(text), text);
        }
    }

    #[test]
    fn files_belong_to_whoever_installed_them() {
        for (file, expected) in [
            ("/home/me/lib/python3.13-notes/a.py", None),
            ("/home/me/python/json.py", None),
            ("a.py", None),
            ("/usr/lib/python3/dist-packages/yaml/x.py", Some("yaml")),
            ("/opt/lib64/python3.14t/asyncio/tasks.py", Some("asyncio")),
            ("/opt/lib/python3.14/random.py", Some("random")),
            (
                "<frozen importlib._bootstrap>",
                Some("importlib._bootstrap"),
            ),
        ] {
            assert_eq!(owner(file), expected, "{file}");
        }
    }
}
