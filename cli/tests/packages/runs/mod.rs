//! Runs: a `trial` is one package in one place, the `matrix` every package in each, a `soak` all of them for
//! minutes; `suites` are tests that packages bring, `case` what users reported.

pub(crate) mod case;
pub(crate) mod matrix;
pub(crate) mod soak;
pub(crate) mod suites;
pub(crate) mod trial;
