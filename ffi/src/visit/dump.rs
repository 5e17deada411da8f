//! Dump: the stacks of threads on a free-threaded build, where no GIL holds them still.
//!
//! A frame that another thread runs must not be read: it may be freed between two reads. CPython's own
//! `faulthandler.dump_traceback` stops all threads of the interpreter and writes their stacks to a file before they
//! continue (gh-128400). The file is in memory, so that no thread waits for a reader meanwhile.

use crate::stack::Frame;

#[cfg(Py_GIL_DISABLED)]
mod read {
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::parse;
    use crate::object::PyResult;
    use crate::stack::{Frame, Stack};
    use crate::visit::Visit;

    impl Visit<'_> {
        pub(crate) fn read_stacks(&self) -> Vec<Stack> {
            let (mut stacks, mut others) = (Vec::new(), Vec::new());
            for (thread, frames) in self.dumped() {
                let is_home = thread == self.thread();
                let stack = Stack {
                    state_id: thread,
                    is_home,
                    frames,
                    n_left_out: 0,
                };
                match is_home {
                    true => stacks.push(stack),
                    false => others.push(stack),
                }
            }
            // A thread may have several states; at most one runs.
            stacks.sort_by_key(|stack| stack.frames.is_empty());
            stacks.truncate(1);
            if stacks.is_empty() {
                stacks.push(self.without_frames());
            }
            others.retain(|stack| !stack.frames.is_empty());
            stacks.append(&mut others);
            stacks
        }

        pub(crate) fn read_home_stack(&self) -> Stack {
            self.read_stacks().swap_remove(0)
        }

        fn without_frames(&self) -> Stack {
            Stack {
                state_id: self.thread(),
                is_home: true,
                frames: Vec::new(),
                n_left_out: 0,
            }
        }

        /// Nothing where it cannot be had: for want of memory, of a descriptor, of the module.
        fn dumped(&self) -> Vec<(u64, Vec<Frame>)> {
            let Ok(file) = memfd_create(c"owngil-stacks", MemfdFlags::CLOEXEC) else {
                return Vec::new();
            };
            let file = File::from(file);
            let attached = self.attached();
            let dump = || -> PyResult<'_, ()> {
                let number = attached.int(file.as_raw_fd().into())?;
                let module = attached.import(c"faulthandler")?;
                module.invoke("dump_traceback", &[number, attached.bool(true)])?;
                Ok(())
            };
            if dump().is_err() {
                return Vec::new();
            }
            let length = file.metadata().map_or(0, |file| file.len() as usize);
            let mut text = vec![0; length];
            match file.read_exact_at(&mut text, 0) {
                Ok(()) => parse(&String::from_utf8_lossy(&text)),
                Err(_) => Vec::new(),
            }
        }
    }
}

/// The threads in what `faulthandler` wrote, each with its frames, the innermost last.
///
/// It writes the innermost 100 frames of 100 threads (Python/traceback.c), without saying how many it
/// leaves out.
fn parse(text: &str) -> Vec<(u64, Vec<Frame>)> {
    let mut threads: Vec<(u64, Vec<Frame>)> = Vec::new();
    for line in text.lines() {
        if let Some(thread) = thread_of(line) {
            threads.push((thread, Vec::new()));
        } else if let (Some((_, frames)), Some(frame)) = (threads.last_mut(), frame_of(line)) {
            frames.push(frame);
        }
    }
    for (_, frames) in &mut threads {
        frames.reverse();
    }
    threads
}

/// `Thread 0x00007f0123456789 [name] (most recent call first):`, or the same with `Current thread`.
fn thread_of(line: &str) -> Option<u64> {
    let line = line.strip_prefix("Current t").or(line.strip_prefix('T'))?;
    let number = line.strip_prefix("hread 0x")?.split(' ').next()?;
    u64::from_str_radix(number, 16).ok()
}

/// `  File "name", line 3 in function`; what is not ASCII is written as in a Python literal.
fn frame_of(line: &str) -> Option<Frame> {
    let line = line.strip_prefix("  File ")?;
    let (file, rest) = line.rsplit_once(", line ")?;
    let (number, function) = rest.split_once(" in ")?;
    let file = file
        .strip_prefix('"')
        .and_then(|file| file.strip_suffix('"'));
    Some(Frame {
        file: plain(file.unwrap_or_default()),
        line: number.parse().unwrap_or(0),
        function: plain(function),
    })
}

/// The text with its escapes (`\xe9`, `\u20ac`, `\U0001f40d`) made characters again.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let n_digits = match escape.as_bytes().get(1) {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let digits = escape.get(2..2 + n_digits).unwrap_or_default();
        match u32::from_str_radix(digits, 16).map(char::from_u32) {
            Ok(Some(character)) => {
                plain.push(character);
                rest = &escape[2 + n_digits..];
            }
            _ => {
                plain.push('\\');
                rest = &escape[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_faulthandler_writes_is_read_thread_by_thread() {
        let text = "Thread 0x00007f00000000ff (most recent call first):\n\
                    \x20 File \"/a, line 2 in b/\\xe9.py\", line 3 in inner\n\
                    \x20 File \"<string>\", line 12 in <module>\n\
                    \n\
                    Thread 0x0000000000000010 [worker] (most recent call first):\n\
                    \x20 <no Python frame>\n\
                    \n\
                    Current thread 0x0000000000000011 (most recent call first):\n\
                    \x20 Garbage-collecting\n\
                    \x20 File \"x\\\\y.py\", line ??? in \\u20ac\n\
                    ...\n";
        let frame = |file: &str, line, function: &str| Frame {
            file: file.to_owned(),
            line,
            function: function.to_owned(),
        };
        let (outer, inner) = (
            frame("<string>", 12, "<module>"),
            frame("/a, line 2 in b/é.py", 3, "inner"),
        );
        assert_eq!(
            parse(text),
            [
                (0x7f00_0000_00ff, vec![outer, inner]),
                (0x10, vec![]),
                (0x11, vec![frame("x\\\\y.py", 0, "€")]),
            ]
        );
    }
}
