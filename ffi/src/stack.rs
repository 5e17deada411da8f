//! Stack: where a thread stands, as plain data.

use std::fmt;

/// Where one thread of an interpreter stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stack {
    /// CPython's number for the thread state, counted from 1 in each interpreter. On a free-threaded build, the
    /// thread's number as returned by `threading.get_ident`.
    pub state_id: u64,
    /// Whether this is the thread that made the [`Interpreter`](crate::Interpreter).
    pub is_home: bool,
    /// The innermost [`Stack::N_FRAMES_MAX`] frames, innermost last, as in a traceback.
    pub frames: Vec<Frame>,
    /// The number of outer frames that are left out.
    pub n_left_out: usize,
}

/// A function call on a thread's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// `co_filename`
    pub file: String,
    /// The current line; 0 if there is none.
    pub line: u32,
    /// `co_qualname`; on a free-threaded build `co_name`.
    pub function: String,
}

impl Stack {
    /// The most frames that a stack holds.
    pub const N_FRAMES_MAX: usize = 200;

    /// The stack of a thread that is not the one that made its interpreter, with no frame left out.
    pub fn new(state_id: u64, frames: Vec<Frame>) -> Stack {
        Stack {
            state_id,
            is_home: false,
            frames,
            n_left_out: 0,
        }
    }
}

impl Frame {
    /// A call of this function, at this line of this file.
    pub fn new(file: impl Into<String>, line: u32, function: impl Into<String>) -> Frame {
        Frame {
            file: file.into(),
            line,
            function: function.into(),
        }
    }
}

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

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  File \"{}\", line {}, in {}",
            self.file, self.line, self.function
        )
    }
}
