//! `owngil doctor`: what can run where, and trials of packages.

mod report;
mod try_package;
