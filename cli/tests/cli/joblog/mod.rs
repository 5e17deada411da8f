//! The job log, and runs that resume from it.

mod killed;
mod resume;
