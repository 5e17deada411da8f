//! Output: what tasks print and return, on its way to its reader.
//!
//! The options are in `args`. `task_output` takes what tasks print and passes it on, task by task, line by line
//! or as it comes; meanwhile it is kept in a `spool`, and a `tag` may stand before each line. `folder` keeps
//! what comes of each input in files. `values` writes results in the format that is asked for, `csv` rows.

pub(crate) mod args;
pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod replay;
pub(crate) mod spool;
pub(crate) mod tag;
pub(crate) mod task_output;
pub(crate) mod values;

pub(crate) use args::{OutputArgs, ValueArgs};
pub(crate) use folder::TaskSummary;
pub(crate) use task_output::{Remaining, StdoutOwner, TaskOutput};
pub(crate) use values::{ResultRecord, Values};
