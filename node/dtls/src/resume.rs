//! Resumption on the side that keeps the master secret (RFC 5246 §7.3, RFC 5077, RFC 7627 §5.3).
//!
//! [`crate::schedule::open_resumable`] gives a [`Resumable`] beside the session that it opens; its
//! holder seals its bytes and keeps them under the handle. When a client names that handle, an edge
//! calls twice. [`accept`] gives it the server's flight, whose Finished is sealed already, and no
//! key. [`open`] checks the client's Finished and gives the keys of a session of its own, which is
//! to be refused if the credential behind it is no longer good: whether it is, is not known here.
//! The holder can keep what the first call derived for the second ([`Derived`]).
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
    Evidence, Finished, OpenError, check_finished, check_fresh, finished_message, message,
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
/// The start of SHA-256 over nothing.
const NO_HOST: [u8; 16] = [
    0xE3, 0xB0, 0xC4, 0x42, 0x98, 0xFC, 0x1C, 0x14, 0x9A, 0xFB, 0xF4, 0xC8, 0x99, 0x6F, 0xB9, 0x24,
];

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

/// The server's random: the edge's time, and bytes that depend on all that the edge says and that is
/// answered, `blank` being the ServerHello with zeros in its place and `hello` the hash of the
/// client's. An edge that asks twice with anything changed, or a node of another version, gets other
/// keys, never a nonce again for other bytes. For that nobody must find two such inputs of one hash; it
/// need not be a secret.
fn server_random(hello: prf::Hash, offer: &Offer<'_>, blank: &[u8]) -> [u8; 32] {
    // What varies of the ServerHello stands behind its random. Of the edge's bytes 128 bits make it
    // new; the others stand nowhere.
    let mut random = hello.and(&[&blank[2 + 32..], &offer.random[16..]]).end();
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
    // Most devices ask for no name.
    let Some(name) = client.extensions.host_name.filter(|name| !name.is_empty()) else {
        return NO_HOST;
    };
    *prf::hash(&[name]).first_chunk().expect("16 is less than 32")
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

/// Accepts a resumption: the ServerHello and the sealed Finished, and what it takes for the second
/// step, for whoever asks for that.
///
/// # Errors
/// See [`Declined`].
pub fn accept(
    kept: &Resumable,
    now: Duration,
    offer: &Offer<'_>,
) -> Result<(Accepted, Derived), Declined> {
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
    let hash = prf::Hash::of(&[offer.hello]);
    let mut server = server_hello(&hello, suite, offer.cid);
    let mut body = Vec::with_capacity(112);
    server.encode(&mut body).expect("each field is short");
    server.random = server_random(hash.clone(), offer, &body);
    // It stands behind the version.
    body[2..34].copy_from_slice(&server.random);
    let (cid, peer_cid) = (offer.cid.unwrap_or_default(), extensions.cid.unwrap_or_default());
    let ids = cid.len() + peer_cid.len();
    let mut said = Vec::with_capacity(offer.hello.len() + handshake::HEADER + body.len() + ids);
    said.extend_from_slice(offer.hello);
    handshake::put_message(&mut said, kind::SERVER_HELLO, message, &body);
    let hash = hash.and(&[&said[offer.hello.len()..]]);
    let length = said.len();
    said.extend_from_slice(cid);
    said.extend_from_slice(peer_cid);
    let hellos = Hellos { client: hello, server, message };
    let derived = Derived::of(kept, suite, &hellos, hash).ok_or(Declined::Malformed)?;
    let derived = Derived { said, hellos: length, ..derived };
    let mut finished = Vec::new();
    Direction::from_server(suite.cipher, &derived.keys, peer_cid).seal(
        &mut finished,
        ContentType::Handshake,
        (1, offer.sequence),
        &derived.ours,
    );
    Ok((Accepted { suite: kept.suite, server_hello: body, finished }, derived))
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
    let hash = prf::Hash::of(&[call.transcript]);
    let derived = Derived::of(kept, suite, &hellos, hash).ok_or(OpenError::Malformed)?;
    derived.check(call)
}

/// What follows from two hellos and the master secret: the second step of a resumption, as the
/// first one makes it on the way. Its maker may keep it, so that the second costs no more than a
/// comparison; without it, [`open`] makes it again. It holds the keys, so it is for no edge.
pub struct Derived {
    /// The two hellos, then the server's connection id and the client's.
    said: Vec<u8>,
    /// Bytes of the hellos.
    hellos: usize,
    /// Bytes of the server's connection id, where there are two.
    cid: Option<usize>,
    suite: &'static Suite,
    server_random: [u8; 32],
    session: SessionId,
    keys: SessionKeys,
    /// The two Finished messages.
    ours: Finished,
    theirs: Finished,
}

impl Derived {
    /// `hash` has taken in the two hellos; what was said is left out.
    fn of(
        kept: &Resumable,
        suite: &'static Suite,
        hellos: &Hellos<'_>,
        hash: prf::Hash,
    ) -> Option<Self> {
        let Hellos { client, server, message } = hellos;
        let master = Keyed::new(&kept.master[..]);
        let hash_of_hellos = hash.clone().end();
        let verify_data = master.verify_data(b"server finished", &hash_of_hellos);
        let ours = finished_message(message.checked_add(1)?, &verify_data);
        let hash = hash.and(&[&ours]).end();
        let verify_data = master.verify_data(b"client finished", &hash);
        // Encrypt-then-MAC is agreed on anew (RFC 7366 §3).
        let form = Form::of(suite.cipher, server.extensions.encrypt_then_mac);
        Some(Self {
            said: Vec::new(),
            hellos: 0,
            cid: server.extensions.cid.map(<[u8]>::len),
            suite,
            server_random: server.random,
            session: SessionId::from_hash(&hash_of_hellos),
            keys: master.key_block(&server.random, &client.random, form),
            ours,
            theirs: finished_message(message + 1, &verify_data),
        })
    }

    /// Whether a second step is that of these hellos.
    pub fn is_of(&self, call: &Evidence<'_>) -> bool {
        let (hellos, ids) = self.said.split_at(self.hellos);
        // The server's is there only where the client's is.
        let ids = self.cid.map(|length| ids.split_at(length));
        hellos == call.transcript
            && self.suite.id == call.suite
            && ids.map(|(cid, _)| cid) == call.cid
            && ids.map(|(_, peer_cid)| peer_cid) == call.peer_cid
    }

    /// The second step: see [`open`], which says the same.
    ///
    /// # Errors
    /// [`OpenError`]; it is malformed too if it is that of other hellos.
    pub fn open(&self, now: Duration, call: &Evidence<'_>) -> Result<Opened, OpenError> {
        if !self.is_of(call) {
            return Err(OpenError::Malformed);
        }
        check_fresh(now, &self.server_random)?;
        self.check(call)
    }

    fn check(&self, call: &Evidence<'_>) -> Result<Opened, OpenError> {
        check_finished(self.suite.cipher, &self.keys, call, &self.theirs)?;
        let verify_data =
            *self.ours.last_chunk().expect("a Finished is longer than its verify_data");
        Ok(Opened { session: self.session, keys: self.keys.clone(), verify_data })
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A whole ClientHello message and its number.
fn client_hello(bytes: &[u8]) -> Option<(u16, ClientHello<'_>)> {
    let mut cursor = Cursor::new(bytes);
    let hello = message(&mut cursor, kind::CLIENT_HELLO)?;
    cursor.is_empty().then_some((hello.sequence, ClientHello::decode(hello.body)?))
}

/// Without its random.
fn server_hello<'a>(
    hello: &ClientHello<'a>,
    suite: &Suite,
    cid: Option<&'a [u8]>,
) -> ServerHello<'a> {
    ServerHello {
        version: DTLS_1_2,
        random: [0; 32],
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
    }
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
