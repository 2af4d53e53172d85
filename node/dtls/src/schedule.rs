//! The key schedule on the side that holds the pre-shared key: a pure function from the bytes of
//! a handshake to the keys of a session.
//!
//! It trusts nothing that an edge says beside the bytes: suite, extended master secret and
//! connection ids are read from the transcript, and the client's Finished must verify under the
//! key. Look the key up under [`identity`] of the same transcript.

use core::time::Duration;

use subtle::ConstantTimeEq;

use crate::aead::Direction;
use crate::keys::SessionId;
use crate::prf;
use crate::server::Opened;
use crate::suite::{KeyExchange, Suite};
use crate::wire::cursor::Cursor;
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::{self, ContentType};

/// How far the time in the server's random may lie from now.
const FRESH: u64 = 120;
/// Longest pre-shared key: its length stands in 16 bits (RFC 4279 §2).
const MAX_PSK: usize = u16::MAX as usize;

/// What a credential step is computed from, borrowed from an [`crate::OpenCall`].
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Handshake messages, the second ClientHello through ClientKeyExchange.
    pub transcript: &'a [u8],
    /// The record of the client's encrypted Finished.
    pub finished: &'a [u8],
    /// IANA number of the cipher suite.
    pub suite: u16,
    /// The server's connection id.
    pub cid: Option<&'a [u8]>,
    /// The client's connection id.
    pub peer_cid: Option<&'a [u8]>,
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
/// the Unix epoch.
///
/// # Errors
/// See [`OpenError`]; none says anything about `psk` except [`OpenError::BadFinished`].
pub fn open(psk: &[u8], now: Duration, call: &Evidence<'_>) -> Result<Opened, OpenError> {
    let transcript = Transcript::decode(call.transcript).ok_or(OpenError::Malformed)?;
    if !transcript.agrees_with(call) || psk.len() > MAX_PSK {
        return Err(OpenError::Malformed);
    }
    let cipher = transcript.suite.cipher;
    let (client, server) = (&transcript.client, &transcript.server);
    check_fresh(now, &server.random)?;
    let transcript_hash = prf::hash(&[call.transcript]);
    let session_hash = transcript.extended_master_secret().then_some(&transcript_hash[..]);
    let master = prf::psk_master_secret(psk, [&client.random, &server.random], session_hash);
    let keys = prf::key_block(&master, &server.random, &client.random);
    let cid = call.cid.unwrap_or_default();

    let record = record::decode(call.finished, cid.len()).map_err(|_| OpenError::Malformed)?;
    if record.epoch != 1 || record.raw.len() != call.finished.len() {
        return Err(OpenError::Malformed);
    }
    let mut finished = Vec::with_capacity(record.body.len());
    match Direction::from_client(cipher, &keys, cid).open(&record, &mut finished) {
        Ok(ContentType::Handshake) => {}
        _ => return Err(OpenError::BadFinished),
    }
    let expected = finished_message(
        transcript.next_sequence,
        &prf::verify_data(&master, b"client finished", &transcript_hash),
    );
    if !bool::from(finished.ct_eq(&expected)) {
        return Err(OpenError::BadFinished);
    }
    let server_hash = prf::hash(&[call.transcript, &finished]);
    Ok(Opened {
        session: SessionId::from_hash(&transcript_hash),
        keys,
        verify_data: prf::verify_data(&master, b"server finished", &server_hash),
    })
}

/// The PSK identity that the transcript's ClientKeyExchange names (RFC 4279 §2).
///
/// # Errors
/// [`OpenError::Malformed`] if the transcript does not parse.
pub fn identity(transcript: &[u8]) -> Result<&[u8], OpenError> {
    Transcript::decode(transcript).map(|transcript| transcript.identity).ok_or(OpenError::Malformed)
}

/// The whole Finished message with this verify_data.
pub(crate) fn finished_message(sequence: u16, verify_data: &[u8; 12]) -> Vec<u8> {
    let mut message = Vec::with_capacity(handshake::HEADER + verify_data.len());
    handshake::put_message(&mut message, kind::FINISHED, sequence, verify_data);
    message
}

/// The identity in the body of a ClientKeyExchange.
pub(crate) fn decode_identity(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let identity = cursor.vec16()?;
    cursor.is_empty().then_some(identity)
}

fn check_fresh(now: Duration, server_random: &[u8; 32]) -> Result<(), OpenError> {
    let [a, b, c, d, ..] = *server_random;
    let then = u64::from(u32::from_be_bytes([a, b, c, d]));
    // The field has 32 bits and wraps in 2106; so does the comparison.
    let ahead = then.wrapping_sub(now.as_secs()) as u32;
    let away = ahead.min(ahead.wrapping_neg());
    if u64::from(away) > FRESH { Err(OpenError::Stale) } else { Ok(()) }
}

struct Transcript<'a> {
    client: ClientHello<'a>,
    server: ServerHello<'a>,
    identity: &'a [u8],
    suite: &'static Suite,
    /// Number of the client's Finished.
    next_sequence: u16,
}

impl<'a> Transcript<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let mut message = |expected: u8| -> Option<Fragment<'a>> {
            let fragment = Fragment::decode(&mut cursor).ok()?;
            (fragment.kind == expected && fragment.is_whole()).then_some(fragment)
        };
        let client = ClientHello::decode(message(kind::CLIENT_HELLO)?.body)?;
        let server = ServerHello::decode(message(kind::SERVER_HELLO)?.body)?;
        message(kind::SERVER_HELLO_DONE)?;
        let exchange = message(kind::CLIENT_KEY_EXCHANGE)?;
        let suite = Suite::by_id(server.suite).filter(|s| s.key_exchange == KeyExchange::Psk)?;
        cursor.is_empty().then_some(Self {
            client,
            server,
            identity: decode_identity(exchange.body)?,
            suite,
            next_sequence: exchange.sequence.checked_add(1)?,
        })
    }

    fn extended_master_secret(&self) -> bool {
        self.client.extensions.extended_master_secret
            && self.server.extensions.extended_master_secret
    }

    fn agrees_with(&self, call: &Evidence<'_>) -> bool {
        let cid = self.server.extensions.cid;
        self.suite.id == call.suite
            && self.client.offers(call.suite)
            && cid == call.cid
            && cid.and(self.client.extensions.cid) == call.peer_cid
    }
}
