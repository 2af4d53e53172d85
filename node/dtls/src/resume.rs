//! Resumption on the side that keeps the master secret (RFC 5246 §7.3, RFC 5077, RFC 7627 §5.3).
//!
//! [`crate::schedule::open_resumable`] gives a [`Resumable`] beside the session that it opens; its
//! holder seals its bytes and keeps them under the handle. When a client names that handle, an edge
//! calls twice. [`accept`] gives it the server's flight, whose Finished is sealed already, and no
//! key. [`open`] checks the client's Finished and gives the keys of a session of its own, which is
//! to be refused if the credential behind it is no longer good: whether it is, is not known here.
//!
//! A session without extended master secret is never resumable: nothing would bind the resumption
//! to it. Nor is one without a pre-shared key: its master secret follows from the key agreement,
//! which an edge has made, and an edge that is gone must not come back as its devices.

use core::fmt;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::handle;
use crate::keys::{Form, SessionId, SessionKeys};
use crate::limit;
use crate::prf::{self, Keyed};
use crate::protection::Direction;
use crate::schedule::{
    Evidence, OpenError, check_finished, check_fresh, finished_message, message,
};
use crate::server::Opened;
use crate::suite::Suite;
use crate::wire::DTLS_1_2;
use crate::wire::cursor::Cursor;
use crate::wire::extension::Extensions;
use crate::wire::handshake::{self, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::ContentType;

/// How long a session can be resumed; also the lifetime that tickets speak of.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const VERSION: u8 = 1;

/// What it takes to resume a session.
#[derive(Clone)]
pub struct Resumable {
    /// What clients name it by.
    pub handle: [u8; handle::LENGTH],
    /// IANA number of its cipher suite.
    pub suite: u16,
    /// When the full handshake ended, since the Unix epoch; milliseconds count.
    pub created: Duration,
    /// The start of SHA-256 over the host name that the client asked for; of nothing if it asked
    /// for none.
    host: [u8; 16],
    master: Zeroizing<[u8; 48]>,
}

impl Resumable {
    /// Of a full handshake with this master secret; `None` if it gave no handle out, or should not
    /// have done so, which an edge is not trusted with.
    pub(crate) fn of(
        client: &ClientHello<'_>,
        server: &ServerHello<'_>,
        master: &Zeroizing<[u8; 48]>,
        now: Duration,
    ) -> Option<Self> {
        let bound =
            client.extensions.extended_master_secret && server.extensions.extended_master_secret;
        let ours = bound && resumable(server.suite);
        let handle = server.session_id.try_into().ok().filter(|_| ours)?;
        let (suite, host) = (server.suite, host(client));
        let created = Duration::from_millis(now.as_millis() as u64);
        Some(Self { handle, suite, created, host, master: master.clone() })
    }

    /// The bytes to be sealed and kept: 89, the first of them a version.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(89));
        out.push(VERSION);
        out.extend(self.suite.to_be_bytes());
        out.extend_from_slice(&(self.created.as_millis() as u64).to_be_bytes()[2..]);
        out.extend(self.handle);
        out.extend(self.host);
        out.extend_from_slice(&self.master[..]);
        out
    }

    /// Reads what [`Resumable::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        cursor.u8().filter(|version| *version == VERSION)?;
        let suite = cursor.u16().filter(|suite| resumable(*suite))?;
        let created = Duration::from_millis(cursor.u48()?);
        let (handle, host) = (cursor.array()?, cursor.array()?);
        let master = Zeroizing::new(cursor.array()?);
        cursor.is_empty().then_some(Self { handle, suite, created, host, master })
    }

    fn is_over(&self, now: Duration) -> bool {
        now >= self.created + LIFETIME
    }
}

/// The record keys of these randoms; encrypt-then-MAC is agreed on anew (RFC 7366 §3).
fn keys(
    master: &Keyed,
    suite: &Suite,
    (server_random, client_random): (&[u8; 32], &[u8; 32]),
    encrypt_then_mac: bool,
) -> SessionKeys {
    master.key_block(server_random, client_random, Form::of(suite.cipher, encrypt_then_mac))
}

/// The server's random: the edge's time, and bytes that depend on all that the edge says and
/// that is answered, `blank` being the ServerHello without it. An edge that asks twice with
/// anything changed, or a node of another version, gets other keys, never a nonce again.
fn server_random(master: &Keyed, offer: &Offer<'_>, blank: &[u8]) -> [u8; 32] {
    let cid = offer.cid.unwrap_or_default();
    let length = [u8::from(offer.cid.is_some()), cid.len() as u8];
    let mut random =
        master.mac(&[b"claviger server random", offer.random, &length, cid, offer.hello, blank]);
    random[..4].copy_from_slice(&offer.random[..4]);
    random
}

impl fmt::Debug for Resumable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumable").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// Whether the master secret of this suite needs more than an edge holds.
fn resumable(suite: u16) -> bool {
    Suite::by_id(suite).is_some_and(|suite| suite.key_exchange.uses_psk())
}

