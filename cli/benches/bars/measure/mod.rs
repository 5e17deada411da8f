//! Measuring: rounds in which owngil, its limit and its peers take turns (`contest`), on cores that are free
//! (`cores`), of this `machine`; the `limits` and the `peers` themselves; figures of a process of their own (`spawn`).

pub(crate) mod contest;
pub(crate) mod cores;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod peers;
pub(crate) mod spawn;
