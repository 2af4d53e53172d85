//! The bytes of DTLS 1.2: records, handshake messages, extensions, alerts. Nothing here decides.

pub(crate) mod alert;
pub(crate) mod certificate;
pub(crate) mod cursor;
pub(crate) mod extension;
pub(crate) mod handshake;
pub(crate) mod hello;
pub(crate) mod key_exchange;
pub(crate) mod path;
pub(crate) mod record;

/// DTLS 1.2 (RFC 6347 §4.1).
pub(crate) const DTLS_1_2: u16 = 0xFEFD;
/// DTLS 1.0, the version that a HelloVerifyRequest bears (RFC 6347 §4.2.1).
pub(crate) const DTLS_1_0: u16 = 0xFEFF;
