//! The key schedule on the side that holds the pre-shared key: a pure function from the bytes of
//! a handshake to the keys of a session.
//!
//! It trusts nothing that an edge says beside the bytes: suite, extended master secret and
//! connection ids are read from the transcript, and the client's Finished must verify under the
//! key. Look the credential up under [`claim`] of the same transcript, or a pre-shared key under
//! [`identity`].

use core::time::Duration;

use subtle::ConstantTimeEq;

use crate::cipher::Cipher;
use crate::curves::{Presented, SharedSecret, SignatureScheme};
use crate::keys::{Form, SessionId, SessionKeys};
use crate::prf;
use crate::protection::Direction;
use crate::resume::{LIFETIME, Resumable};
use crate::server::{Claim, Opened};
use crate::suite::Suite;
use crate::wire::certificate::{self, Signed};
use crate::wire::cursor::{Cursor, put_vec16};
use crate::wire::extension::chosen_type;
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::key_exchange::ClientKeyExchange;
use crate::wire::record::{self, ContentType};

/// How far the time in the server's random may lie from now.
const FRESH: u64 = 120;
/// Longest pre-shared key: its length stands in 16 bits (RFC 4279 §2).
const MAX_PSK: usize = u16::MAX as usize;

/// What a credential step is computed from, borrowed from an [`crate::OpenCall`].
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Handshake messages, the second ClientHello up to the client's Finished.
    pub transcript: &'a [u8],
    /// The record of the client's encrypted Finished.
    pub finished: &'a [u8],
    /// IANA number of the cipher suite.
    pub suite: u16,
    /// The server's connection id.
    pub cid: Option<&'a [u8]>,
    /// The client's connection id.
    pub peer_cid: Option<&'a [u8]>,
    /// The secret of the key agreement, where the suite has one.
    pub shared: Option<&'a SharedSecret>,
}

/// Why a credential step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are not those of a handshake that an edge ran, or contradict what stands beside
    /// them: the edge's fault.
    #[error("evidence does not parse")]
    Malformed,
    /// The time in the server's random is more than 120 s away (RFC 5246 §7.4.1.2).
    #[error("handshake is too old")]
    Stale,
    /// The client's Finished does not verify: it has another key, or somebody forged it.
    #[error("Finished does not verify")]
    BadFinished,
}

/// Checks the client's Finished under `psk`, and derives the session. `now` is the time since
/// the Unix epoch. For the suites of a pre-shared key, also those with a key agreement.
///
/// # Errors
/// See [`OpenError`]; none says anything about `psk` except [`OpenError::BadFinished`].
pub fn open(psk: &[u8], now: Duration, call: &Evidence<'_>) -> Result<Opened, OpenError> {
    open_resumable(psk, now, call).map(|(opened, _)| opened)
}

/// The same, and what is to be kept of the session if it is to be resumed: `None` if the edge gave
/// the client no handle.
///
/// # Errors
/// As for [`open`].
pub fn open_resumable(
    psk: &[u8],
    now: Duration,
    call: &Evidence<'_>,
) -> Result<(Opened, Option<Resumable>), OpenError> {
    let transcript = Transcript::decode(call.transcript).ok_or(OpenError::Malformed)?;
    if !transcript.suite.key_exchange.uses_psk() || psk.len() > MAX_PSK {
        return Err(OpenError::Malformed);
    }
    let premaster = prf::psk_premaster(psk, call.shared.map(SharedSecret::expose));
    derive(&premaster, now, &transcript, call)
}

/// The same for the suites whose premaster secret is that of the key agreement alone. It says
/// that the client of the handshake sent this Finished. That it holds the key that it presented
/// says [`client_signature`] of the same transcript, and it is to be verified: an edge, which has
/// made the key agreement, could make a good Finished alone. For the same reason nothing is kept of
/// such a session to be resumed.
///
/// # Errors
/// See [`OpenError`].
pub fn open_shared(now: Duration, call: &Evidence<'_>) -> Result<Opened, OpenError> {
    let transcript = Transcript::decode(call.transcript).ok_or(OpenError::Malformed)?;
    match call.shared {
        Some(shared) if !transcript.suite.key_exchange.uses_psk() => {
            derive(shared.expose(), now, &transcript, call).map(|(opened, _)| opened)
        }
        _ => Err(OpenError::Malformed),
    }
}

