//! HostFunctions: the host functions of a pool, and those who answer calls of them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use owngil_ffi::discard;

use super::caller::CallerPlace;
use super::failure::HostFailure;
use super::function::ErasedFunction;
use super::name;
use crate::payload::{Encoding, Reader};

/// The host functions of a pool. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct HostFunctions {
    names: Arc<Vec<String>>,
    functions: Arc<Vec<ErasedFunction>>,
}

impl HostFunctions {
    /// Those of these names.
    ///
    /// # Errors
    ///
    /// Why the names cannot be those of host functions.
    pub(crate) fn new(
        mut functions: Vec<(String, ErasedFunction)>,
    ) -> Result<HostFunctions, String> {
        name::check(functions.iter().map(|(name, _)| &**name))?;
        functions.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (names, functions) = functions.into_iter().unzip();
        Ok(HostFunctions {
            names: Arc::new(names),
            functions: Arc::new(functions),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, sorted. A function's number is its place among them.
    pub(crate) fn names(&self) -> &Arc<Vec<String>> {
        &self.names
    }

    /// Runs a function, and appends its value to `value`, which holds anything after a failure.
    pub(crate) fn answer(
        &self,
        function: usize,
        caller: &CallerPlace,
        arguments: Reader<'_>,
        value: &mut Encoding,
    ) -> Result<(), HostFailure> {
        let Some(function) = self.functions.get(function) else {
            return Err(HostFailure::Unreachable(format!(
                "there is no host function of number {function}"
            )));
        };
        let answered = catch_unwind(AssertUnwindSafe(|| function.call(caller, arguments, value)));
        answered.unwrap_or_else(|panic| {
            let failure = HostFailure::of_panic(&*panic);
            discard(panic);
            Err(failure)
        })
    }
}

impl fmt::Debug for HostFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostFunctions").field(&self.names).finish()
    }
}

/// What answers calls of host functions: the functions themselves, or the way to them.
pub(crate) trait Responder: fmt::Debug + Send + Sync {
    /// Runs the function of that number. It takes the arguments, and appends to `value`, which holds anything after a
    /// failure. It may wait, and is called detached.
    fn respond(
        &self,
        function: usize,
        arguments: &mut Encoding,
        value: &mut Encoding,
    ) -> Result<(), HostFailure>;
}

/// Answers calls in the process of the pool.
#[derive(Debug)]
pub(crate) struct LocalResponder {
    pub(crate) functions: HostFunctions,
    pub(crate) caller: CallerPlace,
}

impl Responder for LocalResponder {
    #[inline]
    fn respond(
        &self,
        function: usize,
        arguments: &mut Encoding,
        value: &mut Encoding,
    ) -> Result<(), HostFailure> {
        let reader = arguments.reader();
        self.functions.answer(function, &self.caller, reader, value)
    }
}
