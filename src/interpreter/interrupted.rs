//! Interrupted: what a call that was interrupted ends with, and whether it left an import half done.

use std::iter::successors;

use owngil_ffi::Frame;

use crate::error::Error;
use crate::monitor::JobMonitor;

/// How an error came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The code raised it.
    Raised,
    /// The call was interrupted.
    Interrupted {
        /// Modules may be left half imported. Python takes the one that raised out of `sys.modules`, but not those that
        /// it has imported, and packages remember what they have done: to import them again may fail, or do less.
        in_import: bool,
    },
}

/// Puts what became of an interrupted job in the place of what its call raised.
///
/// A call of a map that was cancelled before it began says so itself.
#[cold]
pub(super) fn settle(error: &mut Error, monitor: &JobMonitor) -> Origin {
    let stopped = match error {
        Error::Cancelled { .. } => None,
        _ => monitor.stopped(),
    };
    let Some(stopped) = stopped else {
        return Origin::Raised;
    };
    let stood_in_import = stopped.stack().is_some_and(|stack| imports(&stack.frames));
    let raised_in_import = error.python().is_some_and(|error| {
        let mut chain = successors(Some(error.exception()), |link| link.before());
        chain.any(|link| imports(&link.frames))
    });
    *error = stopped;
    Origin::Interrupted {
        in_import: stood_in_import || raised_in_import,
    }
}

/// Whether a function or script imports in these frames. Tracebacks leave out those of importlib, but not the
/// module's own, which a script has as its first.
fn imports(frames: &[Frame]) -> bool {
    let is_import = |frame: &Frame| frame.file.starts_with("<frozen importlib._bootstrap");
    let is_module = |frame: &Frame| frame.function == "<module>";
    frames.iter().any(is_import) || frames.iter().skip(1).any(is_module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_known_by_its_frames() {
        let frame = |(file, function): &(&str, &str)| Frame::new(*file, 1, *function);
        for (frames, expected) in [
            (&[("a.py", "f"), ("b.py", "g")][..], false),
            (&[("script.py", "<module>"), ("script.py", "main")], false),
            (
                &[("script.py", "<module>"), ("numpy/__init__.py", "<module>")],
                true,
            ),
            (
                &[
                    ("a.py", "f"),
                    ("numpy/__init__.py", "<module>"),
                    ("a.py", "g"),
                ],
                true,
            ),
            (
                &[
                    ("a.py", "f"),
                    ("<frozen importlib._bootstrap>", "_find_and_load"),
                ],
                true,
            ),
            (&[], false),
        ] {
            let frames: Vec<Frame> = frames.iter().map(frame).collect();
            assert_eq!(imports(&frames), expected, "{frames:?}");
        }
    }
}
