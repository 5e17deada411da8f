//! Wire: records as bincode, the only module that knows of it.
//!
//! Values never pass through here: they have their own encoding (see `payload`), and stand beside
//! the records as raw bytes. A record is a version byte and one bincode value; decoding is limited in
//! size and refuses bytes that are left over.
//!
//! Rules for a type that is written here: no recursion, no `usize`, no `HashMap`, no `Vec` of values
//! without a size; an enum only ever gets new variants at its end.
//!
//! bincode 2.0.1 is its last working release. Its replacement would be postcard, in this file alone.

use owngil_ffi::{Exception, Frame, Stack};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ExceptionKind, LoadError, LoadErrorKind, PythonError, WorkerLost};
use crate::payload::CrossingError;

/// The version of the records' layout.
const VERSION: u8 = 1;

/// The largest record, in bytes.
const LIMIT: usize = 256 << 20;

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError(String);

/// What became of one call that gave no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// It raised: the exception, and those that led to it.
    Python(Vec<Link>),
    /// Its function could not be loaded.
    Load {
        kind: u8,
        function: String,
        message: String,
        hint: Option<String>,
        cause: Vec<Link>,
    },
    /// Its value could not cross.
    Value {
        path: String,
        type_name: Option<String>,
        reason: String,
        traceback: Option<String>,
    },
    /// It was dropped before it ran.
    Cancelled,
    /// Its worker was lost, perhaps because of an exception, or could not tell more than this text.
    Lost(WorkerLost, Vec<Link>),
    /// It was ended from outside while it ran, or its time was up before it did.
    Stopped {
        timed_out: bool,
        stack: Option<StackRecord>,
    },
    /// It raised, and the exception is kept in a pickle.
    Pickled(Vec<Link>, Vec<u8>),
}

/// A thread's Python stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StackRecord {
    state_id: u64,
    is_home: bool,
    n_left_out: u32,
    frames: Vec<FrameRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrameRecord {
    file: String,
    line: u32,
    function: String,
}

/// One exception of a chain, which is written flat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    kind: u8,
    type_name: String,
    message: String,
    traceback: String,
    frames: Vec<FrameRecord>,
    notes: Vec<String>,
    exit_status: Option<i32>,
    /// The places in the chain of `__cause__` and `__context__`; always further on.
    cause: Option<u32>,
    context: Option<u32>,
}

/// Writes a record.
pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    encode_into(record, &mut bytes)?;
    Ok(bytes)
}

/// Appends a record to what is there.
pub(crate) fn encode_into<T: Serialize>(record: &T, bytes: &mut Vec<u8>) -> Result<(), WireError> {
    bytes.push(VERSION);
    let config = bincode::config::standard().with_limit::<LIMIT>();
    bincode::serde::encode_into_std_write(record, bytes, config)
        .map_err(|error| WireError(error.to_string()))?;
    Ok(())
}

