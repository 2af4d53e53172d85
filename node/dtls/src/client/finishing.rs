//! The client's last state of a handshake: its flight is sent, the server's Finished awaited.

use subtle::ConstantTimeEq;

use super::config::ClientFailure;
use super::open::Connection;
use super::resume::{Expected, Resumption};
use crate::flight;
use crate::schedule::Finished;
use crate::wire::DTLS_1_2;
use crate::wire::handshake::{Fragment, kind};
use crate::wire::record::{self, ContentType, RawRecord};

/// Our last flight sent; the server's Finished is awaited.
pub(super) struct Finishing {
    pub(super) connection: Connection,
    /// All messages of the flight in clear, each with its header.
    pub(super) messages: Vec<u8>,
    pub(super) finished: Finished,
    pub(super) next_record: u64,
    pub(super) expected: Expected,
    /// The server's name for the session, perhaps empty, if it may be resumed.
    pub(super) session_id: Option<Vec<u8>>,
    /// Whether the flight was repeated on the server's request since the timer last ran out.
    pub(super) repeated: bool,
    /// How often the flight was sent.
    pub(super) sent: u8,
}

impl Finishing {
    /// The messages in clear, ChangeCipherSpec and Finished, under new numbers.
    pub(super) fn write_flight(&mut self) -> Result<Vec<Vec<u8>>, ClientFailure> {
        let sizes = self.connection.sizes(self.sent);
        self.sent = self.sent.saturating_add(1);
        let mut datagrams = flight::write(&self.messages, sizes, &mut self.next_record);
        let mut last = Vec::with_capacity(128);
        let (kind, number) = (ContentType::ChangeCipherSpec, self.next_record);
        record::put_plain(&mut last, kind, DTLS_1_2, number, &[1]);
        self.next_record += 1;
        self.connection
            .seal(&mut last, ContentType::Handshake, &self.finished)
            .ok_or(ClientFailure::Exhausted)?;
        match datagrams.last_mut() {
            Some(datagram) if datagram.len() + last.len() <= sizes.datagram => {
                datagram.extend_from_slice(&last);
            }
            _ => datagrams.push(last),
        }
        Ok(datagrams)
    }

    /// The timer has run out, so the server may ask again.
    pub(super) fn rearm(&mut self) {
        self.repeated = false;
    }

    /// The server repeated its flight: whether ours is to be sent again.
    pub(super) fn repetition(&mut self, fragment: &Fragment<'_>) -> bool {
        self.expected.fragment(fragment);
        fragment.kind == kind::SERVER_HELLO_DONE && !core::mem::replace(&mut self.repeated, true)
    }

    /// A record of epoch 1: whether it bears the server's Finished.
    pub(super) fn protected(&mut self, record: &RawRecord<'_>) -> Result<bool, ClientFailure> {
        if !self.expected.is_ready() {
            return Ok(false);
        }
        match self.connection.open(record) {
            Some((ContentType::Handshake, message))
                if message.ct_eq(&self.expected.message()).into() =>
            {
                let (ticket, suite) = (self.expected.take_ticket(), self.connection.suite.id);
                self.connection.resumption = self.session_id.as_ref().and_then(|session_id| {
                    Resumption::new(session_id, ticket, suite, &self.expected.master)
                });
                Ok(true)
            }
            Some((ContentType::Handshake, _)) => Err(ClientFailure::BadFinished),
            _ => Ok(false),
        }
    }
}
