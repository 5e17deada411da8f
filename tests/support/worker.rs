//! The worker processes of the tests: what a host does first in its main, and nothing else.

fn main() {
    owngil::become_worker_if_asked();
    // The doctor has a program started again for imports that may crash.
    owngil::doctor::run_trial_if_asked();
    eprintln!("this program is started by the tests of owngil");
    std::process::exit(2);
}
