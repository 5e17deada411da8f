//! Which inputs run, when and how often, and how a run ends early.

mod options;
mod signals;
