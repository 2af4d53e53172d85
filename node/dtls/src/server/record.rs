//! Records of epoch 1: opened for their sessions, sealed on their owners' behalf.

use core::net::SocketAddr;
use core::time::Duration;

use super::endpoint::Endpoint;
use super::output::{Content, Output, Record, SealError};
use super::session::{LastFlight, Session};
use crate::aead::Direction;
use crate::cid;
use crate::counters::DropReason;
use crate::keys::SessionId;
use crate::schedule::finished_message;
use crate::wire::DTLS_1_2;
use crate::wire::alert::Alert;
use crate::wire::handshake::{Fragments, kind};
use crate::wire::record::{self, ContentType, MAX_PLAINTEXT, MAX_SEQUENCE, RawRecord};

impl Endpoint {
    /// Seals one record of a session under this sequence, and queues the datagram. The session's
    /// owner numbers its records upwards; 0 was its Finished.
    ///
    /// # Errors
    /// See [`SealError`]; after an error nothing was sealed and no sequence is used up.
    pub fn seal(
        &mut self,
        session: SessionId,
        sequence: u64,
        content: Content<'_>,
    ) -> Result<(), SealError> {
        let id = session;
        let session = self.sessions.get_mut(id).ok_or(SealError::UnknownSession)?;
        if sequence > MAX_SEQUENCE {
            return Err(SealError::SequenceExhausted);
        }
        if sequence <= session.last_sealed {
            return Err(SealError::SequenceUsed);
        }
        let bytes = match content {
            Content::Application(data) if data.len() > MAX_PLAINTEXT => {
                return Err(SealError::TooLong);
            }
            Content::Application(data) => {
                session.seal(ContentType::ApplicationData, sequence, data)
            }
            Content::Alert(alert) => session.seal(ContentType::Alert, sequence, &alert.encode()),
            Content::Finished => {
                let (session, flight) =
                    self.sessions.with_flight(id).ok_or(SealError::FlightForgotten)?;
                self.counters.retransmissions += 1;
                session.write_last_flight(flight, sequence)
            }
        };
        self.counters.records_sealed += 1;
        let session = self.sessions.get_mut(id).ok_or(SealError::UnknownSession)?;
        session.last_sealed = sequence;
        let to = session.peer;
        self.outputs.push_back(Output::Datagram { to, bytes });
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
            let cid = cid::parse(&self.keys.cid, record.cid).ok_or(DropReason::ForeignCid)?;
            return match self.sessions.with_cid(cid) {
                Some(session) => self.open(now, from, session, record),
                None => self.finished(from, Some(cid), record),
            };
        }
        let Some(session) = self.sessions.at_home(from) else {
            return self.finished(from, None, record);
        };
        // The address may have a new handshake beside its session; the MAC tells them apart.
        let result = match self.sessions.get_mut(session) {
            Some(open) if open.cid.is_none() => self.open(now, from, session, record),
            _ => Err(DropReason::WrongForm),
        };
        match result {
            Err(reason @ (DropReason::BadMac | DropReason::WrongForm)) => {
                match self.finished(from, None, record) {
                    Err(DropReason::NoSession) => Err(reason),
                    other => other,
                }
            }
            other => other,
        }
    }

    fn finished(
        &mut self,
        from: SocketAddr,
        cid: Option<[u8; cid::LENGTH]>,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        let half_open = self.pending.peek(from).ok_or(DropReason::NoSession)?;
        match (half_open.agreement.cid, cid) {
            (expected, found) if expected == found => {}
            (Some(_), Some(_)) => return Err(DropReason::NoSession),
            _ => return Err(DropReason::WrongForm),
        }
        self.advance(from, |half_open| half_open.finished(record))
    }

    fn open(
        &mut self,
        now: Duration,
        from: SocketAddr,
        id: SessionId,
        record: &RawRecord<'_>,
    ) -> Result<(), DropReason> {
        let session = self.sessions.get_mut(id).ok_or(DropReason::NoSession)?;
        let (content, payload) = session.open(record).ok_or(DropReason::BadMac)?;
        let newest = session.window.accept(record.sequence).ok_or(DropReason::Replayed)?;
        match content {
            ContentType::ApplicationData => {}
            ContentType::Alert if Alert::decode(&payload).is_some() => {}
            ContentType::Handshake => return self.late_handshake(now, id, &payload),
            _ => return Err(DropReason::Meaningless),
        }
        self.counters.records_opened += 1;
        self.outputs.push_back(Output::Record(Record {
            session: id,
            content,
            epoch: record.epoch,
            sequence: record.sequence,
            from,
            newest,
            payload,
        }));
        Ok(())
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
            kind::FINISHED if self.sessions.repetition(now, id) => {
                self.outputs.push_back(Output::Repeat { session: id });
                Ok(())
            }
            kind::FINISHED => Err(DropReason::RepeatLimit),
            kind::CLIENT_HELLO => Err(DropReason::Renegotiation),
            _ => Err(DropReason::UnexpectedMessage),
        }
    }
}

impl Session {
    fn open(&self, record: &RawRecord<'_>) -> Option<(ContentType, Vec<u8>)> {
        let cid = self.cid.as_ref().map_or(&[][..], |cid| cid);
        Direction::from_client(&self.keys, cid).open(record)
    }

    fn seal(&self, kind: ContentType, sequence: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let direction = Direction::from_server(&self.keys, &self.peer_cid);
        direction.seal(&mut bytes, kind, (1, sequence), payload);
        bytes
    }

    /// ChangeCipherSpec under the next number of epoch 0, Finished under `sequence` of epoch 1.
    pub(super) fn write_last_flight(&self, flight: &mut LastFlight, sequence: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        let number = flight.next_record;
        flight.next_record += 1;
        record::put_plain(&mut bytes, ContentType::ChangeCipherSpec, DTLS_1_2, number, &[1]);
        let message = finished_message(flight.message, &flight.verify_data);
        let direction = Direction::from_server(&self.keys, &self.peer_cid);
        direction.seal(&mut bytes, ContentType::Handshake, (1, sequence), &message);
        bytes
    }
}
