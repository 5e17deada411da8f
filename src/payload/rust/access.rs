//! The insides of containers, one item at a time, as serde asks for them.
//!
//! It does not open or close containers; the decoder does, and counts the levels.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, Visitor};

use super::decode::Decoder;
use crate::payload::error::{Crossing, CrossingError};

/// The items of a list, tuple, set or frozenset.
pub(super) struct Items<'a, 'de> {
    pub(super) decoder: &'a mut Decoder<'de>,
    pub(super) count: usize,
    pub(super) index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = CrossingError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Crossing<Option<S::Value>> {
        if self.index == self.count {
            return Ok(None);
        }
        match self.decoder.one(|decoder| seed.deserialize(decoder)) {
            Ok(value) => {
                self.index += 1;
                Ok(Some(value))
            }
            Err(error) => Err(error.at_index(self.index)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.count - self.index)
    }
}

/// The entries of a dict.
pub(super) struct Pairs<'a, 'de> {
    pub(super) decoder: &'a mut Decoder<'de>,
    pub(super) left: usize,
    /// Where the last key stands, to be read again when its value fails.
    pub(super) key_at: usize,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, 'de> {
    type Error = CrossingError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Crossing<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.key_at = self.decoder.position();
        let key = self
            .decoder
            .one(|decoder| seed.deserialize(decoder))
            .map_err(CrossingError::in_key)?;
        self.left -= 1;
        Ok(Some(key))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Crossing<S::Value> {
        let value = self.decoder.one(|decoder| seed.deserialize(decoder));
        value.map_err(|error| self.decoder.at_key(error, self.key_at))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The one entry of a dict that stands for an enum.
pub(super) struct Variant<'a, 'de> {
    pub(super) decoder: &'a mut Decoder<'de>,
    pub(super) variant_at: usize,
}

impl<'de> Variant<'_, 'de> {
    fn content<R>(self, read: impl FnOnce(&mut Decoder<'de>) -> Crossing<R>) -> Crossing<R> {
        let value = self.decoder.one(read);
        value.map_err(|error| self.decoder.at_key(error, self.variant_at))
    }
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CrossingError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Crossing<(S::Value, Self)> {
        let variant = seed
            .deserialize(&mut *self.decoder)
            .map_err(CrossingError::in_key)?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CrossingError;

    fn unit_variant(self) -> Crossing<()> {
        self.content(|decoder| Deserialize::deserialize(decoder))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Crossing<S::Value> {
        self.content(|decoder| seed.deserialize(decoder))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Crossing<V::Value> {
        self.content(|decoder| decoder.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Crossing<V::Value> {
        self.content(|decoder| decoder.deserialize_struct("", fields, visitor))
    }
}
