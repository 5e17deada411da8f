//! What similar tools are tested with, and what their users reported.

mod gnu_parallel;
mod reported;
