//! Key material as it comes in.

use crate::{Secret, pattern};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
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
    /// Encrypted to an import key of the tenant by HPKE, as a factory's list has it: `1.<kid>.<...>`.
    Hpke,
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
    /// Encrypted.
    #[error("the key is encrypted; it must be in the clear here")]
    Encrypted,
}

impl KeyInput {
    /// A key written in hexadecimal digits.
    pub fn hex(key: &[u8]) -> Self {
        let value = Secret::new(HEXLOWER_PERMISSIVE.encode(key));
        Self { format: KeyFormat::Hex, value }
    }

    /// A key that is encrypted to an import key.
    pub fn hpke(value: String) -> Self {
        Self { format: KeyFormat::Hpke, value: Secret::new(value) }
    }

    /// The key's bytes.
    ///
    /// # Errors
    /// [`KeyError`] if the value is not written in its format, or is encrypted.
    pub fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (encoding, error) = match self.format {
            KeyFormat::Hex => (&HEXLOWER_PERMISSIVE, KeyError::Hex),
            KeyFormat::Base64url => (&BASE64URL_NOPAD, KeyError::Base64url),
            KeyFormat::Hpke => return Err(KeyError::Encrypted),
        };
        let decoded = encoding.decode(self.value.expose().as_bytes());
        decoded.map(Zeroizing::new).map_err(|_| error)
    }
}

impl PartialSchema for KeyInput {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let written = |format: &str, pattern: &str| {
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .property("format", text().enum_values(Some([format])))
                .property("value", text().pattern(Some(pattern)))
                .required("format")
                .required("value")
                .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        OneOfBuilder::new()
            .description(Some("A key of 16 to 64 bytes, and how it is written."))
            .item(written("hex", pattern::KEY_HEX))
            .item(written("base64url", &pattern::key_base64url()))
            .item(written("hpke", pattern::KEY_HPKE))
            .into()
    }
}

impl ToSchema for KeyInput {}

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
        assert_eq!(bytes(KeyFormat::Hpke, "00"), Err(KeyError::Encrypted));
    }

    #[test]
    fn debug_hides_the_key() {
        assert!(!format!("{:?}", KeyInput::hex(b"canary")).contains("63616e617279"));
    }
}
