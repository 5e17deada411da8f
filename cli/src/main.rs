//! The command `owngil`: Python functions and scripts over many inputs, on all cores.

#![forbid(unsafe_code)]

fn main() {
    owngil::become_worker_if_asked();
    // The doctor has this program started again for imports that may crash.
    owngil::doctor::run_trial_if_asked();
    let status = owngil_cli::main(std::env::args_os());
    // Flushes what Python and Rust hold, and ends over threads that do not.
    owngil::exit(status)
}
