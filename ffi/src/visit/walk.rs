//! Walk: the stacks of an interpreter's threads, read while a visitor holds its GIL.

use std::ptr::NonNull;
use std::sync::{MutexGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::visits::{ADDING, Visit};
use crate::object::Object;
use crate::raw;
use crate::stack::{Frame, Stack};

impl Visit<'_> {
    pub(crate) fn read_stacks(&self) -> Vec<Stack> {
        let home = self.home();
        let mut stacks = vec![self.stack(home, true)];
        let others = self.states().into_iter().filter(|state| *state != home);
        stacks.extend(others.map(|state| self.stack(state, false)));
        stacks.retain(|stack| stack.is_home || !stack.frames.is_empty());
        stacks
    }

    pub(crate) fn read_home_stack(&self) -> Stack {
        self.stack(self.home(), true)
    }

    /// The thread states of the interpreter. None of them goes away during the visit.
    fn states(&self) -> Vec<NonNull<raw::PyThreadState>> {
        let Some(_adding) = self.list() else {
            return Vec::new();
        };
        // SAFETY: attached. The list changes under this GIL, which we hold, and where this crate
        // adds to it without, under `ADDING`, which is locked.
        let first = unsafe { raw::PyInterpreterState_ThreadHead(self.interpreter()) };
        let mut states = Vec::new();
        let mut next = NonNull::new(first);
        while let Some(state) = next {
            states.push(state);
            // SAFETY: a state of the list, which does not change meanwhile.
            next = NonNull::new(unsafe { raw::PyThreadState_Next(state.as_ptr()) });
        }
        states
    }

    /// The lock on the list; `None` if it is not to be had. Who has it may be waiting for this GIL:
    /// `tracemalloc` attaches to the main interpreter while memory is allocated.
    fn list(&self) -> Option<MutexGuard<'static, ()>> {
        let deadline = Instant::now() + Duration::from_millis(100);
        loop {
            match ADDING.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(50)),
            }
        }
    }

    fn stack(&self, state: NonNull<raw::PyThreadState>, is_home: bool) -> Stack {
        // SAFETY: a state of this interpreter, which is not removed while we hold its GIL.
        let state_id = unsafe { raw::PyThreadState_GetID(state.as_ptr()) };
        // SAFETY: as above; its frames do not change, since no other thread runs Python here.
        let innermost = unsafe { raw::PyThreadState_GetFrame(state.as_ptr()) };
        let (mut frames, mut n_left_out) = (Vec::new(), 0);
        let mut next = self.owned(innermost.cast());
        while let Some(frame) = next {
            if frames.len() < Stack::N_FRAMES_MAX {
                frames.push(Frame::of(&frame));
            } else {
                n_left_out += 1;
            }
            // SAFETY: attached; a live frame.
            let back = unsafe { raw::PyFrame_GetBack(frame.as_ptr().cast()) };
            next = self.owned(back.cast());
        }
        // Without memory a stack is cut off.
        drop(self.attached().pending());
        frames.reverse();
        Stack {
            state_id: state_id as u64,
            is_home,
            frames,
            n_left_out,
        }
    }

    /// A new reference that the C API returned, or nothing.
    fn owned(&self, pointer: *mut raw::PyObject) -> Option<Object<'_>> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: attached; a new reference that is not null.
        unsafe { Object::from_new(pointer) }.ok()
    }
}

impl Frame {
    fn of(frame: &Object<'_>) -> Frame {
        let pointer = frame.as_ptr().cast();
        // SAFETY: attached: `frame` exists, and is a frame.
        let line = unsafe { raw::PyFrame_GetLineNumber(pointer) };
        // SAFETY: as above.
        let code = unsafe { raw::PyFrame_GetCode(pointer) };
        // SAFETY: attached; a new reference, never null.
        let code = unsafe { Object::from_new(code.cast()) };
        let text = |name| {
            let text = code.as_ref().map(|code| code.get(name)?.text());
            text.ok().and_then(Result::ok).unwrap_or_default()
        };
        Frame {
            file: text("co_filename"),
            line: u32::try_from(line).unwrap_or(0),
            function: text("co_qualname"),
        }
    }
}
