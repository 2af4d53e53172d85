//! Key material as it comes in.

use crate::Secret;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A key with the way in which it is written, as `{"format":"hex","value":"00ff"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyInput {
    /// How `value` is written.
    pub format: KeyFormat,
    /// The key.
    pub value: Secret,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyFormat {
    /// Hexadecimal digits of either case.
    Hex,
    /// base64url without padding (RFC 4648 §5).
    Base64url,
}

/// A key that is not written as it says; the words do not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not hexadecimal.
    #[error("the key is not an even number of hexadecimal digits")]
    Hex,
    /// Not base64url.
    #[error("the key is not base64url without padding")]
    Base64url,
}

impl KeyInput {
    /// A key written in hexadecimal digits.
    pub fn hex(key: &[u8]) -> Self {
        let value = Secret::new(HEXLOWER_PERMISSIVE.encode(key));
        Self { format: KeyFormat::Hex, value }
    }

    /// The key's bytes.
    ///
    /// # Errors
    /// [`KeyError`] if the value is not written in its format.
    pub fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (encoding, error) = match self.format {
            KeyFormat::Hex => (&HEXLOWER_PERMISSIVE, KeyError::Hex),
            KeyFormat::Base64url => (&BASE64URL_NOPAD, KeyError::Base64url),
        };
        let decoded = encoding.decode(self.value.expose().as_bytes());
        decoded.map(Zeroizing::new).map_err(|_| error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(format: KeyFormat, value: &str) -> Result<Vec<u8>, KeyError> {
        KeyInput { format, value: Secret::new(value.into()) }.bytes().map(|key| key.to_vec())
    }

    #[test]
    fn reads_both_ways_of_writing() {
        assert_eq!(bytes(KeyFormat::Hex, "00fF"), Ok(vec![0, 255]));
        assert_eq!(bytes(KeyFormat::Base64url, "-_8"), Ok(vec![0xfb, 0xff]));
        assert_eq!(KeyInput::hex(&[0, 255]).value.expose(), "00ff");
    }

    #[test]
    fn refuses_what_is_written_otherwise() {
        assert_eq!(bytes(KeyFormat::Hex, "0"), Err(KeyError::Hex));
        assert_eq!(bytes(KeyFormat::Hex, "0g"), Err(KeyError::Hex));
        assert_eq!(bytes(KeyFormat::Base64url, "+/8="), Err(KeyError::Base64url));
    }

    #[test]
    fn debug_hides_the_key() {
        assert!(!format!("{:?}", KeyInput::hex(b"canary")).contains("63616e617279"));
    }
}
