//! Copies: an interpreter that is to load extension modules from copies of its own.

use owngil_ffi::PrivateCopies;

use crate::error::Result;
use crate::extensions::Extensions;
use crate::post::Post;

/// Has the interpreter import as the setting says, and its worker's post know what it loads.
pub(super) fn install_copies(
    python: &mut owngil_ffi::Interpreter,
    extensions: Extensions,
    post: Option<&Post>,
) -> Result<()> {
    if extensions == Extensions::Strict {
        return Ok(());
    }
    let copies = PrivateCopies::install(python)?;
    if let Some(post) = post {
        post.set_copies(copies);
    }
    Ok(())
}
