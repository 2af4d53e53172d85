//! The cipher suites, one row each.

/// How the two sides agree on a premaster secret and prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyExchange {
    /// RFC 4279 §2.
    Psk,
}

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// AES-128-CCM with 8-byte tags (RFC 6655 §3).
    Aes128Ccm8,
}

/// One cipher suite; all use the PRF and transcript hash SHA-256.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// IANA number.
    pub(crate) id: u16,
    pub(crate) key_exchange: KeyExchange,
    pub(crate) cipher: Cipher,
}

/// In the order in which the server prefers them.
pub(crate) static SUITES: &[Suite] = &[Suite {
    // TLS_PSK_WITH_AES_128_CCM_8, mandatory in RFC 7925 §4.2.
    id: 0xC0A8,
    key_exchange: KeyExchange::Psk,
    cipher: Cipher::Aes128Ccm8,
}];

/// The row of a number.
pub(crate) fn by_id(id: u16) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.id == id)
}
