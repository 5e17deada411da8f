//! [`BigInt`]: a Python int of any size, held and shown.
//!
//! It does no arithmetic; a program that needs more than `i128` hands the digits to a crate that does.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::error::CrossingError;
use super::format::{fill_of, shortest_int};
use super::rust::handoff;

/// A billion: the largest power of ten that a 32-bit limb can take part in.
const BILLION: u64 = 1_000_000_000;
const BILLION_DIGITS: usize = 9;

/// A Python int of any size.
///
/// `to_string` formats it in decimal, and `parse` reads it back. Both take time quadratic in the number of digits.
/// [`i128::try_from`] returns the number if it fits.
///
/// Within owngil it is a Python int. With any other serializer it is an `i128` if that is large enough, and a
/// decimal string otherwise.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BigInt {
    /// The shortest little-endian two's complement; at least one byte.
    bytes: Vec<u8>,
}

handoff::handed!(BigInt);

impl BigInt {
    /// Makes an int from little-endian two's complement bytes, of any length.
    pub fn from_le_bytes(bytes: &[u8]) -> Self {
        let shortest = shortest_int(bytes);
        BigInt {
            bytes: if shortest.is_empty() {
                vec![0]
            } else {
                shortest.to_vec()
            },
        }
    }

    /// The shortest little-endian two's complement form, of at least one byte.
    pub fn as_le_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether the int is below zero.
    pub fn is_negative(&self) -> bool {
        self.bytes.last().is_some_and(|last| *last >= 0x80)
    }

    /// The number of bits that the int takes, without its sign.
    pub fn bits(&self) -> usize {
        bits(&self.bytes)
    }

    /// The absolute value as little-endian limbs.
    fn magnitude(&self) -> Vec<u32> {
        let negative = self.is_negative();
        let fill = if negative { 0xFF } else { 0 };
        let mut carry = negative;
        self.bytes
            .chunks(4)
            .map(|chunk| {
                let mut limb = [fill; 4];
                limb[..chunk.len()].copy_from_slice(chunk);
                let limb = u32::from_le_bytes(limb);
                if !negative {
                    return limb;
                }
                // Minus x is not x plus one.
                let (limb, overflow) = (!limb).overflowing_add(u32::from(carry));
                carry = overflow;
                limb
            })
            .collect()
    }
}

/// How many bits a two's complement takes, without its sign.
pub(crate) fn bits(bytes: &[u8]) -> usize {
    let bytes = shortest_int(bytes);
    let Some(last) = bytes.last() else { return 0 };
    let significant = last ^ fill_of(*last);
    bytes.len() * 8 - significant.leading_zeros() as usize
}

/// The number that a two's complement stands for, where it fits.
pub(crate) fn to_i128(bytes: &[u8]) -> Option<i128> {
    let bytes = shortest_int(bytes);
    let mut number = [bytes.last().map_or(0, |last| fill_of(*last)); 16];
    number.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(number))
}

/// The number that a two's complement stands for, where it fits.
pub(crate) fn to_u128(bytes: &[u8]) -> Option<u128> {
    match shortest_int(bytes) {
        [low @ .., 0] if low.len() == 16 => low.first_chunk().map(|low| u128::from_le_bytes(*low)),
        other => to_i128(other).and_then(|number| u128::try_from(number).ok()),
    }
}

impl From<i128> for BigInt {
    fn from(number: i128) -> Self {
        BigInt::from_le_bytes(&number.to_le_bytes())
    }
}

impl From<u128> for BigInt {
    fn from(number: u128) -> Self {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&number.to_le_bytes());
        BigInt::from_le_bytes(&bytes)
    }
}

impl From<i64> for BigInt {
    fn from(number: i64) -> Self {
        BigInt::from(i128::from(number))
    }
}

impl From<u64> for BigInt {
    fn from(number: u64) -> Self {
        BigInt::from(i128::from(number))
    }
}

impl TryFrom<&BigInt> for i128 {
    type Error = CrossingError;

    /// # Errors
    /// When the number needs more than 128 bits.
    fn try_from(number: &BigInt) -> Result<Self, CrossingError> {
        to_i128(&number.bytes).ok_or_else(|| too_large(&number.bytes, "an i128"))
    }
}

/// The error for an int that no Rust integer holds.
#[cold]
pub(crate) fn too_large(bytes: &[u8], target: &str) -> CrossingError {
    CrossingError::new(format!(
        "an int of {} bits does not fit {target}",
        bits(bytes)
    ))
    .with_type_name("int")
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.magnitude();
        let mut groups = Vec::new();
        loop {
            let mut remainder = 0;
            for limb in limbs.iter_mut().rev() {
                let dividend = (remainder << 32) | u64::from(*limb);
                *limb = (dividend / BILLION) as u32;
                remainder = dividend % BILLION;
            }
            groups.push(remainder);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
            if limbs.is_empty() {
                break;
            }
        }
        let mut digits = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            digits.push_str(&format!("{group:0BILLION_DIGITS$}"));
        }
        f.pad_integral(!self.is_negative(), "", &digits)
    }
}

