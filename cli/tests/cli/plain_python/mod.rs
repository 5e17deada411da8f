//! Scripts, compared with a loop that starts plain Python for each input.

mod exits;
mod leftovers;
mod registries;
mod scripts;
mod whole_process;
