//! Formats: how the text of a stream becomes inputs, one file for each format.
//!
//! `encoding` decodes what the text begins with; `lines`, `rows`, `values` and `pieces` then cut it. A `document` is
//! JSON that is in memory as a whole.

mod document;
pub(crate) mod encoding;
pub(crate) mod lines;
pub(crate) mod pieces;
pub(crate) mod rows;
pub(crate) mod values;
