//! [`Keywords`]: the keyword arguments of a host function.

use std::collections::BTreeMap;

use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::HostFailure;
use crate::payload::{CrossingError, Reader, decode_value};

/// The keyword arguments of a [host function](crate::PoolBuilder::host_function), as its last parameter.
///
/// `T` is a struct, whose fields are the names, or a map. A field with `#[serde(default)]` can be left out.
///
/// ```
/// use owngil::{Function, Keywords, Pool};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Options {
///     #[serde(default)]
///     discount: f64,
/// }
///
/// let price = |id: u64, Keywords(options): Keywords<Options>| -> owngil::Result<f64> {
///     Ok(id as f64 * (1.0 - options.discount))
/// };
/// let pool = Pool::builder().workers(1).host_function("shop.price", price).build()?;
/// let total = Function::source(
///     "from owngil.host import shop\ndef total(): return shop.price(3) + shop.price(2, discount=0.5)",
///     "total",
/// );
/// assert_eq!(pool.call::<f64, _>(&total, ())?, 4.0);
/// # Ok::<(), owngil::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keywords<T>(pub T);

impl<T: DeserializeOwned> Keywords<T> {
    /// Reads the dict that is next.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Keywords<T>, HostFailure> {
        if let Some(fields) = fields_of::<T>() {
            let mut ahead = *reader;
            let given: BTreeMap<String, IgnoredAny> =
                decode_value(&mut ahead).map_err(|error| error.root("kwargs"))?;
            if let Some(unknown) = given.keys().find(|name| !fields.contains(&&***name)) {
                let known = fields.join(", ");
                return Err(HostFailure::Type(format!(
                    "unexpected keyword argument {unknown:?}\nhint: it takes {known}"
                )));
            }
        }
        let keywords = decode_value(reader).map_err(|error| error.root("kwargs"))?;
        Ok(Keywords(keywords))
    }
}

/// The names of a struct's fields; `None` for what takes any names.
///
/// Serde ignores entries that no field has. A misspelt keyword argument must not be ignored.
fn fields_of<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// Notes which fields a struct asks for, and has no value for them.
struct Asked<'f>(&'f mut Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = CrossingError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CrossingError> {
        Err(de::Error::custom("asked for its fields alone"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CrossingError> {
        *self.0 = Some(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CrossingError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is asked for its fields")]
    struct Options {
        #[serde(rename = "from", alias = "start")]
        begin: u8,
        end: u8,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is asked for its fields")]
    struct Open {
        end: u8,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }

    #[test]
    fn a_struct_says_which_names_it_takes() {
        let fields = fields_of::<Options>().unwrap();
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        assert_eq!(fields, ["end", "from", "start"]);
        assert_eq!(fields_of::<Open>(), None);
        assert_eq!(fields_of::<HashMap<String, u8>>(), None);
    }
}
