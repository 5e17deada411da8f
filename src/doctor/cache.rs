//! Cache: what was found out before, in files that may be deleted at any time.
//!
//! An entry holds as long as each file that was imported has the size and the time it had. One that
//! cannot be read, or is of something else, is as good as none; and what cannot be written is found
//! out again.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use crate::wire;

/// The version of what an entry holds.
const VERSION: u32 = 2;

/// The folder of the entries.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    version: u32,
    /// All that the evidence depends on besides files: two keys may have the same file name.
    key: String,
    stamps: Vec<(String, Stamp)>,
    evidence: Evidence,
}

/// What tells that a file is another than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    n_bytes: u64,
    modified_secs: u64,
    modified_nanos: u32,
}

impl Stamp {
    fn of(path: &str) -> Option<Stamp> {
        let data = fs::metadata(path).ok()?;
        let modified = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp {
            n_bytes: data.len(),
            modified_secs: modified.as_secs(),
            modified_nanos: modified.subsec_nanos(),
        })
    }
}

impl Cache {
    pub(super) fn in_folder(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    /// The user's: `owngil/doctor` in `XDG_CACHE_HOME`, or in `~/.cache`.
    pub(super) fn of_user() -> Option<Cache> {
        let set = |name| env::var_os(name).map(PathBuf::from);
        // The XDG base directory specification: ignore a relative path.
        let named = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let home = || set("HOME").filter(|path| path.is_absolute());
        let folder = named.or_else(|| Some(home()?.join(".cache")))?;
        Some(Cache::in_folder(folder.join("owngil/doctor")))
    }

    fn file(&self, key: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.folder.join(format!("{:016x}", hasher.finish()))
    }

    /// The evidence under that key, if all its files are as they were.
    pub(super) fn get(&self, key: &str) -> Option<Evidence> {
        let bytes = fs::read(self.file(key)).ok()?;
        let entry: Entry = wire::decode(&bytes).ok()?;
        let is_same = |(path, stamp): &(String, Stamp)| Stamp::of(path) == Some(*stamp);
        let holds =
            entry.version == VERSION && entry.key == key && entry.stamps.iter().all(is_same);
        holds.then_some(entry.evidence)
    }

    /// Keeps the evidence, which depends on these files besides those that were imported.
    pub(super) fn put(&self, key: &str, evidence: &Evidence, others: &[String]) {
        let files: BTreeSet<&str> = evidence
            .files()
            .chain(others.iter().map(String::as_str))
            .collect();
        let stamp = |path: &str| Some((path.to_owned(), Stamp::of(path)?));
        // A file that is gone may be back at any time.
        let Some(stamps) = files.into_iter().map(stamp).collect::<Option<Vec<_>>>() else {
            return;
        };
        let entry = Entry {
            version: VERSION,
            key: key.to_owned(),
            stamps,
            evidence: evidence.clone(),
        };
        let Ok(bytes) = wire::encode(&entry) else {
            return;
        };
        if let Err(error) = self.write(&self.file(key), &bytes) {
            tracing::debug!("the doctor's cache cannot be written: {error}");
        }
    }

    /// In one step, so that a reader sees all of it or what was there before.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        static N_WRITTEN: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let n = N_WRITTEN.fetch_add(1, Ordering::Relaxed);
        let new = self.folder.join(format!(".new-{}-{n}", process::id()));
        let written = fs::File::create_new(&new).and_then(|mut file| file.write_all(bytes));
        let renamed = written.and_then(|()| fs::rename(&new, path));
        renamed.inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    fn evidence(file: &Path) -> Evidence {
        let record = format!("module\tm\tsource\t{}\tnew\t\n", file.display());
        let output = format!("stage\talone\n{record}done\n");
        Evidence {
            plain: outcome(&output, Some(0), 1),
            strict: None,
            private: None,
            probed: Vec::new(),
        }
    }

    #[test]
    fn an_entry_holds_for_its_key_and_as_long_as_its_files_stay() {
        let home = tempfile::tempdir().unwrap();
        let (file, other) = (home.path().join("m.py"), home.path().join("m.so"));
        fs::write(&file, "1").unwrap();
        fs::write(&other, "1").unwrap();
        let cache = Cache::in_folder(home.path().join("deep/cache"));
        let evidence = evidence(&file);
        assert_eq!(cache.get("key"), None);
        cache.put("key", &evidence, &[other.display().to_string()]);
        assert_eq!(cache.get("key").as_ref(), Some(&evidence));
        assert_eq!(cache.get("another"), None);
        fs::write(&other, "12").unwrap();
        assert_eq!(cache.get("key"), None);
        cache.put("key", &evidence, &[other.display().to_string()]);
        fs::remove_file(&file).unwrap();
        assert_eq!(cache.get("key"), None);
        // Nothing but entries is left in the folder.
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1);
    }

    #[test]
    fn the_entry_of_another_key_under_the_same_name_is_none() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("m.py");
        fs::write(&file, "").unwrap();
        let cache = Cache::in_folder(home.path().to_owned());
        cache.put("key", &evidence(&file), &[]);
        fs::rename(cache.file("key"), cache.file("another")).unwrap();
        assert_eq!(cache.get("another"), None);
    }

    #[test]
    fn what_cannot_be_written_is_not_there() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("m.py");
        fs::write(&file, "").unwrap();
        let cache = Cache::in_folder(file.clone());
        cache.put("key", &evidence(&file), &[]);
        assert_eq!(cache.get("key"), None);
    }
}