fn derive(
    premaster: &[u8],
    now: Duration,
    transcript: &Transcript<'_>,
    call: &Evidence<'_>,
) -> Result<(Opened, Option<Resumable>), OpenError> {
    if !transcript.agrees_with(call) {
        return Err(OpenError::Malformed);
    }
    let (client, server) = (&transcript.client, &transcript.server);
    check_fresh(now, &server.random)?;
    // RFC 7627 §3: the session hash goes through ClientKeyExchange, so without a CertificateVerify.
    let (through, rest) = call.transcript.split_at(transcript.key_exchange_end);
    let hash = prf::Hash::of(&[through]);
    let session_hash = hash.clone().end();
    let hash = hash.and(&[rest]);
    let transcript_hash = if rest.is_empty() { session_hash } else { hash.clone().end() };
    let randoms = [&client.random[..], &server.random];
    let session_hash = transcript.extended_master_secret().then_some(&session_hash[..]);
    let master = prf::master_secret(premaster, randoms, session_hash);
    let keyed = prf::Keyed::new(&master[..]);
    let keys = keyed.key_block(&server.random, &client.random, transcript.form());
    let finished = finished_message(
        transcript.next_sequence,
        &keyed.verify_data(b"client finished", &transcript_hash),
    );
    check_finished(transcript.suite.cipher, &keys, call, &finished)?;
    let ticket = server.ticket().map(|ticket| new_session_ticket(transcript.last_flight, &ticket));
    let server_hash = hash.and(&[&finished, ticket.as_deref().unwrap_or_default()]).end();
    let opened = Opened {
        session: SessionId::from_hash(&transcript_hash),
        keys,
        verify_data: keyed.verify_data(b"server finished", &server_hash),
    };
    Ok((opened, Resumable::of(client, server, &master, now)))
}

/// When a handshake began, by the clock of its edge, whole seconds since the Unix epoch: its server's
/// random says so. `None` if the transcript does not begin with two hellos.
pub fn began(transcript: &[u8]) -> Option<Duration> {
    let mut cursor = Cursor::new(transcript);
    message(&mut cursor, kind::CLIENT_HELLO)?;
    let hello = message(&mut cursor, kind::SERVER_HELLO)?;
    let [a, b, c, d, ..] = ServerHello::decode(hello.body)?.random;
    Some(Duration::from_secs(u32::from_be_bytes([a, b, c, d]).into()))
}

/// The PSK identity that the transcript's ClientKeyExchange names (RFC 4279 §2).
///
/// # Errors
/// [`OpenError::Malformed`] if the transcript does not parse or has no identity.
pub fn identity(transcript: &[u8]) -> Result<&[u8], OpenError> {
    let transcript = Transcript::decode(transcript).ok_or(OpenError::Malformed)?;
    if !transcript.suite.key_exchange.uses_psk() {
        return Err(OpenError::Malformed);
    }
    Ok(transcript.exchange.identity)
}

/// What the transcript's client claims to be. Of a key that was presented, the transcript bears
/// the signature ([`client_signature`]).
///
/// # Errors
/// [`OpenError::Malformed`] if the transcript does not parse.
pub fn claim(transcript: &[u8]) -> Result<Claim, OpenError> {
    let transcript = Transcript::decode(transcript).ok_or(OpenError::Malformed)?;
    Ok(match transcript.presented {
        Some(presented) => Claim::Key(presented),
        None if transcript.suite.key_exchange.uses_psk() => {
            Claim::Psk { identity: transcript.exchange.identity.to_vec() }
        }
        None => Claim::Nothing,
    })
}

/// What a client signed to prove that it holds the key that it presented (RFC 5246 §7.4.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSignature<'a> {
    /// How.
    pub scheme: SignatureScheme,
    /// What: the handshake up to its ClientKeyExchange, our random among it.
    pub message: &'a [u8],
    /// The signature in DER.
    pub signature: Vec<u8>,
}

/// The signature of the transcript's client; `None` if its suite has none, or it does not parse.
pub fn client_signature(transcript: &[u8]) -> Option<ClientSignature<'_>> {
    let read = Transcript::decode(transcript)?;
    let Signed { scheme, signature } = read.signed?;
    Some(ClientSignature { scheme, message: &transcript[..read.key_exchange_end], signature })
}

/// A whole Finished message.
pub(crate) type Finished = [u8; handshake::HEADER + 12];

/// The whole Finished message with this verify_data.
pub(crate) fn finished_message(sequence: u16, verify_data: &[u8; 12]) -> Finished {
    let mut message = [0; handshake::HEADER + 12];
    let (header, body) = message.split_at_mut(handshake::HEADER);
    header.copy_from_slice(&handshake::header(kind::FINISHED, sequence, verify_data.len()));
    body.copy_from_slice(verify_data);
    message
}

/// The whole message that gives a ticket (RFC 5077 §3.3).
pub(crate) fn new_session_ticket(sequence: u16, ticket: &[u8]) -> Vec<u8> {
    let mut body = (LIFETIME.as_secs() as u32).to_be_bytes().to_vec();
    put_vec16(&mut body, |out| out.extend_from_slice(ticket)).expect("a ticket is a handle");
    let mut message = Vec::with_capacity(handshake::HEADER + body.len());
    handshake::put_message(&mut message, kind::NEW_SESSION_TICKET, sequence, &body);
    message
}

