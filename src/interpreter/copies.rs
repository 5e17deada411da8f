//! Copies: an interpreter that is to load extension modules from copies of its own.

#[cfg(target_os = "linux")]
use owngil_ffi::Libraries;
use owngil_ffi::PrivateCopies;

use crate::error::Result;
use crate::extensions::Extensions;
#[cfg(target_os = "linux")]
use crate::libraries;
use crate::post::Post;

/// Has the interpreter import as the setting says, and its worker's post know what it loads.
pub(super) fn install_copies(
    python: &mut owngil_ffi::Interpreter,
    extensions: Extensions,
    post: Option<&Post>,
) -> Result<()> {
    // Whoever has everything copied takes libraries as they come, too.
    #[cfg(target_os = "linux")]
    if extensions != Extensions::Private {
        Libraries::hold(python, libraries::is_safe)?;
    }
    if extensions == Extensions::Strict {
        return Ok(());
    }
    let copies = PrivateCopies::install(python)?;
    if let Some(post) = post {
        post.set_copies(copies);
    }
    Ok(())
}
