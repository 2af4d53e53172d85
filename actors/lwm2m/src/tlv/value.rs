//! The value of a resource, in bytes, and the types it may be read as.

use super::TlvError;
use core::fmt;
use zeroize::Zeroizing;

/// A resource's value as TLV carries it (TS 1.0 appendix C, Core appendix C "Data Types").
///
/// It may be a key: it is wiped when dropped, and `Debug` gives its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

/// An Object Link: which instance of which object. 65535 twice is the null link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLink {
    /// The object's id.
    pub object: u16,
    /// The instance's id.
    pub instance: u16,
}

impl Value {
    /// Opaque: the bytes themselves.
    pub fn opaque(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// String: UTF-8.
    pub fn string(text: &str) -> Self {
        Self::opaque(text.as_bytes())
    }

    /// Integer: signed, big-endian, in the fewest of 1, 2, 4 or 8 bytes.
    pub fn integer(number: i64) -> Self {
        if let Ok(n) = i8::try_from(number) {
            Self::opaque(&n.to_be_bytes())
        } else if let Ok(n) = i16::try_from(number) {
            Self::opaque(&n.to_be_bytes())
        } else if let Ok(n) = i32::try_from(number) {
            Self::opaque(&n.to_be_bytes())
        } else {
            Self::opaque(&number.to_be_bytes())
        }
    }

    /// Boolean: one byte, 0 or 1.
    pub fn boolean(flag: bool) -> Self {
        Self::opaque(&[u8::from(flag)])
    }

    /// Objlnk: the object's id, then the instance's, 16 bits each.
    pub fn object_link(link: ObjectLink) -> Self {
        let [a, b] = link.object.to_be_bytes();
        let [c, d] = link.instance.to_be_bytes();
        Self::opaque(&[a, b, c, d])
    }

    /// Time: seconds since the Unix epoch, written as an integer.
    pub fn time(seconds: i64) -> Self {
        Self::integer(seconds)
    }

    /// The bytes; every value can be read as opaque.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads a string; refuses what is not UTF-8.
    pub fn as_str(&self) -> Result<&str, TlvError> {
        core::str::from_utf8(&self.0).map_err(|_| TlvError::Value("string"))
    }

    /// Reads an integer of 1, 2, 4 or 8 bytes, whether or not fewer would do.
    pub fn as_integer(&self) -> Result<i64, TlvError> {
        match *self.bytes() {
            [a] => Ok(i8::from_be_bytes([a]).into()),
            [a, b] => Ok(i16::from_be_bytes([a, b]).into()),
            [a, b, c, d] => Ok(i32::from_be_bytes([a, b, c, d]).into()),
            [a, b, c, d, e, f, g, h] => Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => Err(TlvError::Value("integer")),
        }
    }

    /// Reads a boolean; a byte other than 0 and 1 is refused.
    pub fn as_bool(&self) -> Result<bool, TlvError> {
        match *self.bytes() {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(TlvError::Value("boolean")),
        }
    }

    /// Reads an Object Link.
    pub fn as_object_link(&self) -> Result<ObjectLink, TlvError> {
        match *self.bytes() {
            [a, b, c, d] => Ok(ObjectLink {
                object: u16::from_be_bytes([a, b]),
                instance: u16::from_be_bytes([c, d]),
            }),
            _ => Err(TlvError::Value("object link")),
        }
    }

    /// Reads a time, in seconds since the Unix epoch.
    pub fn as_time(&self) -> Result<i64, TlvError> {
        self.as_integer().map_err(|_| TlvError::Value("time"))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}
