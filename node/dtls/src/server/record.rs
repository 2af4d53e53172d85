//! Records of epoch 1: opened for their sessions, sealed on their owners' behalf.

use core::net::SocketAddr;
use core::time::Duration;

use super::endpoint::Endpoint;
use super::output::{Content, Output, Record, SealError};
use super::session::{Said, Session};
use crate::cid;
use crate::counters::DropReason;
use crate::keys::SessionId;
use crate::protection::Direction;
use crate::schedule::{finished_message, new_session_ticket};
use crate::sealed::Sealed;
use crate::wire::DTLS_1_2;
use crate::wire::alert::Alert;
use crate::wire::handshake::{Fragments, kind};
use crate::wire::path::PathMessage;
use crate::wire::record::{self, ContentType, MAX_SEQUENCE, RawRecord};

impl Endpoint {
    /// Seals one record of a session under this sequence, and queues the datagram. The session's
    /// owner numbers its records upwards; 0 was its Finished. With `to`, this record and those
    /// after it go to that address: the owner decides that (RFC 9146 §6). A session without a
    /// connection id is still found by its old one.
    ///
    /// # Errors
    /// See [`SealError`]; after an error nothing was sealed, no sequence is used up, and the
    /// address is the old one.
    pub fn seal(
        &mut self,
        session: SessionId,
        sequence: u64,
        to: Option<SocketAddr>,
        content: Content<'_>,
    ) -> Result<(), SealError> {
        let session = self.sessions.get_mut(session).ok_or(SealError::UnknownSession)?;
        if sequence > MAX_SEQUENCE {
            return Err(SealError::SequenceExhausted);
        }
        if !session.sealed.allows(sequence) {
            return Err(SealError::SequenceUsed);
        }
        let mut bytes = self.spare.take();
        match content {
            Content::Application(data) if data.len() > usize::from(session.longest) => {
                return Err(SealError::TooLong);
            }
            Content::Path(_) if !session.rrc => return Err(SealError::NotNegotiated),
            Content::Application(data) => {
                session.seal(&mut bytes, ContentType::ApplicationData, sequence, data);
            }
            Content::Alert(alert) => {
                session.seal(&mut bytes, ContentType::Alert, sequence, &alert.encode());
            }
            Content::Path(message) => {
                let kind = ContentType::ReturnRoutabilityCheck;
                session.seal(&mut bytes, kind, sequence, &message.encode());
            }
            Content::Finished => {
                let flight = session.flight.as_deref().ok_or(SealError::FlightForgotten)?;
                let said = flight.said.as_ref().ok_or(SealError::FlightForgotten)?;
                self.counters.retransmissions += 1;
                session.write_last_flight(said, flight.first_record, sequence, &mut bytes);
            }
        }
        self.counters.records_sealed += 1;
        session.sealed = Sealed::up_to(sequence);
        session.watch.used();
        if let Some(to) = to {
            session.place.moved(to);
        }
        self.outputs.push_back(Output::Datagram { to: session.place.peer(), bytes });
        Ok(())
    }

    /// A record of epoch 1: of a session, or the Finished of a handshake.
    pub(super) fn protected(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        if record.kind == ContentType::Tls12Cid {
            // The look-up comes first: it costs less than the id's check bytes.
            if let Some(session) = self.sessions.with_cid(record.cid) {
                return self.open(now, from, session, record);
            }
            return match self.finished(now, from, Some(record.cid), record) {
                Err(DropReason::NoSession) if !cid::is_ours(&self.keys.checks, record.cid) => {
                    Err(DropReason::ForeignCid)
                }
                other => other,
            };
        }
        let Some(session) = self.sessions.at_home(from) else {
            return self.finished(now, from, None, record);
        };
        // The address may have a new handshake beside its session; the MAC tells them apart.
        match self.open(now, from, session, record) {
            Err(reason @ (DropReason::BadMac | DropReason::WrongForm | DropReason::Unverified)) => {
                match self.finished(now, from, None, record) {
                    Err(DropReason::NoSession) => Err(reason),
                    other => other,
                }
            }
            other => other,
        }
    }

    fn finished(
        &mut self,
        now: Duration,
        from: SocketAddr,
        cid: Option<&[u8]>,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        let resuming = self.resuming.peek(from).map(|resuming| resuming.wish.cid);
        let pending = || self.pending.peek(from).map(|half_open| half_open.agreement.cid);
        match (resuming.or_else(pending).ok_or(DropReason::NoSession)?, cid) {
            (expected, found) if expected.as_ref().map(|cid| &cid[..]) == found => {}
            (Some(_), Some(_)) => return Err(DropReason::NoSession),
            _ => return Err(DropReason::WrongForm),
        }
        if resuming.is_some() {
            return self.advance_resumption(now, from, |resuming| resuming.protected(record));
        }
        self.advance(now, from, |half_open| half_open.finished(record))
    }