fn host(client: &ClientHello<'_>) -> [u8; 16] {
    let hash = prf::hash(&[client.extensions.host_name.unwrap_or_default()]);
    *hash.first_chunk().expect("16 is less than 32")
}

/// A client's wish to resume, as an edge tells it.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The ClientHello with its header as if it had not been fragmented.
    pub hello: &'a [u8],
    /// 32 bytes of the edge: the time in seconds in the first four, then random ones. The same
    /// when it asks again for the same hello.
    pub random: &'a [u8; 32],
    /// The edge's new connection id, if the client offers the extension.
    pub cid: Option<&'a [u8]>,
    /// The number of the record that is to bear the Finished; another one each time, all of
    /// generation 0: below 2^24.
    pub sequence: u64,
}

/// The server's flight of an abbreviated handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// IANA number of the cipher suite.
    pub suite: u16,
    /// Body of the ServerHello.
    pub server_hello: Vec<u8>,
    /// The record of the Finished, header included.
    pub finished: Vec<u8>,
}

/// Why a session is not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The bytes are no hello that names this session, or contradict what stands beside them: the
    /// edge's fault.
    #[error("the offer does not parse")]
    Malformed,
    /// The edge's time is more than 120 s away.
    #[error("the offer is too old")]
    Stale,
    /// Too old a session, another host name (RFC 6066 §3), or its suite is not offered: a full
    /// handshake is to follow.
    #[error("this session cannot be resumed by this hello")]
    FullHandshake,
    /// The hello lacks extended master secret: the handshake is to be refused (RFC 7627 §5.3).
    #[error("the hello lacks extended master secret")]
    Forbidden,
}

/// Accepts a resumption: the ServerHello and the sealed Finished.
///
/// # Errors
/// See [`Declined`].
pub fn accept(kept: &Resumable, now: Duration, offer: &Offer<'_>) -> Result<Accepted, Declined> {
    let (message, hello) = client_hello(offer.hello).ok_or(Declined::Malformed)?;
    let extensions = &hello.extensions;
    let consistent = handle::named(&hello) == Some(kept.handle)
        && extensions.cid.is_some() == offer.cid.is_some()
        && offer.sequence < 1 << 24;
    let suite = Suite::by_id(kept.suite).filter(|_| consistent).ok_or(Declined::Malformed)?;
    check_fresh(now, offer.random).map_err(|_| Declined::Stale)?;
    if !extensions.extended_master_secret {
        return Err(Declined::Forbidden);
    }
    if kept.is_over(now) || !hello.offers(kept.suite) || host(&hello) != kept.host {
        return Err(Declined::FullHandshake);
    }
    let blank = server_hello(&hello, suite, [0; 32], offer.cid);
    let master = Keyed::new(&kept.master[..]);
    let random = server_random(&master, offer, &blank);
    let server_hello = server_hello(&hello, suite, random, offer.cid);
    let mut transcript = offer.hello.to_vec();
    handshake::put_message(&mut transcript, kind::SERVER_HELLO, message, &server_hello);
    let hash = prf::hash(&[&transcript]);
    let message = server_finished(&master, message, &hash).ok_or(Declined::Malformed)?;
    let keys = keys(&master, suite, (&random, &hello.random), extensions.encrypt_then_mac);
    let mut finished = Vec::new();
    Direction::from_server(suite.cipher, &keys, extensions.cid.unwrap_or_default()).seal(
        &mut finished,
        ContentType::Handshake,
        (1, offer.sequence),
        &message,
    );
    Ok(Accepted { suite: kept.suite, server_hello, finished })
}

/// Checks the client's Finished of an abbreviated handshake, whose transcript is the two hellos,
/// and derives the session.
///
/// # Errors
/// See [`OpenError`].
pub fn open(kept: &Resumable, now: Duration, call: &Evidence<'_>) -> Result<Opened, OpenError> {
    let hellos = Hellos::decode(call.transcript).ok_or(OpenError::Malformed)?;
    let suite = Suite::by_id(kept.suite)
        .filter(|_| hellos.agree_with(kept, call))
        .ok_or(OpenError::Malformed)?;
    check_fresh(now, &hellos.server.random)?;
    let master = Keyed::new(&kept.master[..]);
    let hash = prf::Hash::of(&[call.transcript]);
    let transcript_hash = hash.clone().end();
    let ours =
        server_finished(&master, hellos.message, &transcript_hash).ok_or(OpenError::Malformed)?;
    let hash = hash.and(&[&ours]).end();
    let expected =
        finished_message(hellos.message + 1, &master.verify_data(b"client finished", &hash));
    let randoms = (&hellos.server.random, &hellos.client.random);
    let keys = keys(&master, suite, randoms, hellos.server.extensions.encrypt_then_mac);
    check_finished(suite.cipher, &keys, call, &expected)?;
    let verify_data = *ours.last_chunk().expect("a Finished is longer than its verify_data");
    Ok(Opened { session: SessionId::from_hash(&transcript_hash), keys, verify_data })
}

