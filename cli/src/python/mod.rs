//! Python: which one is used, its environment, and where code ran.

pub(crate) mod choice;
pub(crate) mod metadata;
pub(crate) mod own_list;
pub(crate) mod placement;
pub(crate) mod uv;
