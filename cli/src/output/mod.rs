//! Output: what tasks print, and what they give, on its way to where it is read.
//!
//! The options are in `args`. `voices` takes what tasks print and passes it on, task by task, line by line
//! or as it comes; meanwhile it is kept in a `spool`, and a `tag` may stand before each line. `folder` keeps
//! what comes of each input in files. `values` writes results in the format that is asked for, `csv` rows.

mod args;
mod csv;
mod folder;
mod spool;
mod tag;
mod values;
mod voices;

pub(crate) use args::{OutputArgs, ValueArgs};
pub(crate) use folder::Gist;
pub(crate) use values::{Record, Values};
pub(crate) use voices::{Last, Place, Voices};