/// Reads a record that takes up all of `bytes`.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, WireError> {
    let Some((version, record)) = bytes.split_first() else {
        return Err(WireError("an empty record".to_owned()));
    };
    if *version != VERSION {
        return Err(WireError(format!(
            "a record of version {version}, not {VERSION}"
        )));
    }
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, length) = bincode::serde::borrow_decode_from_slice(record, config)
        .map_err(|error| WireError(error.to_string()))?;
    if length != record.len() {
        return Err(WireError(format!(
            "{} bytes left over",
            record.len() - length
        )));
    }
    Ok(value)
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Python(error) => match error.pickle() {
                None => Failure::Python(links(error.exception())),
                Some(pickle) => Failure::Pickled(links(error.exception()), pickle.to_vec()),
            },
            Error::Load(error) => Failure::Load {
                kind: LOAD_KINDS
                    .iter()
                    .position(|kind| *kind == error.kind)
                    .unwrap_or(0) as u8,
                function: error.function.clone(),
                message: error.message.clone(),
                hint: error.hint.clone(),
                cause: error
                    .cause
                    .as_ref()
                    .map(|e| links(e.exception()))
                    .unwrap_or_default(),
            },
            Error::Value(error) => Failure::Value {
                path: error.path().to_owned(),
                type_name: error.type_name().map(str::to_owned),
                reason: error.reason().to_owned(),
                traceback: error.traceback().map(str::to_owned),
            },
            Error::Cancelled { stack: None } => Failure::Cancelled,
            Error::Cancelled { stack } | Error::TimedOut { stack } => Failure::Stopped {
                timed_out: matches!(error, Error::TimedOut { .. }),
                stack: stack.as_deref().map(StackRecord::from),
            },
            Error::WorkerLost(lost) => {
                let cause = lost.cause.as_ref().map(|cause| links(cause.exception()));
                Failure::Lost((**lost).clone(), cause.unwrap_or_default())
            }
            other => Failure::Lost(WorkerLost::new(other.to_string()), Vec::new()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(links) => match exception(links) {
                Some(exception) => Error::Python(PythonError::new(exception)),
                None => Error::lost("its exception was unreadable"),
            },
            Failure::Pickled(links, pickle) => match exception(links) {
                Some(exception) => PythonError::new(exception).with_pickle(Some(pickle)).into(),
                None => Error::lost("its exception was unreadable"),
            },
            Failure::Load {
                kind,
                function,
                message,
                hint,
                cause,
            } => Error::from(LoadError {
                kind: *LOAD_KINDS
                    .get(usize::from(kind))
                    .unwrap_or(&LoadErrorKind::Import),
                function,
                message,
                hint,
                cause: exception(cause).map(PythonError::new),
            }),
            Failure::Value {
                path,
                type_name,
                reason,
                traceback,
            } => {
                let mut error = CrossingError::new(reason);
                if let Some(name) = type_name {
                    error = error.with_type_name(name);
                }
                if let Some(traceback) = traceback {
                    error = error.with_traceback(traceback);
                }
                Error::Value(error.root(&path))
            }
            Failure::Cancelled => Error::cancelled(None),
            Failure::Stopped { timed_out, stack } => {
                let stack = stack.map(|stack| Box::new(stack.into()));
                match timed_out {
                    true => Error::timed_out(stack),
                    false => Error::cancelled(stack),
                }
            }
            Failure::Lost(lost, cause) => lost
                .caused_by(exception(cause).map(PythonError::new))
                .into(),
        }
    }
}

impl From<&Stack> for StackRecord {
    fn from(stack: &Stack) -> Self {
        StackRecord {
            state_id: stack.state_id,
            is_home: stack.is_home,
            n_left_out: stack.n_left_out.try_into().unwrap_or(u32::MAX),
            frames: stack.frames.iter().map(FrameRecord::from).collect(),
        }
    }
}

impl From<StackRecord> for Stack {
    fn from(record: StackRecord) -> Self {
        let frames = record.frames.into_iter().map(Frame::from);
        let mut stack = Stack::new(record.state_id, frames.collect());
        stack.is_home = record.is_home;
        stack.n_left_out = record.n_left_out as usize;
        stack
    }
}

impl From<&Frame> for FrameRecord {
    fn from(frame: &Frame) -> Self {
        FrameRecord {
            file: frame.file.clone(),
            line: frame.line,
            function: frame.function.clone(),
        }
    }
}

impl From<FrameRecord> for Frame {
    fn from(record: FrameRecord) -> Self {
        Frame::new(record.file, record.line, record.function)
    }
}

/// The numbers that stand for the kinds are their places here.
const LOAD_KINDS: [LoadErrorKind; 7] = [
    LoadErrorKind::Reference,
    LoadErrorKind::MissingFile,
    LoadErrorKind::MissingModule,
    LoadErrorKind::MissingName,
    LoadErrorKind::NotCallable,
    LoadErrorKind::Syntax,
    LoadErrorKind::Import,
];

/// The numbers that stand for the kinds are their places here.
const EXCEPTION_KINDS: [ExceptionKind; 7] = [
    ExceptionKind::Other,
    ExceptionKind::SystemExit,
    ExceptionKind::KeyboardInterrupt,
    ExceptionKind::MemoryError,
    ExceptionKind::RecursionError,
    ExceptionKind::SyntaxError,
    ExceptionKind::ImportError,
];

fn links(exception: &Exception) -> Vec<Link> {
    fn add(exception: &Exception, links: &mut Vec<Link>) -> u32 {
        let place = links.len();
        let kind = EXCEPTION_KINDS
            .iter()
            .position(|kind| *kind == exception.kind)
            .unwrap_or(0);
        links.push(Link {
            kind: kind as u8,
            type_name: exception.type_name.clone(),
            message: exception.message.clone(),
            traceback: exception.traceback.clone(),
            frames: exception.frames.iter().map(FrameRecord::from).collect(),
            notes: exception.notes.clone(),
            exit_status: exception.exit_status,
            cause: None,
            context: None,
        });
        links[place].cause = exception.cause.as_ref().map(|cause| add(cause, links));
        links[place].context = exception
            .context
            .as_ref()
            .map(|context| add(context, links));
        place as u32
    }
    let mut links = Vec::new();
    add(exception, &mut links);
    links
}

