//! Host functions: what crosses, what fails and how, who calls, and what a function that blocks holds up.

mod caller;
mod control;
mod edges;
mod failures;
mod names;
#[path = "../support/mod.rs"]
mod support;
mod values;

/// What a function returns that cannot fail.
fn ok<T>(value: T) -> owngil::Result<T> {
    Ok(value)
}