pub(crate) fn check_fresh(now: Duration, server_random: &[u8; 32]) -> Result<(), OpenError> {
    let [a, b, c, d, ..] = *server_random;
    let then = u64::from(u32::from_be_bytes([a, b, c, d]));
    // The field has 32 bits and wraps in 2106; so does the comparison.
    let ahead = then.wrapping_sub(now.as_secs()) as u32;
    let away = ahead.min(ahead.wrapping_neg());
    if u64::from(away) > FRESH { Err(OpenError::Stale) } else { Ok(()) }
}

/// Checks that the record of the call bears this Finished message and nothing else.
pub(crate) fn check_finished(
    cipher: Cipher,
    keys: &SessionKeys,
    call: &Evidence<'_>,
    expected: &[u8],
) -> Result<(), OpenError> {
    let cid = call.cid.unwrap_or_default();
    let record = record::decode(call.finished, cid.len()).map_err(|_| OpenError::Malformed)?;
    if record.epoch != 1 || record.raw.len() != call.finished.len() {
        return Err(OpenError::Malformed);
    }
    let mut finished = Vec::with_capacity(record.body.len());
    match Direction::from_client(cipher, keys, cid).open(&record, &mut finished) {
        Ok(ContentType::Handshake) if finished.ct_eq(expected).into() => Ok(()),
        _ => Err(OpenError::BadFinished),
    }
}

struct Transcript<'a> {
    client: ClientHello<'a>,
    server: ServerHello<'a>,
    suite: &'static Suite,
    /// What the client presented, where the suite demands it.
    presented: Option<Presented>,
    exchange: ClientKeyExchange<'a>,
    /// The client's CertificateVerify, where the suite demands it.
    signed: Option<Signed>,
    /// Where the ClientKeyExchange ends.
    key_exchange_end: usize,
    /// Number of the client's Finished.
    next_sequence: u16,
    /// Number of the first message of the server's last flight.
    last_flight: u16,
}

impl<'a> Transcript<'a> {
    /// The messages of the one order that the suite has, and nothing else.
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let client = ClientHello::decode(message(&mut cursor, kind::CLIENT_HELLO)?.body)?;
        let server = ServerHello::decode(message(&mut cursor, kind::SERVER_HELLO)?.body)?;
        let suite = Suite::by_id(server.suite)?;
        let exchange = suite.key_exchange;
        if exchange.is_signed() {
            message(&mut cursor, kind::CERTIFICATE)?;
        }
        if exchange.is_ephemeral() {
            message(&mut cursor, kind::SERVER_KEY_EXCHANGE)?;
        }
        if exchange.is_signed() {
            message(&mut cursor, kind::CERTIFICATE_REQUEST)?;
        }
        let done = message(&mut cursor, kind::SERVER_HELLO_DONE)?;
        let mut presented = None;
        if exchange.is_signed() {
            let body = message(&mut cursor, kind::CERTIFICATE)?.body;
            let kind = chosen_type(server.extensions.client_certificate_type)?;
            presented = Some(certificate::decode(kind, body)??);
        }
        let mut last = message(&mut cursor, kind::CLIENT_KEY_EXCHANGE)?;
        let read = ClientKeyExchange::decode(exchange, last.body)?;
        let key_exchange_end = bytes.len() - cursor.rest().len();
        let mut signed = None;
        if exchange.is_signed() {
            last = message(&mut cursor, kind::CERTIFICATE_VERIFY)?;
            signed = Some(Signed::decode(Cursor::new(last.body))?);
        }
        cursor.is_empty().then_some(Self {
            client,
            server,
            suite,
            presented,
            exchange: read,
            signed,
            key_exchange_end,
            next_sequence: last.sequence.checked_add(1)?,
            last_flight: done.sequence.checked_add(1)?,
        })
    }

    fn extended_master_secret(&self) -> bool {
        self.client.extensions.extended_master_secret
            && self.server.extensions.extended_master_secret
    }

    fn form(&self) -> Form {
        let agreed =
            self.client.extensions.encrypt_then_mac && self.server.extensions.encrypt_then_mac;
        Form::of(self.suite.cipher, agreed)
    }

    fn agrees_with(&self, call: &Evidence<'_>) -> bool {
        let cid = self.server.extensions.cid;
        self.suite.id == call.suite
            && self.suite.key_exchange.is_ephemeral() == call.shared.is_some()
            && self.client.offers(call.suite)
            && cid == call.cid
            && cid.and(self.client.extensions.cid) == call.peer_cid
    }
}

/// The next message, which is whole and of this kind.
pub(crate) fn message<'a>(cursor: &mut Cursor<'a>, expected: u8) -> Option<Fragment<'a>> {
    let fragment = Fragment::decode(cursor).ok()?;
    (fragment.kind == expected && fragment.is_whole()).then_some(fragment)
}