/// Builds the chain from its end, where links only point on; `None` for an empty or crooked one.
fn exception(links: Vec<Link>) -> Option<Exception> {
    let mut built: Vec<Option<Box<Exception>>> = Vec::new();
    built.resize_with(links.len(), || None);
    for (place, link) in links.into_iter().enumerate().rev() {
        let mut taken = |next: Option<u32>| match next {
            None => Some(None),
            Some(next) if next as usize > place => built
                .get_mut(next as usize)
                .and_then(Option::take)
                .map(Some),
            Some(_) => None,
        };
        let (cause, context) = (taken(link.cause)?, taken(link.context)?);
        built[place] = Some(Box::new(Exception {
            kind: *EXCEPTION_KINDS
                .get(usize::from(link.kind))
                .unwrap_or(&ExceptionKind::Other),
            type_name: link.type_name,
            message: link.message,
            traceback: link.traceback,
            frames: link.frames.into_iter().map(Frame::from).collect(),
            notes: link.notes,
            cause,
            context,
            exit_status: link.exit_status,
        }));
    }
    built
        .into_iter()
        .next()
        .flatten()
        .map(|exception| *exception)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn an_exception(type_name: &str) -> Exception {
        Exception {
            kind: ExceptionKind::Other,
            type_name: type_name.to_owned(),
            message: "m".to_owned(),
            traceback: "t".to_owned(),
            frames: vec![Frame::new("f.py", 3, "f")],
            notes: vec!["n".to_owned()],
            cause: None,
            context: None,
            exit_status: None,
        }
    }

    #[test]
    fn a_chain_of_exceptions_comes_back_whole() {
        let mut inner = an_exception("Inner");
        inner.context = Some(Box::new(an_exception("Innermost")));
        let mut outer = an_exception("Outer");
        outer.kind = ExceptionKind::SystemExit;
        outer.exit_status = Some(3);
        outer.cause = Some(Box::new(inner));
        outer.context = Some(Box::new(an_exception("Other")));
        let error = Error::Python(PythonError::new(outer));
        let bytes = encode(&Failure::from(&error)).unwrap();
        assert_eq!(Error::from(decode::<Failure>(&bytes).unwrap()), error);
    }

    #[test]
    fn every_kind_of_failure_comes_back() {
        let load = LoadError {
            kind: LoadErrorKind::MissingName,
            function: "a.py:b".to_owned(),
            message: "no b".to_owned(),
            hint: Some("did you mean c?".to_owned()),
            cause: Some(PythonError::new(an_exception("E"))),
        };
        let value = CrossingError::new("no")
            .with_type_name("set")
            .at_index(1)
            .root("result");
        let lost = Error::from(WorkerLost::new("it panicked").calling(3, "m:f"));
        let mut stack = Stack::new(7, vec![Frame::new("a.py", 3, "C.f")]);
        (stack.is_home, stack.n_left_out) = (true, 1);
        for error in [
            Error::from(load),
            Error::Value(value),
            Error::cancelled(None),
            Error::timed_out(None),
            Error::cancelled(Some(Box::new(stack))),
            lost,
        ] {
            let bytes = encode(&Failure::from(&error)).unwrap();
            assert_eq!(Error::from(decode::<Failure>(&bytes).unwrap()), error);
        }
    }

    #[test]
    fn the_bytes_of_a_record_stay_what_they_are() {
        let golden = [1, 2, 1, b'p', 1, 1, b't', 1, b'r'];
        let failure = Failure::Value {
            path: "p".to_owned(),
            type_name: Some("t".to_owned()),
            reason: "r".to_owned(),
        };
        assert_eq!(encode(&failure).unwrap(), golden);
        assert_eq!(decode::<Failure>(&golden).unwrap(), failure);
        assert_eq!(encode(&Failure::Cancelled).unwrap(), [1, 3]);
    }

    #[test]
    fn another_version_and_left_over_bytes_are_refused() {
        assert!(decode::<Failure>(&[]).is_err());
        assert!(
            decode::<Failure>(&[2, 3])
                .unwrap_err()
                .to_string()
                .contains("version 2")
        );
        assert!(
            decode::<Failure>(&[1, 3, 0])
                .unwrap_err()
                .to_string()
                .contains("left over")
        );
        // A length of 2^40 bytes: refused before anything is allocated.
        let huge = [1, 4, 253, 0, 0, 0, 0, 0, 1, 0, 0];
        assert!(decode::<Failure>(&huge).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(failure) = decode::<Failure>(&bytes) {
                let _ = Error::from(failure);
            }
        }
    }
}