    fn open(
        &mut self,
        now: Duration,
        from: SocketAddr,
        id: SessionId,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        let mut payload = self.spare.take();
        match self.read(now, id, record, &mut payload) {
            Ok(Some(Read { content, newest, rrc, longest })) => {
                self.counters.records_opened += 1;
                self.outputs.push_back(Output::Record(Record {
                    session: id,
                    content,
                    epoch: record.epoch,
                    sequence: record.sequence,
                    from,
                    newest,
                    rrc,
                    longest,
                    payload,
                }));
                Ok(())
            }
            done => {
                self.spare.give(payload);
                done.map(|_| ())
            }
        }
    }

    /// Opens a record into `payload`; `None` if it is nothing for the session's owner.
    fn read(
        &mut self,
        now: Duration,
        id: SessionId,
        record: &RawRecord<'_>,
        payload: &mut Vec<u8>,
    ) -> Result<Option<Read>, DropReason> {
        if self.sessions.is_flooded(now, id) {
            return Err(DropReason::Unverified);
        }
        let session = self.sessions.get_mut(id).ok_or(DropReason::NoSession)?;
        let opened = session.open(record, payload);
        if opened == Err(DropReason::BadMac) && session.keys.is_dear() {
            self.sessions.forged(now, id);
            return Err(DropReason::BadMac);
        }
        let content = opened?;
        let (rrc, longest) = (session.rrc, session.longest);
        let newest = session.window.accept(record.sequence).ok_or(DropReason::Replayed)?;
        session.watch.used();
        let meant = match content {
            ContentType::ApplicationData => true,
            ContentType::Alert => Alert::decode(payload).is_some(),
            ContentType::ReturnRoutabilityCheck => rrc && PathMessage::decode(payload).is_some(),
            ContentType::Handshake => {
                return self.late_handshake(now, id, payload).map(|()| None);
            }
            ContentType::ChangeCipherSpec | ContentType::Tls12Cid => false,
        };
        let read = Read { content, newest, rrc, longest };
        if meant { Ok(Some(read)) } else { Err(DropReason::Meaningless) }
    }

    /// A handshake message inside a session: the client's Finished again, since ours was lost,
    /// or an attempt to renegotiate.
    fn late_handshake(
        &mut self,
        now: Duration,
        id: SessionId,
        payload: &[u8],
    ) -> Result<(), DropReason> {
        let Some(Ok(fragment)) = Fragments::new(payload).next() else {
            return Err(DropReason::Malformed);
        };
        match fragment.kind {
            kind::FINISHED if !self.is_repeated(id, payload) => Err(DropReason::UnexpectedMessage),
            kind::FINISHED if self.sessions.repetition(now, id) => {
                self.outputs.push_back(Output::Repeat { session: id });
                Ok(())
            }
            kind::FINISHED => Err(DropReason::RepeatLimit),
            kind::CLIENT_HELLO => Err(DropReason::Renegotiation),
            _ => Err(DropReason::UnexpectedMessage),
        }
    }

    /// Whether a Finished is the one that opened the session, as far as that was seen here.
    fn is_repeated(&self, id: SessionId, message: &[u8]) -> bool {
        let Some(session) = self.sessions.get(id) else { return true };
        let Some(flight) = session.flight.as_deref() else { return true };
        let Ok(record) = record::decode(&flight.finished, cid::LENGTH) else { return true };
        let mut first = Vec::new();
        session.open(&record, &mut first).is_ok() && first == message
    }
}

/// What an opened record says beside its payload.
struct Read {
    content: ContentType,
    newest: bool,
    rrc: bool,
    longest: u16,
}

impl Session {
    fn open(
        &self,
        record: &RawRecord<'_>,
        payload: &mut Vec<u8>,
    ) -> Result<ContentType, DropReason> {
        Direction::from_client(self.cipher, &self.keys, self.cid()).open(record, payload)
    }

    fn seal(&self, out: &mut Vec<u8>, kind: ContentType, sequence: u64, payload: &[u8]) {
        let direction = Direction::from_server(self.cipher, &self.keys, &self.peer_cid);
        direction.seal(out, kind, (1, sequence), payload);
    }

    /// Appends NewSessionTicket if there is one and ChangeCipherSpec under their numbers of epoch
    /// 0, and Finished under `sequence` of epoch 1.
    pub(super) fn write_last_flight(
        &self,
        said: &Said,
        first_record: u64,
        sequence: u64,
        out: &mut Vec<u8>,
    ) {
        out.reserve(192);
        // Two numbers for each repetition, though most need one.
        let number = first_record.saturating_add(sequence.saturating_mul(2));
        let mut message = said.message;
        if let Some(ticket) = &said.ticket {
            let ticket = new_session_ticket(message, ticket);
            record::put_plain(out, ContentType::Handshake, DTLS_1_2, number, &ticket);
            message += 1;
        }
        let number = number.saturating_add(u64::from(said.ticket.is_some()));
        record::put_plain(out, ContentType::ChangeCipherSpec, DTLS_1_2, number, &[1]);
        let message = finished_message(message, &said.verify_data);
        self.seal(out, ContentType::Handshake, sequence, &message);
    }
}
