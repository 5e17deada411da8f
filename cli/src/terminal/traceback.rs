//! Traceback: Python's text, with the frames that are not the user's left out.

/// How many packages are named for frames that are left out.
const N_NAMED: usize = 3;

/// The text without the frames of the standard library and of installed packages.
///
/// Where there would be none left, the first one stays: what was called. Text of another form stays as it is.
pub(crate) fn trimmed(text: &str) -> String {
    let mut trimmed = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    // The stack of a task that was ended has no line above it.
    let mut has_frames = lines.peek().is_some_and(|line| is_frame(line));
    while lines.peek().is_some() {
        if !has_frames {
            let line = lines.next().unwrap_or_default();
            trimmed.push_str(line);
            trimmed.push('\n');
            has_frames = line == "Traceback (most recent call last):";
            continue;
        }
        has_frames = false;
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
            if !frame.is_ours() {
                frames.push(frame);
            }
        }
        append(&mut trimmed, &frames);
    }
    trimmed
}

struct Frame<'t> {
    file: &'t str,
    lines: Vec<&'t str>,
}

impl Frame<'_> {
    /// Whether it is of what owngil itself runs in interpreters.
    fn is_ours(&self) -> bool {
        let begins = |with| self.file.starts_with(with);
        begins("<owngil ") || begins("<source>:owngil_source_")
    }

    fn append(&self, text: &mut String) {
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
    }
}

fn append(text: &mut String, frames: &[Frame<'_>]) {
    let is_shown = |frame: &Frame<'_>| owner(frame.file).is_none();
    // What was called, if nothing else would be left.
    let n_first = usize::from(!frames.iter().any(is_shown)).min(frames.len());
    let (first, frames) = frames.split_at(n_first);
    first.iter().for_each(|frame| frame.append(text));
    for run in frames.chunk_by(|a, b| is_shown(a) == is_shown(b)) {
        if is_shown(&run[0]) {
            run.iter().for_each(|frame| frame.append(text));
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

/// Whether the line names a place in the running of a program, and not in a text that does not compile.
fn is_frame(line: &str) -> bool {
    line.starts_with("  File \"") && line.contains(", in ")
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
    fn each_traceback_of_a_chain_is_trimmed_and_one_without_own_frames_keeps_its_first() {
        let library = "Traceback (most recent call last):\n  File \"/usr/lib/python3.12/re.py\", \
            line 1, in c\n    pass\n  File \"/usr/lib/python3.12/os.py\", line 2, in d\nKeyError: 1\n";
        let kept = "Traceback (most recent call last):\n  File \"/usr/lib/python3.12/re.py\", \
            line 1, in c\n    pass\n  (1 frame of os: -v shows all)\nKeyError: 1\n";
        let chain = format!(
            "{library}\nDuring handling of the above exception, another exception occurred:\n\n\
             Traceback (most recent call last):\n  File \"<frozen runpy>\", line 1, in r\n  \
             File \"a.py\", line 2, in g\nValueError\n"
        );
        let shown = trimmed(&chain);
        assert!(shown.starts_with(kept), "{shown}");
        let end = "last):\n  (1 frame of runpy: -v shows all)\n  File \"a.py\", line 2, in g\nValueError\n";
        assert!(shown.ends_with(end), "{shown}");
    }

    #[test]
    fn frames_of_owngil_itself_are_no_ones_business() {
        let stack = "  File \"<owngil scripts/script>\", line 32, in _Script.__call__\n  \
            File \"/home/me/slow.py\", line 2, in <module>\n";
        assert_eq!(
            trimmed(stack),
            "  File \"/home/me/slow.py\", line 2, in <module>\n"
        );
        let code = "Traceback (most recent call last):\n  \
            File \"<source>:owngil_source_1\", line 9, in _made\n    eval()\n  \
            File \"<code>\", line 1\n    x +\n      ^\nSyntaxError: invalid syntax\n";
        let shown = "Traceback (most recent call last):\n  \
            File \"<code>\", line 1\n    x +\n      ^\nSyntaxError: invalid syntax\n";
        assert_eq!(trimmed(code), shown);
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
    fn files_belong_to_the_package_that_installed_them() {
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
