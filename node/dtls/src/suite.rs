//! The cipher suites, one row each: to add one is to add a row, and a cipher if it is new.
//!
//! Of those that a client offers, the first AEAD in **its** order that stands here is taken, and a
//! block cipher only where it offers no AEAD. Every AEAD is good enough for us, and it is the
//! device that pays: for the code of a cipher, for its time on a small processor, for each byte of
//! tag on the air. Constrained devices offer CCM_8, alone or first (RFC 7925 §4.2); a client that
//! prefers a longer tag gets it. Nobody in between can change the order, because both Finished
//! cover it.

use crate::cipher::{Aead, Cipher};

/// How the two sides agree on a premaster secret and prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyExchange {
    /// A pre-shared key alone (RFC 4279 §2).
    Psk,
    /// Ephemeral keys, signed by raw public keys or certificates (RFC 8422 §2.1).
    EcdheEcdsa,
    /// Ephemeral keys and a pre-shared key (RFC 5489).
    EcdhePsk,
    /// Ephemeral keys, and nobody proves anything (RFC 8422 §2.5).
    EcdhAnon,
}

impl KeyExchange {
    /// Whether a pre-shared key goes into the premaster secret, and its identity is sent.
    pub(crate) const fn uses_psk(self) -> bool {
        matches!(self, Self::Psk | Self::EcdhePsk)
    }

    /// Whether there is a key agreement.
    pub(crate) const fn is_ephemeral(self) -> bool {
        !matches!(self, Self::Psk)
    }

    /// Whether both sides present a key and sign with it.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(self, Self::EcdheEcdsa)
    }
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
    /// Whether it is taken or offered without being named: weak ones, kept for protocols that
    /// demand them, are not.
    pub(crate) by_default: bool,
}

/// Every suite, in the order in which our client offers them.
pub static SUITES: [Suite; 10] = [
    Suite {
        // RFC 6655; mandatory in RFC 7925 §4.2.
        id: 0xC0A8,
        name: "TLS_PSK_WITH_AES_128_CCM_8",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aead(Aead::Aes128Ccm8),
        by_default: true,
    },
    Suite {
        // RFC 5487.
        id: 0x00A8,
        name: "TLS_PSK_WITH_AES_128_GCM_SHA256",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aead(Aead::Aes128Gcm),
        by_default: true,
    },
    Suite {
        // RFC 6655.
        id: 0xC0A4,
        name: "TLS_PSK_WITH_AES_128_CCM",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aead(Aead::Aes128Ccm),
        by_default: true,
    },
    Suite {
        // RFC 5487.
        id: 0x00AE,
        name: "TLS_PSK_WITH_AES_128_CBC_SHA256",
        key_exchange: KeyExchange::Psk,
        cipher: Cipher::Aes128CbcSha256,
        by_default: true,
    },
    Suite {
        // RFC 7251; mandatory in RFC 7925 §4.4.
        id: 0xC0AE,
        name: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        key_exchange: KeyExchange::EcdheEcdsa,
        cipher: Cipher::Aead(Aead::Aes128Ccm8),
        by_default: true,
    },
    Suite {
        // RFC 5289.
        id: 0xC02B,
        name: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        key_exchange: KeyExchange::EcdheEcdsa,
        cipher: Cipher::Aead(Aead::Aes128Gcm),
        by_default: true,
    },
    Suite {
        // RFC 7251.
        id: 0xC0AC,
        name: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
        key_exchange: KeyExchange::EcdheEcdsa,
        cipher: Cipher::Aead(Aead::Aes128Ccm),
        by_default: true,
    },
    Suite {
        // RFC 5289.
        id: 0xC023,
        name: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        key_exchange: KeyExchange::EcdheEcdsa,
        cipher: Cipher::Aes128CbcSha256,
        by_default: true,
    },
    Suite {
        // RFC 5489; OCF onboarding by a random PIN.
        id: 0xC037,
        name: "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256",
        key_exchange: KeyExchange::EcdhePsk,
        cipher: Cipher::Aes128CbcSha256,
        by_default: false,
    },
    Suite {
        // A private number of OCF (Security 11.3.4): onboarding of a device without a secret.
        id: 0xFF00,
        name: "TLS_ECDH_ANON_WITH_AES_128_CBC_SHA256",
        key_exchange: KeyExchange::EcdhAnon,
        cipher: Cipher::Aes128CbcSha256,
        by_default: false,
    },
];

impl Suite {
    /// The row of an IANA number.
    pub fn by_id(id: u16) -> Option<&'static Self> {
        SUITES.iter().find(|suite| suite.id == id)
    }

    /// Whether a client proves itself by a pre-shared key in it.
    pub fn uses_psk(&self) -> bool {
        self.key_exchange.uses_psk()
    }

    /// Whether a client proves by it who it is.
    pub fn proves(&self) -> bool {
        self.key_exchange != KeyExchange::EcdhAnon
    }

    /// The row to take of those that a client offers, in its order, if they are eligible.
    pub(crate) fn choose(
        offered: impl Iterator<Item = u16>,
        eligible: impl Fn(&Self) -> bool,
    ) -> Option<&'static Self> {
        // Of equals the first one is the smallest.
        offered
            .filter_map(Self::by_id)
            .filter(|suite| eligible(suite))
            .min_by_key(|suite| !suite.cipher.is_aead())
    }

    /// The IANA numbers of those that need not be named.
    pub fn defaults() -> Vec<u16> {
        SUITES.iter().filter(|suite| suite.by_default).map(|suite| suite.id).collect()
    }

    /// Of these, those of a pre-shared key alone.
    pub fn psk_defaults() -> Vec<u16> {
        let psk = |suite: &&Self| suite.by_default && suite.key_exchange == KeyExchange::Psk;
        SUITES.iter().filter(psk).map(|suite| suite.id).collect()
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

    #[test]
    fn a_block_cipher_is_taken_only_where_no_aead_is_offered() {
        let chosen = |offered: &[u16]| {
            Suite::choose(offered.iter().copied(), |_| true).map(|suite| suite.id)
        };

        assert_eq!(chosen(&[0x00AE, 0x00FF, 0xC0A4, 0xC0A8]), Some(0xC0A4));
        assert_eq!(chosen(&[0x1301, 0x00AE]), Some(0x00AE));
        assert_eq!(chosen(&[0x1301]), None);
    }
}
