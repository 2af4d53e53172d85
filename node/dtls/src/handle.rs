//! Resumption handles: 14 random bytes and 2 check bytes.
//!
//! A handle is the session id of a ServerHello and, for a client that asks for one, the ticket of
//! RFC 5077: two names of one record that the ledger keeps. It is no secret, and no key is in it.
//! The check bytes let any edge tell most session ids and tickets of other servers from ours before
//! it asks anybody.

use rand_core::CryptoRng;

use crate::cluster::CheckKey;
use crate::sip;
use crate::wire::hello::ClientHello;

/// Bytes of a handle.
pub(crate) const LENGTH: usize = 16;
const RANDOM: usize = LENGTH - 2;

/// A new handle, by the newest of the check keys; none without one.
pub(crate) fn make(keys: &[CheckKey], rng: &mut dyn CryptoRng) -> Option<[u8; LENGTH]> {
    let newest = keys.last()?;
    let mut handle = [0; LENGTH];
    rng.fill_bytes(&mut handle[..RANDOM]);
    let check = check(&newest.key, &handle);
    handle[RANDOM..].copy_from_slice(&check);
    Some(handle)
}

/// The handle that a hello asks to resume, if the cluster could have made it.
pub(crate) fn asked(keys: &[CheckKey], hello: &ClientHello<'_>) -> Option<[u8; LENGTH]> {
    let is_ours =
        |handle: &[u8; LENGTH]| keys.iter().any(|of| handle[RANDOM..] == check(&of.key, handle));
    named(hello).filter(is_ours)
}

/// The handle that a hello names: its ticket, or without one its session id (RFC 5077 §3.4).
pub(crate) fn named(hello: &ClientHello<'_>) -> Option<[u8; LENGTH]> {
    let ticket = hello.extensions.session_ticket.filter(|ticket| !ticket.is_empty());
    ticket.unwrap_or(hello.session_id).try_into().ok()
}

fn check(key: &[u8; 32], handle: &[u8; LENGTH]) -> [u8; 2] {
    let mac = sip::mac(key, &[b"claviger handle", &handle[..RANDOM]]);
    [mac[0], mac[1]]
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::wire::DTLS_1_2;
    use crate::wire::extension::Extensions;

    fn hello<'a>(session_id: &'a [u8], ticket: Option<&'a [u8]>) -> ClientHello<'a> {
        ClientHello {
            version: DTLS_1_2,
            random: [1; 32],
            session_id,
            cookie: &[],
            suites: &[0xC0, 0xA8],
            compressions: &[0],
            raw_extensions: &[],
            extensions: Extensions { session_ticket: ticket, ..Extensions::default() },
        }
    }

    fn keys(byte: u8) -> [CheckKey; 1] {
        [CheckKey { configuration: CheckKey::FIRST, key: [byte; 32] }]
    }

    fn ours() -> [u8; LENGTH] {
        make(&keys(1), &mut ChaCha8Rng::seed_from_u64(1)).expect("there is a key")
    }

    #[test]
    fn a_ticket_counts_before_a_session_id_and_an_empty_one_is_none() {
        let handle = ours();

        assert_eq!(asked(&keys(1), &hello(&handle, None)), Some(handle));
        assert_eq!(asked(&keys(1), &hello(&handle, Some(&[]))), Some(handle));
        assert_eq!(asked(&keys(1), &hello(&[9; 32], Some(&handle))), Some(handle));
        assert_eq!(asked(&keys(1), &hello(&handle, Some(&[9; 200]))), None);
        let newer = [keys(1), keys(2)].concat();
        assert_eq!(asked(&newer, &hello(&handle, None)), Some(handle));
    }

    #[test]
    fn what_another_server_gave_is_not_asked_for() {
        let handle = ours();

        assert_eq!(asked(&keys(2), &hello(&handle, None)), None);
        assert_eq!(asked(&keys(1), &hello(&[], None)), None);
        assert_eq!(asked(&keys(1), &hello(&handle[1..], None)), None);
    }
}
