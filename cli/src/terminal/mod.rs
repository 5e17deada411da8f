//! Terminal: the process's streams and signals, progress, and messages.

pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod screen;
pub(crate) mod signals;
pub(crate) mod stderr;
pub(crate) mod stdin;
pub(crate) mod stdout;
pub(crate) mod stray;
pub(crate) mod summary;
pub(crate) mod total;
pub(crate) mod traceback;
pub(crate) mod units;
