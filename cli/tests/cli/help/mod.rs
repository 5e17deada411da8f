//! What the command says about itself: help texts, topics, completions, manual pages.

mod completions;
mod manual;
mod text;
mod topics;
