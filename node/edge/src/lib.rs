//! An edge without its socket: datagrams of devices on one side, frames of actors on the other.
//!
//! It runs the DTLS engine of one listener and turns what comes out into frames, and frames into
//! what goes in. It holds record keys and addresses, never a pre-shared key, and no conversation:
//! losing it loses none. The shell gives it datagrams, frames and the time, and sends what
//! [`Edge::poll`] gives; the seeded world does the same without a socket.

mod report;

pub use report::{FAILURES, Report};

use claviger_dtls::{
    Alert, CallId, Claim, Content, ContentType, Endpoint, HandshakeEvent, OpenCall, Opened,
    Output as Dtls, Record, Refusal, SealError, SessionId, SessionKeys,
};
use claviger_front::{self as front, Deliver, FromEdge, Open, Repeat, ToEdge, Trace, Transmit};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

/// What has to be done.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    Datagram {
        /// To this address.
        to: SocketAddr,
        /// One datagram.
        bytes: Vec<u8>,
    },
    /// Send a frame to the node that runs the actors.
    Frame(Vec<u8>),
    /// Something for logs.
    Event(HandshakeEvent),
}

/// Why a frame of the actors was not carried out; none of it is a device's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// It cannot be read: the node that runs the actors is of another version.
    #[error("the frame cannot be read")]
    Unreadable,
    /// It came after its deadline.
    #[error("the record came after its deadline")]
    Late,
    /// The record was not sealed.
    #[error("the record was not sealed: {0}")]
    NotSealed(#[from] SealError),
}

/// One listener of one edge.
pub struct Edge {
    listener: String,
    realm: String,
    endpoint: Endpoint,
    owners: BTreeMap<SessionId, Owner>,
    report: Report,
}

/// Whose a session is, as its frames name it.
struct Owner {
    tenant: String,
    device: String,
}

impl Edge {
    /// The edge of the listener `listener`, which stands for the realm `realm`.
    pub fn new(listener: &str, realm: &str, endpoint: Endpoint) -> Self {
        Self {
            listener: listener.to_owned(),
            realm: realm.to_owned(),
            endpoint,
            owners: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Takes one datagram.
    pub fn receive(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        self.endpoint.receive(now, from, datagram);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.endpoint.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.endpoint.next_timeout()
    }

    /// Takes one frame of the actors.
    ///
    /// # Errors
    /// [`Undone`] if it is not carried out; a device sends again, so nothing is lost.
    pub fn frame(&mut self, now: Duration, frame: &[u8]) -> Result<(), Undone> {
        let done = self.run(now, frame);
        if done.is_err() {
            self.report.frames_undone += 1;
        }
        done
    }

    fn run(&mut self, now: Duration, frame: &[u8]) -> Result<(), Undone> {
        match ToEdge::decode(frame).map_err(|_| Undone::Unreadable)? {
            ToEdge::Opened(opened) => self.opened(now, &opened)?,
            ToEdge::Refused(refused) => {
                self.endpoint.refused(now, CallId(refused.call), refusal(refused.refusal));
            }
            ToEdge::Transmit(transmit) => self.transmit(now, &transmit)?,
            ToEdge::Close(close) => {
                let session = SessionId(close.session);
                self.owners.remove(&session);
                self.endpoint.close(session);
            }
        }
        Ok(())
    }

    fn opened(&mut self, now: Duration, opened: &front::Opened) -> Result<(), Undone> {
        let keys = opened.keys.as_slice().try_into().map_err(|_| Undone::Unreadable)?;
        let session = SessionId(opened.session);
        let owner = Owner { tenant: opened.tenant.clone(), device: opened.device.clone() };
        self.owners.insert(session, owner);
        let keys = SessionKeys::from_bytes(keys);
        let verify_data = opened.verify_data;
        self.endpoint.opened(now, CallId(opened.call), Opened { session, keys, verify_data });
        Ok(())
    }

    fn transmit(&mut self, now: Duration, transmit: &Transmit) -> Result<(), Undone> {
        let session = SessionId(transmit.session);
        if now > Duration::from_millis(transmit.deadline) {
            return Err(Undone::Late);
        }
        if let Some(peer) = transmit.to {
            self.endpoint.set_peer(session, peer);
        }
        let content = match &transmit.content {
            front::Content::Application(bytes) => Content::Application(bytes),
            front::Content::CloseNotify => Content::Alert(Alert::CLOSE_NOTIFY),
            front::Content::Finished => Content::Finished,
        };
        Ok(self.endpoint.seal(session, transmit.sequence, content)?)
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            let frame = match self.endpoint.poll()? {
                Dtls::Datagram { to, bytes } => return Some(Output::Datagram { to, bytes }),
                Dtls::Event(event) => {
                    self.report.note(&event);
                    return Some(Output::Event(event));
                }
                Dtls::Open(call) => Some(self.open(call)),
                Dtls::Record(record) => self.deliver(record),
                Dtls::Repeat { session } => self.repeat(session),
            };
            if let Some(frame) = frame {
                return Some(Output::Frame(frame.encode()));
            }
        }
    }

    fn open(&self, call: OpenCall) -> FromEdge {
        let Claim::Psk { identity } = call.claim;
        FromEdge::Open(Open {
            trace: Trace { id: SessionId::of(&call.transcript).0, span: [0; 8] },
            call: call.call.0,
            listener: self.listener.clone(),
            realm: self.realm.clone(),
            peer: call.peer,
            identity,
            suite: call.suite,
            transcript: call.transcript,
            finished: call.finished,
            cid: call.cid,
            peer_cid: call.peer_cid,
        })
    }

    fn deliver(&self, record: Record) -> Option<FromEdge> {
        let owner = self.owners.get(&record.session)?;
        Some(FromEdge::Deliver(Deliver {
            trace: Trace { id: record.session.0, span: record.sequence.to_be_bytes() },
            session: record.session.0,
            tenant: owner.tenant.clone(),
            device: owner.device.clone(),
            alert: record.content == ContentType::Alert,
            epoch: record.epoch,
            sequence: record.sequence,
            from: record.from,
            newest: record.newest,
            payload: record.payload,
        }))
    }

    fn repeat(&self, session: SessionId) -> Option<FromEdge> {
        let owner = self.owners.get(&session)?;
        let (tenant, device) = (owner.tenant.clone(), owner.device.clone());
        Some(FromEdge::Repeat(Repeat { session: session.0, tenant, device }))
    }

    /// What happened so far, and how much is held now.
    pub fn report(&self) -> Report {
        Report {
            dtls: self.endpoint.counters().clone(),
            sessions: self.endpoint.sessions(),
            half_open: self.endpoint.half_open(),
            ..self.report.clone()
        }
    }
}

const fn refusal(refusal: front::Refusal) -> Refusal {
    match refusal {
        front::Refusal::UnknownIdentity => Refusal::UnknownIdentity,
        front::Refusal::BadFinished => Refusal::BadFinished,
        front::Refusal::Unavailable => Refusal::Unavailable,
        front::Refusal::Denied => Refusal::Denied,
    }
}
