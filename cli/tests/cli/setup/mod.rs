//! What surrounds a run: which Python it uses, a project's defaults, the log.

mod config;
mod log;
mod python;
