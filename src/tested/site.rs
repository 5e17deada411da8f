//! Site: which installed distribution a file belongs to, by what installers leave beside it (PEP 376, PEP 427).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

/// A distribution that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Distribution {
    /// As its folder spells it.
    pub(super) name: String,
    pub(super) version: String,
    /// Whether it came as a wheel that was made for other machines than the one that built it: its tags say so.
    pub(super) is_published: bool,
    /// Its files in machine code and their sizes, by their paths from the site folder.
    files: HashMap<PathBuf, Option<u64>>,
}

/// The distributions of a folder, each read when it is asked for.
#[derive(Debug)]
struct Site {
    /// When an entry came or went last.
    modified: Option<SystemTime>,
    folders: BTreeMap<String, PathBuf>,
    read: HashMap<String, Option<Arc<Distribution>>>,
}

/// The sites that have been asked so far.
static SITES: LazyLock<Mutex<HashMap<PathBuf, Site>>> = LazyLock::new(Mutex::default);

/// A name as all of its spellings are compared (PEP 503).
pub(crate) fn normalised(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let parts = lower.split(['-', '_', '.']);
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// The distribution that brought that file. Those of these normalised names are looked at first.
pub(super) fn distribution_of(file: &Path, likely: &[String]) -> Option<Arc<Distribution>> {
    let file = std::path::absolute(file).ok()?;
    let n_bytes = fs::metadata(&file).ok()?.len();
    let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    for folder in file.ancestors().skip(1) {
        let modified = fs::metadata(folder).and_then(|folder| folder.modified());
        let modified = modified.ok();
        if sites
            .get(folder)
            .is_none_or(|site| site.modified != modified)
        {
            sites.insert(folder.to_owned(), Site::of(folder, modified));
        }
        let (Some(site), Ok(path)) = (sites.get_mut(folder), file.strip_prefix(folder)) else {
            continue;
        };
        if let Some(found) = site.distribution_of(path, likely) {
            // One that is not as it was installed is another.
            let installed = found.files.get(path).copied().flatten();
            let is_same = installed.is_none_or(|installed| installed == n_bytes);
            return is_same.then_some(found);
        }
    }
    None
}

impl Site {
    fn of(folder: &Path, modified: Option<SystemTime>) -> Site {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (name, _) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
            Some((normalised(name), entry.path()))
        });
        Site {
            modified,
            folders: folders.collect(),
            read: HashMap::new(),
        }
    }

    fn distribution_of(&mut self, path: &Path, likely: &[String]) -> Option<Arc<Distribution>> {
        let all: Vec<String> = self.folders.keys().cloned().collect();
        let first = likely
            .iter()
            .filter(|name| self.folders.contains_key(*name));
        let first: Vec<String> = first.cloned().collect();
        first.iter().chain(&all).find_map(|name| {
            let folder = &self.folders[name];
            let read = self.read.entry(name.clone());
            let found = read.or_insert_with(|| Distribution::read(folder).map(Arc::new));
            found.clone().filter(|found| found.files.contains_key(path))
        })
    }
}

impl Distribution {
    /// What its folder says of it; none where that lacks the list of its files.
    fn read(folder: &Path) -> Option<Distribution> {
        let name = folder.file_stem()?.to_str()?;
        let (name, version) = name.rsplit_once('-')?;
        let record = fs::read_to_string(folder.join("RECORD")).ok()?;
        let wheel = fs::read_to_string(folder.join("WHEEL")).unwrap_or_default();
        Some(Distribution {
            name: name.to_owned(),
            version: version.to_owned(),
            is_published: is_published(&wheel),
            files: record.lines().filter_map(recorded).collect(),
        })
    }
}

/// Whether a WHEEL file has the tag of a wheel that is made to be published (PEP 600, PEP 656).
fn is_published(wheel: &str) -> bool {
    let tags = wheel.lines().filter_map(|line| line.strip_prefix("Tag:"));
    let mut platforms = tags.filter_map(|tag| tag.trim().rsplit('-').next());
    platforms.any(|platform| platform.starts_with("manylinux") || platform.starts_with("musllinux"))
}

/// A file in machine code, of a line of RECORD: path, hash and size, the path in quotes where it has a comma.
fn recorded(line: &str) -> Option<(PathBuf, Option<u64>)> {
    let (rest, n_bytes) = line.rsplit_once(',')?;
    let (path, _) = rest.rsplit_once(',')?;
    let quoted = path
        .strip_prefix('"')
        .and_then(|path| path.strip_suffix('"'));
    let path = quoted.map_or_else(|| path.to_owned(), |path| path.replace("\"\"", "\""));
    path.ends_with(".so")
        .then(|| (PathBuf::from(path), n_bytes.trim().parse().ok()))
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one() {
        for name in ["Ruamel.Yaml_clib", "ruamel-yaml-clib", "ruamel__yaml.clib"] {
            assert_eq!(normalised(name), "ruamel-yaml-clib");
        }
    }

    #[test]
    fn a_file_belongs_to_the_distribution_that_records_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("yaml/_yaml.so", "12345");
        write("yaml/_other.so", "1");
        write(
            "PyYAML-6.0.4.dist-info/RECORD",
            "yaml/_yaml.so,sha256=x,5\nyaml/__init__.py,,\n",
        );
        write(
            "PyYAML-6.0.4.dist-info/WHEEL",
            "Tag: cp313-cp313-manylinux_2_17_x86_64\n",
        );
        write("bare-1.0.dist-info/METADATA", "Name: bare\n");
        let of = |path: &str, likely: &[&str]| {
            let likely: Vec<String> = likely.iter().map(|name| (*name).to_owned()).collect();
            distribution_of(&folder.path().join(path), &likely)
        };
        for likely in [&[][..], &["pyyaml"], &["bare", "absent"]] {
            let found = of("yaml/_yaml.so", likely).unwrap();
            assert_eq!((&*found.name, &*found.version), ("PyYAML", "6.0.4"));
            assert!(found.is_published);
        }
        assert_eq!(of("yaml/_other.so", &[]), None);
        assert_eq!(of("yaml/absent.so", &[]), None);
        // Built again in its place.
        write("yaml/_yaml.so", "123456");
        assert_eq!(of("yaml/_yaml.so", &[]), None);
    }

    #[test]
    fn lines_of_a_record_are_read_with_and_without_quotes_and_sizes() {
        let path = |path: &str| PathBuf::from(path);
        assert_eq!(
            recorded("a/b.so,sha256=x,12"),
            Some((path("a/b.so"), Some(12)))
        );
        assert_eq!(recorded("\"a,\"\"b.so\",,"), Some((path("a,\"b.so"), None)));
        assert_eq!(recorded("a/b.py,sha256=x,12"), None);
        assert_eq!(recorded(""), None);
    }

    #[test]
    fn own_builds_are_distinguished_from_published_wheels_by_their_tags() {
        assert!(is_published(
            "Wheel-Version: 1.0\nTag: cp39-abi3-musllinux_1_2_x86_64\n"
        ));
        assert!(!is_published("Tag: cp313-cp313-linux_x86_64\n"));
        assert!(!is_published("Tag: py3-none-any\n"));
        assert!(!is_published(""));
    }
}