impl fmt::Debug for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BigInt({self})")
    }
}

impl FromStr for BigInt {
    type Err = CrossingError;

    /// Parses a decimal number: digits after an optional sign.
    ///
    /// # Errors
    /// When the text is anything else.
    fn from_str(text: &str) -> Result<Self, CrossingError> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(CrossingError::new("not a decimal int"));
        }
        let mut limbs: Vec<u32> = Vec::new();
        for group in digits.chunks(BILLION_DIGITS) {
            let mut carry = 0;
            let mut scale = 1;
            for digit in group {
                carry = carry * 10 + u64::from(digit - b'0');
                scale *= 10;
            }
            for limb in &mut limbs {
                carry += u64::from(*limb) * scale;
                *limb = carry as u32;
                carry >>= 32;
            }
            if carry > 0 {
                limbs.push(carry as u32);
            }
        }
        // One limb of zeros leaves room for the sign.
        limbs.push(0);
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u32::from(carry));
            }
        }
        let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        Ok(BigInt::from_le_bytes(&bytes))
    }
}

impl Serialize for BigInt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(handoff::BIGINT, &Digits(self))
    }
}

/// The bytes for our own serializer, a number or its digits for any other.
struct Digits<'a>(&'a BigInt);

impl Serialize for Digits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if handoff::is_from_us() {
            return serializer.serialize_bytes(&self.0.bytes);
        }
        match to_i128(&self.0.bytes) {
            Some(number) => match i64::try_from(number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.serialize_i128(number),
            },
            None => serializer.collect_str(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for BigInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(handoff::BIGINT, BigIntVisitor)
    }
}

struct BigIntVisitor;

impl<'de> Visitor<'de> for BigIntVisitor {
    type Value = BigInt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an int")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<BigInt, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<BigInt, E> {
        Ok(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<BigInt, E> {
        Ok(number.into())
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<BigInt, E> {
        Ok(number.into())
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<BigInt, E> {
        Ok(number.into())
    }

    /// The digits that another serializer got for a large number; our own decoder hands an int over.
    fn visit_str<E: de::Error>(self, digits: &str) -> Result<BigInt, E> {
        digits.parse().map_err(E::custom)
    }

    fn visit_unit<E: de::Error>(self) -> Result<BigInt, E> {
        handoff::take().ok_or_else(|| E::invalid_type(de::Unexpected::Unit, &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_exact() {
        for number in [
            0,
            1,
            -1,
            9,
            127,
            128,
            -128,
            -129,
            999_999_999,
            1_000_000_000,
            -1_000_000_000,
            i128::from(i64::MIN),
            i128::MAX,
            i128::MIN,
            10i128.pow(36),
        ] {
            let big = BigInt::from(number);
            assert_eq!(big.to_string(), number.to_string());
            assert_eq!(number.to_string().parse::<BigInt>().unwrap(), big);
            assert_eq!(i128::try_from(&big).unwrap(), number);
        }
        let googol = format!("1{}", "0".repeat(100));
        assert_eq!(googol.parse::<BigInt>().unwrap().to_string(), googol);
        let minus = format!("-{googol}");
        assert_eq!(minus.parse::<BigInt>().unwrap().to_string(), minus);
        assert_eq!("+0007".parse::<BigInt>().unwrap(), BigInt::from(7i64));
        assert_eq!("-0".parse::<BigInt>().unwrap(), BigInt::from(0i64));
        assert_eq!(format!("{:>5}", BigInt::from(-7i64)), "   -7");
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in ["", "-", "1_0", "0x1", " 1", "--1"] {
            assert!(text.parse::<BigInt>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn bytes_are_kept_short() {
        assert_eq!(BigInt::from_le_bytes(&[]).as_le_bytes(), [0]);
        assert_eq!(BigInt::from_le_bytes(&[5, 0, 0]).as_le_bytes(), [5]);
        assert_eq!(BigInt::from_le_bytes(&[0x80, 0]).as_le_bytes(), [0x80, 0]);
        assert_eq!(BigInt::from_le_bytes(&[0xFF, 0xFF]).as_le_bytes(), [0xFF]);
        assert_eq!(BigInt::from(u128::MAX).as_le_bytes().len(), 17);
        assert_eq!(
            to_u128(BigInt::from(u128::MAX).as_le_bytes()),
            Some(u128::MAX)
        );
        assert_eq!(to_u128(BigInt::from(-1i64).as_le_bytes()), None);
    }

    #[test]
    fn bits_leave_out_the_sign() {
        assert_eq!(BigInt::from(0i64).bits(), 0);
        assert_eq!(BigInt::from(255i64).bits(), 8);
        assert_eq!(BigInt::from(u64::MAX).bits(), 64);
        assert_eq!(BigInt::from(-255i64).bits(), 8);
    }
}
