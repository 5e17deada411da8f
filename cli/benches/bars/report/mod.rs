//! Reports: the `line`s that rows give, `printed` and kept as JSON, and the `page` with its charts.

mod chart;
pub(crate) mod line;
mod page;
pub(crate) mod printed;
// The command's own writer.
#[path = "../../../src/commands/bench/svg.rs"]
mod svg;
