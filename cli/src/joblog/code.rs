//! Code: a digest of what a run calls, so that a run that resumes notices changes.

use std::fs;
use std::path::{Path, PathBuf};

use owngil::{Function, Pool};

use super::row::{digest, digest_on};

/// Tells where the code of a loaded function is.
const SOURCE: &str = concat!(include_str!("../python/loaded.py"), include_str!("code.py"));

/// Of how a function or script is called, of its file, and of a script's own arguments.
pub(crate) fn code_of(
    called: &str,
    function: &Function,
    arguments: &[Vec<u8>],
    pool: &Pool,
) -> u64 {
    let file = match called.rsplit_once(':') {
        Some((file, _)) => file,
        None => called,
    };
    // A pipe has been read, and gives nothing more.
    let text = Path::new(file).is_file().then(|| fs::read(file).ok());
    let source = text.flatten().or_else(|| {
        // A module, of which Python alone knows where it is; or code of the command line.
        fs::read(source_file(function, pool)?).ok()
    });
    let whole = digest_on(digest(called.as_bytes()), &source.unwrap_or_default());
    arguments.iter().fold(whole, |digest, word| {
        digest_on(digest_on(digest, word), b"\0")
    })
}

/// The file of a function that is loaded, if it has one.
fn source_file(function: &Function, pool: &Pool) -> Option<PathBuf> {
    let probe = Function::source(SOURCE, "source_file");
    let asked = pool.call::<Option<String>, _>(&probe, (function.to_string(),));
    asked.ok()?.map(PathBuf::from)
}
