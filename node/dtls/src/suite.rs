//! The cipher suites, one row each: to add one is to add a row, and a cipher if it is new.
//!
//! Of those that a client offers, the first one in **its** order that stands here is taken. Every
//! row is good enough for us, and it is the device that pays: for the code of a cipher, for its
//! time on a small processor, for each byte of tag on the air. Constrained devices offer CCM_8,
//! alone or first (RFC 7925 §4.2); a client that prefers a longer tag gets it. Nobody in between
//! can change the order, because both Finished cover it.

use crate::cipher::Cipher;

/// How the two sides agree on a premaster secret and prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyExchange {
    /// RFC 4279 §2.
    Psk,
}

/// One cipher suite; all use the PRF and transcript hash SHA-256.
#[derive(Debug, PartialEq, Eq)]
pub struct Suite {
    /// IANA number.
    pub id: u16,
    /// IANA name.
    pub name: &'static str,
    pub(crate) key_exchange: KeyExchange,
    pub(crate) cipher: Cipher,
}

/// Every suite, in the order in which our client offers them.
pub static SUITES: [Suite; 3] = [
    Suite {
        // RFC 6655; mandatory in RFC 7925 §4.2.
        id: 0xC0A8,
        name: "TLS_PSK_WITH_AES_128_CCM_8",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aes128Ccm8,
    },
    Suite {
        // RFC 5487.
        id: 0x00A8,
        name: "TLS_PSK_WITH_AES_128_GCM_SHA256",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aes128Gcm,
    },
    Suite {
        // RFC 6655.
        id: 0xC0A4,
        name: "TLS_PSK_WITH_AES_128_CCM",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aes128Ccm,
    },
];

impl Suite {
    /// The row of an IANA number.
    pub fn by_id(id: u16) -> Option<&'static Self> {
        SUITES.iter().find(|suite| suite.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_own_number() {
        for suite in &SUITES {
            assert_eq!(Suite::by_id(suite.id), Some(suite));
        }
        // TLS_EMPTY_RENEGOTIATION_INFO_SCSV is a signal, not a suite.
        assert_eq!(Suite::by_id(0x00FF), None);
    }
}
