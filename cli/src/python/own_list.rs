//! OwnList: the user's own list of packages that were tested in private copies.

use std::env;
use std::path::PathBuf;

use owngil::tested::List;

/// `owngil/tested.tsv` in `XDG_CONFIG_HOME`, or in `~/.config`.
pub(crate) fn path() -> Option<PathBuf> {
    let set = |name| env::var_os(name).map(PathBuf::from);
    // The XDG base directory specification: a relative path is to be ignored.
    let named = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let home = || set("HOME").filter(|path| path.is_absolute());
    let folder = named.or_else(|| Some(home()?.join(".config")))?;
    Some(folder.join("owngil/tested.tsv"))
}

/// The list that ships with the command, and the user's own.
pub(crate) fn read() -> owngil::Result<List> {
    let list = List::shipped();
    match path() {
        Some(path) => list.with_file(&path),
        None => Ok(list),
    }
}
