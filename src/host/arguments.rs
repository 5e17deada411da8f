//! The arguments of a host function as bytes: how many are positional, whether there are keyword arguments, the
//! positional values, and one dict of those that have names.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::failure::HostFailure;
use super::keywords::Keywords;
use crate::payload::{Payload, Reader, decode_value};

/// What a function takes, to be compared with what it is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters {
    pub(super) n_positional: usize,
    pub(super) has_keywords: bool,
}

/// The arguments of one call, to be read in order.
pub(super) struct Incoming<'c> {
    reader: Reader<'c>,
    next: usize,
    has_keywords: bool,
}

impl<'c> Incoming<'c> {
    /// Those that are encoded there, if they are as many as the function takes.
    #[inline]
    pub(super) fn new(
        mut reader: Reader<'c>,
        parameters: Parameters,
    ) -> Result<Incoming<'c>, HostFailure> {
        let (n_positional, has_keywords) = (reader.varint()?, reader.u8()? != 0);
        if n_positional != parameters.n_positional as u64 {
            return Err(wrong_number(parameters.n_positional, n_positional));
        }
        if has_keywords && !parameters.has_keywords {
            return Err(HostFailure::Type(
                "it takes no keyword arguments".to_owned(),
            ));
        }
        Ok(Incoming {
            reader,
            next: 0,
            has_keywords,
        })
    }

    /// The next positional argument.
    #[inline]
    pub(super) fn argument<T: DeserializeOwned>(&mut self) -> Result<T, HostFailure> {
        let place = self.next;
        self.next += 1;
        let value = decode_value(&mut self.reader);
        value.map_err(|error| error.root(&format!("args[{place}]")).into())
    }

    /// The keyword arguments. Those of a call without any are an empty dict, which a struct with defaults takes.
    pub(super) fn keywords<T: DeserializeOwned>(&mut self) -> Result<Keywords<T>, HostFailure> {
        if self.has_keywords {
            return Keywords::read(&mut self.reader);
        }
        let none = Payload::new(&BTreeMap::<String, ()>::new())?;
        Keywords::read(&mut none.reader())
    }
}

#[cold]
fn wrong_number(n_taken: usize, n_given: u64) -> HostFailure {
    let arguments = if n_taken == 1 {
        "argument"
    } else {
        "arguments"
    };
    let were = if n_given == 1 { "was" } else { "were" };
    HostFailure::Type(format!(
        "it takes {n_taken} positional {arguments}, but {n_given} {were} given"
    ))
}
