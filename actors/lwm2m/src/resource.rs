//! Values of resources and where they belong: what a payload carries, in whatever format.

use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// An object, or one of its instances: what the path of a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectPath {
    /// The object's id.
    pub object: u16,
    /// The instance's id, if the path names one.
    pub instance: Option<u16>,
}

impl ObjectPath {
    /// The path of one instance.
    pub const fn of_instance(object: u16, instance: u16) -> Self {
        Self { object, instance: Some(instance) }
    }
}

/// One value of one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource<'a> {
    /// Object Instance ID.
    pub instance: u16,
    /// Resource ID.
    pub id: u16,
    /// Resource Instance ID; none for a resource that has one value.
    pub item: Option<u16>,
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Resource<'a> {
    /// The value of a resource that has one.
    pub const fn new(instance: u16, id: u16, value: Value<'a>) -> Self {
        Self { instance, id, item: None, value }
    }
}

/// A value by its type (Core appendix C "Data Types"). A time is an integer, in seconds since the
/// Unix epoch; a Corelnk is a string.
///
/// It may be a key: what it owns is wiped when dropped, and `Debug` gives its type only.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// Integer, Unsigned Integer up to 63 bits, Time.
    Integer(i64),
    /// Float. Also what is read of a number that is past 64 bits with sign, rounded.
    Float(f64),
    /// Boolean.
    Boolean(bool),
    /// String.
    String(Cow<'a, str>),
    /// Opaque.
    Opaque(Bytes<'a>),
    /// Objlnk.
    ObjectLink(ObjectLink),
    /// The bytes of a TLV, which does not say what type they have: the reader has to know it.
    Untyped(&'a [u8]),
}

/// An Object Link: which instance of which object. 65535 twice is the null link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLink {
    /// The object's id.
    pub object: u16,
    /// The instance's id.
    pub instance: u16,
}

/// Opaque bytes: those of the payload, or ones that had to be decoded from it.
#[derive(Clone)]
pub enum Bytes<'a> {
    /// Somebody else's.
    Borrowed(&'a [u8]),
    /// Its own.
    Owned(Zeroizing<Vec<u8>>),
}

/// The type that was asked for, where the value has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is not a valid {0}")]
pub struct WrongType(pub &'static str);

impl<'a> Value<'a> {
    /// A string of the caller's.
    pub const fn string(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }

    /// Opaque bytes of the caller's.
    pub const fn opaque(bytes: &'a [u8]) -> Self {
        Self::Opaque(Bytes::Borrowed(bytes))
    }

    /// Reads an integer: of a TLV 1, 2, 4 or 8 bytes, whether or not fewer would do; of SenML any
    /// number without a fraction (RFC 8428 §4.3).
    pub fn as_integer(&self) -> Result<i64, WrongType> {
        /// The largest up to which every integer is a float of its own.
        const EXACT: f64 = (1_u64 << 53) as f64;
        match *self {
            Self::Integer(number) => Ok(number),
            Self::Float(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                Ok(number as i64)
            }
            Self::Untyped(&[a]) => Ok(i8::from_be_bytes([a]).into()),
            Self::Untyped(&[a, b]) => Ok(i16::from_be_bytes([a, b]).into()),
            Self::Untyped(&[a, b, c, d]) => Ok(i32::from_be_bytes([a, b, c, d]).into()),
            Self::Untyped(&[a, b, c, d, e, f, g, h]) => {
                Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => Err(WrongType("integer")),
        }
    }

    /// Reads a float: of a TLV 4 or 8 bytes; of SenML any number.
    pub fn as_float(&self) -> Result<f64, WrongType> {
        match *self {
            Self::Integer(number) => Ok(number as f64),
            Self::Float(number) => Ok(number),
            Self::Untyped(&[a, b, c, d]) => Ok(f32::from_be_bytes([a, b, c, d]).into()),
            Self::Untyped(&[a, b, c, d, e, f, g, h]) => {
                Ok(f64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => Err(WrongType("float")),
        }
    }

    /// Reads a boolean; of a TLV, a byte other than 0 and 1 is refused.
    pub const fn as_bool(&self) -> Result<bool, WrongType> {
        match *self {
            Self::Boolean(flag) => Ok(flag),
            Self::Untyped([0]) => Ok(false),
            Self::Untyped([1]) => Ok(true),
            _ => Err(WrongType("boolean")),
        }
    }

    /// Reads a string; of a TLV, what is not UTF-8 is refused.
    pub fn as_str(&self) -> Result<&str, WrongType> {
        match self {
            Self::String(text) => Ok(text),
            Self::Untyped(bytes) => core::str::from_utf8(bytes).map_err(|_| WrongType("string")),
            _ => Err(WrongType("string")),
        }
    }

    /// Reads opaque bytes; every TLV can be read so.
    pub fn as_opaque(&self) -> Result<&[u8], WrongType> {
        match self {
            Self::Opaque(bytes) => Ok(bytes),
            Self::Untyped(bytes) => Ok(bytes),
            _ => Err(WrongType("opaque")),
        }
    }

    /// Reads an Object Link.
    pub const fn as_object_link(&self) -> Result<ObjectLink, WrongType> {
        match *self {
            Self::ObjectLink(link) => Ok(link),
            Self::Untyped(&[a, b, c, d]) => Ok(ObjectLink {
                object: u16::from_be_bytes([a, b]),
                instance: u16::from_be_bytes([c, d]),
            }),
            _ => Err(WrongType("object link")),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer(_) => "Integer",
            Self::Float(_) => "Float",
            Self::Boolean(_) => "Boolean",
            Self::String(_) => "String",
            Self::Opaque(_) => "Opaque",
            Self::ObjectLink(_) => "ObjectLink",
            Self::Untyped(_) => "Untyped",
        })
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_values_of_another_shape() {
        for bytes in [&b""[..], b"abc", b"abcde", b"123456789"] {
            let value = Value::Untyped(bytes);
            assert_eq!(value.as_integer(), Err(WrongType("integer")));
            assert_eq!(value.as_float(), Err(WrongType("float")));
            assert_eq!(value.as_object_link(), Err(WrongType("object link")));
        }
        assert_eq!(Value::Untyped(&[2]).as_bool(), Err(WrongType("boolean")));
        assert_eq!(Value::Untyped(&[0, 1]).as_bool(), Err(WrongType("boolean")));
        assert_eq!(Value::Untyped(&[0xff]).as_str(), Err(WrongType("string")));
    }

    #[test]
    fn a_typed_value_is_no_other_type() {
        assert_eq!(Value::string("7").as_integer(), Err(WrongType("integer")));
        assert_eq!(Value::Integer(1).as_bool(), Err(WrongType("boolean")));
        assert_eq!(Value::opaque(b"x").as_str(), Err(WrongType("string")));
        assert_eq!(Value::string("x").as_opaque(), Err(WrongType("opaque")));
    }

    #[test]
    fn a_float_is_an_integer_where_nothing_is_lost() {
        assert_eq!(Value::Float(300.0).as_integer(), Ok(300));
        for number in [0.5, 1e16, f64::NAN, f64::INFINITY] {
            assert_eq!(Value::Float(number).as_integer(), Err(WrongType("integer")), "{number}");
        }
    }

    #[test]
    fn debug_does_not_show_a_value() {
        let shown = format!("{:?}", Resource::new(1, 5, Value::opaque(b"secret")));

        assert_eq!(shown, "Resource { instance: 1, id: 5, item: None, value: Opaque }");
    }
}
