//! Stack: how a thread's stack is displayed.

use std::fmt;

use super::visits::Stack;

impl fmt::Display for Stack {
    /// As in a Python traceback, a line for each frame, the innermost last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_left_out > 0 {
            writeln!(f, "  ({} outer frames are left out)", self.n_left_out)?;
        }
        self.frames
            .iter()
            .try_for_each(|frame| writeln!(f, "{frame}"))
    }
}
