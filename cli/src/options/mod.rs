//! Options: the arguments as they are written, what they mean, and defaults from a project.

pub(crate) mod args;
pub(crate) mod config;
pub(crate) mod jobs;
pub(crate) mod missing;
pub(crate) mod plan;
pub(crate) mod size;
pub(crate) mod suggest;
pub(crate) mod target;
pub(crate) mod unknown;
