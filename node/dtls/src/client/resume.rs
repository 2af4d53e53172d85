//! What a client keeps of a session to resume it, and the handshake that does.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::config::ClientFailure;
use super::handshake::Hello;
use super::open::Connection;
use crate::prf;
use crate::reassembly::Reassembly;
use crate::schedule::{Finished, finished_message};
use crate::wire::DTLS_1_2;
use crate::wire::cursor::Cursor;
use crate::wire::handshake::{Fragment, HEADER, kind};
use crate::wire::record::{self, ContentType, RawRecord};

/// How often our last flight is sent again at the server's wish.
const MAX_REPEATS: u8 = 8;
/// Bytes of the session id beside a ticket, by which its acceptance is known (RFC 5077 §3.4).
const SESSION_ID: usize = 32;

/// A session that can be resumed by another [`crate::Client`] with the same identity.
#[derive(Clone)]
pub struct Resumption {
    session_id: Vec<u8>,
    ticket: Option<Vec<u8>>,
    pub(super) suite: u16,
    pub(super) master: Zeroizing<[u8; 48]>,
}

impl Resumption {
    /// By the ticket if there is one, else by the session id; `None` if the server gave neither.
    pub(super) fn new(
        session_id: &[u8],
        ticket: Option<Vec<u8>>,
        suite: u16,
        master: &Zeroizing<[u8; 48]>,
    ) -> Option<Self> {
        let session_id = match &ticket {
            Some(ticket) => prf::hash(&[ticket])[..SESSION_ID].to_vec(),
            None => session_id.to_vec(),
        };
        (!session_id.is_empty()).then(|| Self { session_id, ticket, suite, master: master.clone() })
    }

    /// The session id of the hello that resumes it.
    pub(super) fn session_id(&self) -> &[u8] {
        &self.session_id
    }

    /// Its ticket.
    pub(super) fn ticket(&self) -> Option<&[u8]> {
        self.ticket.as_deref()
    }
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resumption(..)")
    }
}

/// The server's Finished that is to come, and the ticket before it if one was promised.
pub(super) struct Expected {
    pub(super) master: Zeroizing<[u8; 48]>,
    /// All messages before it.
    transcript: Vec<u8>,
    reassembly: Reassembly,
    promised: bool,
    ticket: Option<Vec<u8>>,
}

impl Expected {
    /// `next` is the number of the server's next message.
    pub(super) fn new(
        master: Zeroizing<[u8; 48]>,
        transcript: Vec<u8>,
        next: u16,
        promised: bool,
    ) -> Self {
        Self { master, transcript, reassembly: Reassembly::new(next), promised, ticket: None }
    }

    /// A handshake fragment of epoch 0, which is of use if it is the ticket.
    pub(super) fn fragment(&mut self, fragment: &Fragment<'_>) {
        if !self.promised || self.ticket.is_some() || fragment.kind != kind::NEW_SESSION_TICKET {
            return;
        }
        if self.reassembly.accept(fragment).is_err() {
            return;
        }
        let ticket_only = |kind| kind == kind::NEW_SESSION_TICKET;
        let Some(message) = self.reassembly.pop(ticket_only) else { return };
        // One that does not parse still stands in the transcript; the Finished decides.
        self.ticket = Some(ticket(&message[HEADER..]).unwrap_or_default().to_vec());
        self.transcript.extend_from_slice(&message);
    }

    /// Whether a record can be the Finished yet.
    pub(super) fn is_ready(&self) -> bool {
        !self.promised || self.ticket.is_some()
    }

    /// The whole message.
    pub(super) fn message(&self) -> Finished {
        let hash = prf::hash(&[&self.transcript]);
        let verify_data = prf::verify_data(&self.master, b"server finished", &hash);
        finished_message(self.reassembly.next(), &verify_data)
    }

    /// The ticket; an empty one is none (RFC 5077 §3.3).
    pub(super) fn take_ticket(&mut self) -> Option<Vec<u8>> {
        self.ticket.take().filter(|ticket| !ticket.is_empty())
    }

    /// The hash of all messages, this one at the end.
    fn hash_with(&self, message: &[u8]) -> [u8; 32] {
        prf::hash(&[&self.transcript, message])
    }
}

/// The ticket in the body of a NewSessionTicket.
fn ticket(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    cursor.take(4)?;
    let ticket = cursor.vec16()?;
    cursor.is_empty().then_some(ticket)
}

/// The server resumes the session; its Finished is awaited.
pub(super) struct Resuming {
    /// Sent again until the server's flight is whole.
    pub(super) hello: Box<Hello>,
    pub(super) connection: Connection,
    pub(super) expected: Expected,
    pub(super) resumption: Resumption,
}

impl Resuming {
    /// A record of epoch 1: whether it bears the server's Finished. Our own flight is ready then.
    pub(super) fn protected(&mut self, record: &RawRecord<'_>) -> Result<bool, ClientFailure> {
        if !self.expected.is_ready() {
            return Ok(false);
        }
        let Some((ContentType::Handshake, message)) = self.connection.open(record) else {
            return Ok(false);
        };
        let theirs = self.expected.message();
        if !bool::from(message.ct_eq(&theirs)) {
            return Err(ClientFailure::BadFinished);
        }
        let hash = self.expected.hash_with(&theirs);
        let verify_data = prf::verify_data(&self.expected.master, b"client finished", &hash);
        let renewed = self.expected.take_ticket();
        let Resumption { session_id, ticket, suite, master } = &self.resumption;
        let ticket = renewed.or_else(|| ticket.clone());
        self.connection.resumption = Resumption::new(session_id, ticket, *suite, master);
        self.connection.last_flight = Some(Box::new(LastFlight {
            finished: finished_message(self.hello.message + 1, &verify_data),
            theirs,
            next_record: self.hello.next_record,
            left: MAX_REPEATS,
        }));
        Ok(true)
    }
}

/// Our last flight of a resumption: the server asks for it by repeating its own.
#[derive(Debug)]
pub(super) struct LastFlight {
    finished: Finished,
    theirs: Finished,
    next_record: u64,
    left: u8,
}

impl Connection {
    /// ChangeCipherSpec and Finished of a resumption, under new numbers.
    pub(super) fn write_last_flight(&mut self) -> Result<Vec<u8>, ClientFailure> {
        let mut datagram = Vec::with_capacity(96);
        let Some(mut flight) = self.last_flight.take() else { return Ok(datagram) };
        let kind = ContentType::ChangeCipherSpec;
        record::put_plain(&mut datagram, kind, DTLS_1_2, flight.next_record, &[1]);
        flight.next_record += 1;
        let sealed = self.seal(&mut datagram, ContentType::Handshake, &flight.finished);
        self.last_flight = Some(flight);
        sealed.map(|()| datagram).ok_or(ClientFailure::Exhausted)
    }

    /// Whether this handshake message, which has verified, asks for our last flight again.
    pub(super) fn is_asked_again(&mut self, message: &[u8]) -> bool {
        let Some(flight) = &mut self.last_flight else { return false };
        let asked = flight.left > 0 && message == flight.theirs;
        flight.left -= u8::from(asked);
        asked
    }
}
