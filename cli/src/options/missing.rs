//! Missing: a file that does not exist, and the one that may have been meant.

use std::fs;
use std::path::Path;

use super::suggest::nearest;

/// How many names of a folder are looked at: one of millions is no place to guess in.
const NAMES_MAX: usize = 10_000;

/// What to do about it, as far as its folder tells.
pub(crate) fn hint(path: &Path) -> Option<String> {
    let folder = match path.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return (!folder.exists()).then(|| format!("there is no directory {}", folder.display()));
    };
    let names = entries.take(NAMES_MAX).filter_map(|entry| {
        let entry = entry.ok()?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry.file_name().into_string().ok().filter(|_| !is_folder)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    let name = meant(&names, path.file_name()?.to_str()?)?;
    Some(format!(
        "did you mean {}?",
        path.with_file_name(name).display()
    ))
}

/// Files of a kind are alike in how they end, which tells nothing of them: it is the rest that is to be like.
fn meant<'n>(names: &'n [String], written: &str) -> Option<&'n str> {
    let (stem, ending) = parts(written);
    let of_a_kind = names.iter().map(|name| parts(name));
    let of_a_kind = of_a_kind.filter(|(_, other)| *other == ending);
    let others = |wanted: &str| names.iter().find(|name| *name == wanted);
    if let Some(found) = nearest(of_a_kind.map(|(stem, _)| stem), stem) {
        return others(&format!("{found}{ending}")).map(String::as_str);
    }
    let same_stem = names
        .iter()
        .find(|name| parts(name).0 == stem && !stem.is_empty());
    same_stem.map(String::as_str)
}

/// A name's stem, and its ending with the dot.
fn parts(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_may_have_been_meant_is_named_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["people.csv", "names.txt", "a.json", ".hidden", "list"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("name.txt")).unwrap();
        for (written, meant) in [
            ("peolpe.csv", Some("people.csv")),
            ("people.txt", Some("people.csv")),
            ("name.txt", Some("names.txt")),
            ("nmaes.txt", Some("names.txt")),
            ("a.jsonl", Some("a.json")),
            ("lsit", Some("list")),
            ("other.txt", None),
            ("x.csv", None),
            ("", None),
        ] {
            let hint = hint(&folder.path().join(written));
            let meant = meant.map(|name| folder.path().join(name));
            let expected = meant.map(|path| format!("did you mean {}?", path.display()));
            assert_eq!(hint.filter(|_| !written.is_empty()), expected, "{written}");
        }
        let below = folder.path().join("no/x");
        let expected = format!("there is no directory {}/no", folder.path().display());
        assert_eq!(hint(&below), Some(expected));
    }

    #[test]
    fn a_name_in_this_folder_is_named_without_one() {
        assert_eq!(
            hint(Path::new("Crago.toml")).as_deref(),
            Some("did you mean Cargo.toml?")
        );
        assert_eq!(
            hint(Path::new("no/x")).as_deref(),
            Some("there is no directory no")
        );
    }
}
