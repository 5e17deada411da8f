//! Shape: how an input becomes the arguments of a call.

use std::sync::Arc;

use crate::input::call::template::Template;

/// How an input becomes the arguments of a call.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// One argument: the value; a row is a dict, or a list where its columns have no names.
    Arg,
    /// An argument for each field of a row or item of an array.
    Args,
    /// A keyword argument for each field of a row or entry of an object.
    Keywords,
    /// Keyword arguments for an object or a row with names, an argument for each field of a row
    /// without; one argument for all else.
    Fitting,
    /// One argument: the bytes.
    Bytes,
    /// One argument: the name of a file, which must be there.
    Path,
    /// One argument: what is in the file that the input names, as text or as bytes.
    Contents { is_text: bool },
    /// The arguments of a script.
    Script(Arc<Template>),
}
