//! [`keywords`]: arguments of a call that have names.
//!
//! It does not encode them; the encoder of calls knows a [`Call`] by the name of its newtype struct.

use serde::ser::{self, Serialize, SerializeTupleStruct, Serializer};

use super::handoff;

/// The positional and keyword arguments of one call, made by [`keywords`].
///
/// Use it only as all the arguments of a call, not as a value.
#[derive(Clone, Debug)]
pub struct Call<P, K> {
    positional: P,
    keyword: K,
}

/// Makes the arguments of a call that passes some of them by name.
///
/// For `positional`, a tuple or array gives the positional arguments, `()` gives none, and anything else is the only
/// argument. `keyword` is a struct, or a map whose keys are strings. Anything else is an error when you make the call.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct Options {
///     tolerance: f64,
/// }
///
/// let arguments = owngil::keywords((1, 2), Options { tolerance: 0.5 });
/// ```
pub fn keywords<P: Serialize, K: Serialize>(positional: P, keyword: K) -> Call<P, K> {
    Call {
        positional,
        keyword,
    }
}

impl<P: Serialize, K: Serialize> Serialize for Call<P, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(handoff::CALL, &Parts(self))
    }
}

struct Parts<'a, P, K>(&'a Call<P, K>);

impl<P: Serialize, K: Serialize> Serialize for Parts<'_, P, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !handoff::is_from_us() {
            return Err(ser::Error::custom(
                "keywords(...) can only be the arguments of a Python call",
            ));
        }
        let mut parts = serializer.serialize_tuple_struct(handoff::CALL, 2)?;
        parts.serialize_field(&self.0.positional)?;
        parts.serialize_field(&self.0.keyword)?;
        parts.end()
    }
}
