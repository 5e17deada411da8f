//! Raised: what Python raised on the way of a value, as the reason that the value cannot cross.

use owngil_ffi::{Exception, Object, Raised};

use crate::payload::error::CrossingError;

pub(super) fn unpicklable(raised: &Raised<'_>) -> CrossingError {
    let mut exception = raised.describe();
    // The outermost note of newer versions is about the list of leaves, which is an internal of owngil.
    if exception
        .notes
        .last()
        .is_some_and(|note| note.starts_with("when serializing list item"))
    {
        exception.notes.pop();
    }
    CrossingError::new(format!("cannot be pickled: {}", in_a_line(&exception)))
}

pub(super) fn explained(raised: &Raised<'_>) -> String {
    in_a_line(&raised.describe())
}

pub(super) fn unreadable(raised: &Raised<'_>) -> CrossingError {
    let exception = raised.describe();
    let reason = format!("cannot be unpickled: {}", in_a_line(&exception));
    CrossingError::new(reason).with_traceback(exception.traceback)
}

/// How many notes are shown: a value that nests deeply has one for each level.
const N_NOTES_MAX: usize = 8;

/// The exception with the notes in which newer versions say where they were, from the inside out.
fn in_a_line(exception: &Exception) -> String {
    let mut text = exception.to_string();
    for note in exception.notes.iter().take(N_NOTES_MAX) {
        text.push_str("; ");
        text.push_str(note);
    }
    if exception.notes.len() > N_NOTES_MAX {
        text.push_str("; …");
    }
    text
}

pub(super) fn at_key(error: CrossingError, key: &Object<'_>) -> CrossingError {
    match (key.as_str(), key.as_i64()) {
        (Some(text), _) => error.at_key(text),
        (None, Some(number)) => error.at_key(number),
        (None, None) => error.at_key(key.type_name().as_str()),
    }
}
