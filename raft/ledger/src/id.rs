//! The ledger's ids, each a type of its own.

use core::{fmt, str::FromStr};
use minicbor::{Decode, Encode};

/// A device: its tenant and its id within the tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DeviceRef {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The device's id, unique within the tenant; at most 255 bytes.
    #[n(1)]
    pub device: String,
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.device)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                hex16(text).map(Self).ok_or(Malformed)
            }
        }
    )*};
}

ids! {
    /// A credential: 16 random bytes, written as 32 hexadecimal digits.
    CredentialId;
    /// A DTLS session: the first half of its handshake's SHA-256.
    SessionId;
    /// A proposal: 16 random bytes, by which a repetition is known.
    RequestId;
}

/// An id that is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits")]
pub struct Malformed;

fn hex16(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = core::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_written() {
        let id = CredentialId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in
            ["", "00", "zz112233445566778899aabbccddeeff", "+0112233445566778899aabbccddeeff"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(Malformed), "{text}");
        }
    }
}
