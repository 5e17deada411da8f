//! [`HostFunction`]: what a closure must be for Python to call it.

use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::{Incoming, Parameters};
use super::caller::{Caller, CallerPlace};
use super::failure::HostFailure;
use super::keywords::Keywords;
use crate::payload::{Encoding, Reader, encode_value};

/// A closure that Python can call: see [`PoolBuilder::host_function`](crate::PoolBuilder::host_function).
///
/// Closures and functions implement it if their parameters are, in this order:
///
/// 1. a [`Caller`], or none;
/// 2. up to eight positional arguments, of types that implement serde's `Deserialize`;
/// 3. [`Keywords`], or none.
///
/// They return a `Result` of a value that implements serde's `Serialize`, and an error: any that implements
/// [`std::error::Error`], or a text. `Signature` is chosen by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a host function",
    label = "not a host function",
    note = "its parameters are an optional `owngil::Caller`, up to eight types that implement `DeserializeOwned`, and \
            an optional `owngil::Keywords`; it returns a `Result` of a type that implements `Serialize`"
)]
pub trait HostFunction<Signature>: Send + Sync + 'static {
    /// The function without its types.
    #[doc(hidden)]
    fn erase(self) -> ErasedFunction;
}

/// The parameters of a host function: its caller, its positional arguments and its keyword arguments.
#[derive(Debug)]
pub struct Signature<C, P, K>(PhantomData<(C, P, K)>);

/// A host function without its types: encoded arguments in, an encoded value out.
#[derive(Clone)]
pub struct ErasedFunction(Arc<Erased>);

type Erased =
    dyn Fn(&CallerPlace, Reader<'_>, &mut Encoding) -> Result<(), HostFailure> + Send + Sync;

impl ErasedFunction {
    /// Runs the function; its value is appended to `value`.
    #[inline]
    pub(super) fn call(
        &self,
        caller: &CallerPlace,
        arguments: Reader<'_>,
        value: &mut Encoding,
    ) -> Result<(), HostFailure> {
        (self.0)(caller, arguments, value)
    }
}

impl std::fmt::Debug for ErasedFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ErasedFunction")
    }
}

/// Writes what a function has returned.
#[inline]
fn finish<T: Serialize, E: Into<Box<dyn Error + Send + Sync>>>(
    returned: Result<T, E>,
    value: &mut Encoding,
) -> Result<(), HostFailure> {
    match returned {
        Ok(returned) => encode_value(&returned, value).map_err(|error| error.root("value").into()),
        Err(error) => Err(HostFailure::of_error(&*error.into())),
    }
}

macro_rules! implement {
    ([$($caller:ident)?] [$($type:ident $argument:ident)*] [$($keywords:ident)?]) => {
        impl<F, T, E, $($type,)* $($keywords,)?>
            HostFunction<Signature<($($caller,)?), ($($type,)*), ($($keywords,)?)>> for F
        where
            F: Fn($($caller,)? $($type,)* $(Keywords<$keywords>)?) -> Result<T, E>
                + Send + Sync + 'static,
            T: Serialize,
            E: Into<Box<dyn Error + Send + Sync>>,
            $($type: DeserializeOwned,)*
            $($keywords: DeserializeOwned,)?
        {
            fn erase(self) -> ErasedFunction {
                let parameters = Parameters {
                    n_positional: [$(stringify!($type)),*].map(|_: &str| ()).len(),
                    has_keywords: [$(stringify!($keywords))?].map(|_: &str| ()).len() > 0,
                };
                ErasedFunction(Arc::new(move |_caller, arguments, value| {
                    let mut _incoming = Incoming::new(arguments, parameters)?;
                    $(let $argument = _incoming.argument::<$type>()?;)*
                    let returned = self(
                        $({ let caller: $caller = _caller.caller(); caller },)?
                        $($argument,)*
                        $(_incoming.keywords::<$keywords>()?)?
                    );
                    finish(returned, value)
                }))
            }
        }
    };
    ($($type:ident $argument:ident)*) => {
        implement! { [] [$($type $argument)*] [] }
        implement! { [] [$($type $argument)*] [K] }
        implement! { [Caller] [$($type $argument)*] [] }
        implement! { [Caller] [$($type $argument)*] [K] }
    };
}

implement! {}
implement! { A a }
implement! { A a B b }
implement! { A a B b C c }
implement! { A a B b C c D d }
implement! { A a B b C c D d G g }
implement! { A a B b C c D d G g H h }
implement! { A a B b C c D d G g H h I i }
implement! { A a B b C c D d G g H h I i J j }
