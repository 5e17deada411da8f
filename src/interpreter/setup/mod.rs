//! What an interpreter gets before its first task: owngil's own Python, its streams, its copies of extension modules.

pub(super) mod copies;
pub(super) mod deferred;
pub(super) mod host;
pub(super) mod host_functions;
pub(super) mod own_directory;
pub(super) mod programs;
pub(super) mod site;
pub(super) mod streams;
