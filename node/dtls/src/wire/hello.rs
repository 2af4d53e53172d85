//! ClientHello, ServerHello, HelloVerifyRequest (RFC 5246 §7.4.1, RFC 6347 §4.2.1).

use crate::handle;
use crate::wire::DTLS_1_2;
use crate::wire::certificate::pairs;
use crate::wire::cursor::{Cursor, put_vec8, put_vec16};
use crate::wire::extension::Extensions;

/// The signalling suite of RFC 5746 §3.3.
pub(crate) const EMPTY_RENEGOTIATION_INFO_SCSV: u16 = 0x00FF;

/// The body of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    /// At most 32 bytes.
    pub(crate) session_id: &'a [u8],
    pub(crate) cookie: &'a [u8],
    /// Pairs of bytes, at least one pair.
    pub(crate) suites: &'a [u8],
    /// At least one byte.
    pub(crate) compressions: &'a [u8],
    /// The extension block as sent, its length included; empty if there is none.
    pub(crate) raw_extensions: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    /// `None` if it does not parse to its last byte.
    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let (version, random) = (cursor.u16()?, cursor.array()?);
        let session_id = cursor.vec8().filter(|id| id.len() <= 32)?;
        let cookie = cursor.vec8()?;
        let suites = cursor.vec16().filter(|s| !s.is_empty() && s.len().is_multiple_of(2))?;
        let compressions = cursor.vec8().filter(|c| !c.is_empty())?;
        Some(Self {
            version,
            random,
            session_id,
            cookie,
            suites,
            compressions,
            raw_extensions: cursor.rest(),
            extensions: Extensions::decode(cursor)?,
        })
    }

    /// What it offers, in its order.
    pub(crate) fn suites(&self) -> impl Iterator<Item = u16> {
        pairs(self.suites)
    }

    pub(crate) fn offers(&self, suite: u16) -> bool {
        self.suites().any(|offered| offered == suite)
    }

    /// Whether it knows of secure renegotiation, by the extension or by the suite (RFC 5746 §3.6).
    pub(crate) fn signals_renegotiation(&self) -> bool {
        self.extensions.renegotiation.is_some() || self.offers(EMPTY_RENEGOTIATION_INFO_SCSV)
    }

    /// Appends the body; `None` if a field exceeds its length prefix.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        out.extend(self.version.to_be_bytes());
        out.extend(self.random);
        put_vec8(out, self.session_id)?;
        put_vec8(out, self.cookie)?;
        put_vec16(out, |out| out.extend_from_slice(self.suites))?;
        put_vec8(out, self.compressions)?;
        self.extensions.encode(out)
    }
}

/// The body of a ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) suite: u16,
    pub(crate) compression: u8,
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    /// `None` if it does not parse to its last byte.
    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        Some(Self {
            version: cursor.u16()?,
            random: cursor.array()?,
            session_id: cursor.vec8().filter(|id| id.len() <= 32)?,
            suite: cursor.u16()?,
            compression: cursor.u8()?,
            extensions: Extensions::decode(cursor)?,
        })
    }

    /// The ticket that our last flight will bear: our session id, if a ticket was promised.
    pub(crate) fn ticket(&self) -> Option<[u8; handle::LENGTH]> {
        self.extensions.session_ticket.and_then(|_| self.session_id.try_into().ok())
    }

    /// Appends the body; `None` if a field exceeds its length prefix.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        out.extend(self.version.to_be_bytes());
        out.extend(self.random);
        put_vec8(out, self.session_id)?;
        out.extend(self.suite.to_be_bytes());
        out.push(self.compression);
        self.extensions.encode(out)
    }
}

/// The cookie in the body of a HelloVerifyRequest; `None` if that does not parse.
pub(crate) fn decode_verify_request(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let version = cursor.u16()?;
    let cookie = cursor.vec8()?;
    (version >> 8 == 0xFE && version >= DTLS_1_2 && cursor.is_empty()).then_some(cookie)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_truncation_of_a_client_hello_is_refused() {
        let hello = ClientHello {
            version: DTLS_1_2,
            random: [7; 32],
            session_id: &[1; 32],
            cookie: &[2; 17],
            suites: &[0xC0, 0xA8],
            compressions: &[0],
            raw_extensions: &[],
            extensions: Extensions { cid: Some(&[1, 2, 3]), ..Extensions::default() },
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes).expect("short enough");
        let without_extensions = bytes.len() - 10;

        for length in (0..bytes.len()).filter(|length| *length != without_extensions) {
            assert_eq!(ClientHello::decode(&bytes[..length]), None, "at {length}");
        }
    }

    #[test]
    fn refuses_a_session_id_above_32_bytes_and_half_a_suite() {
        let mut bytes = vec![0xFE, 0xFD];
        bytes.extend([0; 32]);
        bytes.push(33);
        bytes.extend([0; 33]);
        bytes.extend([0, 0, 2, 0xC0, 0xA8, 1, 0]);
        assert_eq!(ClientHello::decode(&bytes), None);

        let mut bytes = vec![0xFE, 0xFD];
        bytes.extend([0; 32]);
        bytes.extend([0, 0, 0, 3, 0xC0, 0xA8, 0xC0, 1, 0]);
        assert_eq!(ClientHello::decode(&bytes), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn hellos_round_trip(
            random: [u8; 32],
            session_id in proptest::collection::vec(any::<u8>(), 0..=32),
            cookie in proptest::collection::vec(any::<u8>(), 0..=255),
            suites in proptest::collection::vec(any::<[u8; 2]>(), 1..8),
            cid in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..=255)),
            extended_master_secret: bool,
        ) {
            let suites = suites.concat();
            let extensions = Extensions {
                extended_master_secret,
                cid: cid.as_deref(),
                ..Extensions::default()
            };
            let mut client = ClientHello {
                version: DTLS_1_2, random, session_id: &session_id, cookie: &cookie,
                suites: &suites, compressions: &[0], raw_extensions: &[], extensions,
            };
            let mut bytes = Vec::new();
            client.encode(&mut bytes).expect("short enough");
            let decoded = ClientHello::decode(&bytes).expect("it was just written");
            client.raw_extensions = decoded.raw_extensions;
            prop_assert_eq!(decoded, client);

            let server = ServerHello {
                version: DTLS_1_2, random, session_id: &session_id, suite: 0xC0A8,
                compression: 0, extensions,
            };
            let mut bytes = Vec::new();
            server.encode(&mut bytes).expect("short enough");
            prop_assert_eq!(ServerHello::decode(&bytes), Some(server));
        }
    }
}
