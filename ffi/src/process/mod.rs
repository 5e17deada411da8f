//! What belongs to the whole process, whatever runs in it: signals, crashes, clocks, its working directory and session.
//!
//! Nothing here knows Python.

mod c_stdout;
mod clock;
mod crash;
mod directory;
mod session;
mod signals;

pub use c_stdout::catch_c_stdout;
pub use clock::{ProcessClock, ThreadClock};
pub use crash::{Place, Running, tell_of_crashes};
pub use directory::{close_descriptor, unshare_directory};
pub use session::session_of;
pub use signals::{block_signals, describe_signal, unblock_signals};