/// The server's Finished message over two hellos of this hash, the first of which has this number.
fn server_finished(master: &Keyed, message: u16, hash: &[u8; 32]) -> Option<Vec<u8>> {
    let verify_data = master.verify_data(b"server finished", hash);
    Some(finished_message(message.checked_add(1)?, &verify_data))
}

/// A whole ClientHello message and its number.
fn client_hello(bytes: &[u8]) -> Option<(u16, ClientHello<'_>)> {
    let mut cursor = Cursor::new(bytes);
    let hello = message(&mut cursor, kind::CLIENT_HELLO)?;
    cursor.is_empty().then_some((hello.sequence, ClientHello::decode(hello.body)?))
}

fn server_hello(
    hello: &ClientHello<'_>,
    suite: &Suite,
    random: [u8; 32],
    cid: Option<&[u8]>,
) -> Vec<u8> {
    let server_hello = ServerHello {
        version: DTLS_1_2,
        random,
        // The same id says that the session is resumed, by whatever name (RFC 5077 §3.4).
        session_id: hello.session_id,
        suite: suite.id,
        compression: 0,
        extensions: Extensions {
            encrypt_then_mac: hello.extensions.encrypt_then_mac && !suite.cipher.is_aead(),
            extended_master_secret: true,
            cid,
            renegotiation: hello.signals_renegotiation().then_some(&[]),
            rrc: hello.extensions.asks_rrc(),
            ..limit::answer(&hello.extensions)
        },
    };
    let mut body = Vec::with_capacity(112);
    server_hello.encode(&mut body).expect("each field is short");
    body
}

/// The two hellos of an abbreviated handshake.
struct Hellos<'a> {
    client: ClientHello<'a>,
    server: ServerHello<'a>,
    /// Number of both.
    message: u16,
}

impl<'a> Hellos<'a> {
    fn decode(transcript: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(transcript);
        let client = message(&mut cursor, kind::CLIENT_HELLO)?;
        let server = message(&mut cursor, kind::SERVER_HELLO)?;
        let ours = cursor.is_empty() && client.sequence == server.sequence;
        ours.then_some(Self {
            client: ClientHello::decode(client.body)?,
            server: ServerHello::decode(server.body)?,
            message: client.sequence,
        })
    }

    fn agree_with(&self, kept: &Resumable, call: &Evidence<'_>) -> bool {
        let (client, server) = (&self.client.extensions, &self.server.extensions);
        handle::named(&self.client) == Some(kept.handle)
            && self.server.session_id == self.client.session_id
            && self.server.suite == kept.suite
            && call.suite == kept.suite
            && self.client.offers(kept.suite)
            && host(&self.client) == kept.host
            && client.extended_master_secret
            && server.extended_master_secret
            && server.cid == call.cid
            && server.cid.and(client.cid) == call.peer_cid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::hex;

    fn sample() -> Resumable {
        Resumable {
            handle: core::array::from_fn(|i| 0x10 + i as u8),
            suite: 0xC0A8,
            created: Duration::from_millis(1_800_000_000_123),
            host: [0x40; 16],
            master: Zeroizing::new(core::array::from_fn(|i| 0x80 + i as u8)),
        }
    }

    #[test]
    fn version_1_is_written_and_read_as_ever() {
        let golden = hex("01 c0a8 01a3185c507b 101112131415161718191a1b1c1d1e1f \
             40404040404040404040404040404040 808182838485868788898a8b8c8d8e8f\
             909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf");

        assert_eq!(sample().encode()[..], golden);
        let read = Resumable::decode(&golden).expect("version 1");
        assert_eq!(read.encode()[..], golden);
        assert_eq!((read.handle, read.created), (sample().handle, sample().created));
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        let bytes = sample().encode().to_vec();
        for length in 0..bytes.len() {
            assert!(Resumable::decode(&bytes[..length]).is_none(), "{length}");
        }
        for (at, value) in [(0, 0), (0, 2), (1, 0x13), (2, 0xAE)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert!(Resumable::decode(&changed).is_none(), "{at} {value}");
        }
        assert!(Resumable::decode(&[&bytes[..], &[0]].concat()).is_none());
    }

    #[test]
    fn nothing_is_kept_of_a_handshake_without_a_pre_shared_key_whatever_handle_an_edge_gave() {
        let bound = || Extensions { extended_master_secret: true, ..Extensions::default() };
        let client = ClientHello {
            version: DTLS_1_2,
            random: [3; 32],
            session_id: &[],
            cookie: &[],
            suites: &[],
            compressions: &[0],
            raw_extensions: &[],
            extensions: bound(),
        };
        for suite in &crate::SUITES {
            let server = ServerHello {
                version: DTLS_1_2,
                random: [4; 32],
                session_id: &[5; 16],
                suite: suite.id,
                compression: 0,
                extensions: bound(),
            };
            let master = Zeroizing::new([6; 48]);

            let kept = Resumable::of(&client, &server, &master, Duration::ZERO);

            assert_eq!(kept.is_some(), suite.name.contains("PSK"), "{}", suite.name);
        }
    }

    #[test]
    fn its_secret_does_not_print() {
        assert_eq!(format!("{:?}", sample()), "Resumable { suite: 49320, .. }");
    }
}
