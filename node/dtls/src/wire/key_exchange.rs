//! ServerKeyExchange and ClientKeyExchange of every key exchange (RFC 4279 §2, RFC 5489 §2,
//! RFC 8422 §5.4 and §5.7).

use crate::curves::Group;
use crate::suite::KeyExchange;
use crate::wire::cursor::{Cursor, put_vec8, put_vec16};

/// `named_curve` (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// The body of a ServerKeyExchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerKeyExchange<'a> {
    /// Group and public key, where there is a key agreement.
    pub(crate) share: Option<(Group, &'a [u8])>,
    /// Group and public key as sent: what a signature covers.
    pub(crate) params: &'a [u8],
    /// What stands behind them: the signature where there is one.
    pub(crate) rest: Cursor<'a>,
}

impl<'a> ServerKeyExchange<'a> {
    /// `None` if it does not parse, or has a group that we do not.
    pub(crate) fn decode(exchange: KeyExchange, body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        if exchange.uses_psk() {
            let _hint = cursor.vec16()?;
        }
        let before = cursor.rest();
        let mut share = None;
        if exchange.is_ephemeral() {
            if cursor.u8()? != NAMED_CURVE {
                return None;
            }
            let group = Group::by_id(cursor.u16()?)?;
            share = Some((group, cursor.vec8()?));
        }
        let params = &before[..before.len() - cursor.rest().len()];
        if !exchange.is_signed() && !cursor.is_empty() {
            return None;
        }
        Some(Self { share, params, rest: cursor })
    }
}

/// Group and public key, as a ServerKeyExchange bears them and a signature covers them.
pub(crate) fn params(group: Group, public: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + public.len());
    out.push(NAMED_CURVE);
    out.extend((group as u16).to_be_bytes());
    put_vec8(&mut out, public).expect("a point has at most 97 bytes");
    out
}

/// The body of a ServerKeyExchange without a signature; the identity hint is empty.
pub(crate) fn unsigned(exchange: KeyExchange, params: &[u8]) -> Vec<u8> {
    let hint: &[u8] = if exchange.uses_psk() { &[0, 0] } else { &[] };
    [hint, params].concat()
}

/// The body of a ClientKeyExchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientKeyExchange<'a> {
    /// The PSK identity, where there is a pre-shared key.
    pub(crate) identity: &'a [u8],
    /// The public key, where there is a key agreement.
    pub(crate) public: &'a [u8],
}

impl<'a> ClientKeyExchange<'a> {
    /// `None` if it does not parse to its last byte.
    pub(crate) fn decode(exchange: KeyExchange, body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let mut read = Self::default();
        if exchange.uses_psk() {
            read.identity = cursor.vec16()?;
        }
        if exchange.is_ephemeral() {
            read.public = cursor.vec8()?;
        }
        cursor.is_empty().then_some(read)
    }

    /// The body; `None` if a field exceeds its length prefix.
    pub(crate) fn encode(&self, exchange: KeyExchange) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(3 + self.identity.len() + self.public.len());
        if exchange.uses_psk() {
            put_vec16(&mut out, |out| out.extend_from_slice(self.identity))?;
        }
        if exchange.is_ephemeral() {
            put_vec8(&mut out, self.public)?;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [KeyExchange; 4] =
        [KeyExchange::Psk, KeyExchange::EcdheEcdsa, KeyExchange::EcdhePsk, KeyExchange::EcdhAnon];

    #[test]
    fn a_client_key_exchange_has_identity_then_point() {
        let read = ClientKeyExchange { identity: b"me", public: &[4, 5] };
        let expected: [&[u8]; 4] =
            [&[0, 2, b'm', b'e'], &[2, 4, 5], &[0, 2, b'm', b'e', 2, 4, 5], &[2, 4, 5]];
        for (exchange, expected) in ALL.into_iter().zip(expected) {
            let bytes = read.encode(exchange).expect("short enough");
            assert_eq!(bytes, expected, "{exchange:?}");
            let decoded = ClientKeyExchange::decode(exchange, &bytes).expect("it was just written");
            assert_eq!(decoded.encode(exchange), Some(bytes.clone()));
            for length in 0..bytes.len() {
                let refused = ClientKeyExchange::decode(exchange, &bytes[..length]);
                assert_eq!(refused, None, "{exchange:?} {length}");
            }
        }
    }

    #[test]
    fn a_server_key_exchange_names_curve_and_point() {
        // RFC 8422 §5.4: named_curve, secp256r1, a point of two bytes.
        let params = params(Group::Secp256r1, &[4, 5]);
        assert_eq!(params, [3, 0, 23, 2, 4, 5]);
        for exchange in [KeyExchange::EcdhePsk, KeyExchange::EcdhAnon] {
            let body = unsigned(exchange, &params);
            let read = ServerKeyExchange::decode(exchange, &body).expect("it was just written");
            assert_eq!(read.share, Some((Group::Secp256r1, &[4, 5][..])));
            assert_eq!(read.params, params);
            let longer = [&body[..], &[0]].concat();
            assert!(ServerKeyExchange::decode(exchange, &longer).is_none());
            for length in 0..body.len() {
                assert!(ServerKeyExchange::decode(exchange, &body[..length]).is_none());
            }
        }
    }

    #[test]
    fn refuses_explicit_curves_and_unknown_groups() {
        for bytes in [[1, 0, 23, 1, 4], [2, 0, 23, 1, 4], [3, 0, 25, 1, 4]] {
            assert!(ServerKeyExchange::decode(KeyExchange::EcdhAnon, &bytes).is_none());
        }
    }
}
