//! Where inputs come from, and how each format is cut into inputs.

mod encoding;
mod files;
mod json;
mod rows;
mod sources;
