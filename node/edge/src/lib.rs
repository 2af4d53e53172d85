//! An edge without its socket: datagrams of devices on one side, frames of actors on the other.
//!
//! It runs the DTLS engine of one listener and turns what comes out into frames, and frames into
//! what goes in. It holds record keys and addresses, never a pre-shared key, and no conversation:
//! losing it loses none. The shell gives it datagrams, frames and the time, and sends what
//! [`Edge::poll`] gives; the seeded world does the same without a socket.

mod report;
mod sampling;
#[cfg(test)]
mod tests;

pub use report::{FAILURES, Report};
pub use sampling::Sampling;

use claviger_dtls::{
    Alert, CallId, Claim, Content, ContentType, Endpoint, HandshakeEvent, OpenCall, Opened,
    Output as Dtls, PathMessage, Record, Refusal, SealError, SessionId, SessionKeys,
};
use claviger_front::{
    self as front, Check, Deliver, FromEdge, Open, Repeat, Shared, ToEdge, Trace, Transmit,
};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

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
    /// Send a frame to the node that runs the actors. It may hold the secret of a key agreement,
    /// so it is zeroized when dropped.
    Frame(Zeroizing<Vec<u8>>),
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

/// How long a datagram may become by records that share it: what an IPv4 host must take (576 bytes,
/// RFC 791 §3.1) less the headers of IPv4 and UDP, so that no path is asked for more.
const SHARED: usize = 548;
/// And with records of a handshake, whose flights the engine cuts to this after losses: what it has
/// taken apart is not put together again.
const SHARED_FLIGHT: usize = 508;

/// One listener of one edge.
pub struct Edge {
    listener: String,
    realm: String,
    endpoint: Endpoint,
    owners: BTreeMap<SessionId, Owner>,
    /// What comes after the last datagram that was given: it was looked at whether it fits in.
    held: Option<Output>,
    sampling: Sampling,
    report: Report,
}

/// Whose a session is, as its frames name it.
struct Owner {
    tenant: Box<str>,
    device: Box<str>,
}

impl Edge {
    /// The edge of the listener `listener`, which stands for the realm `realm`.
    pub fn new(listener: &str, realm: &str, endpoint: Endpoint) -> Self {
        Self {
            listener: listener.to_owned(),
            realm: realm.to_owned(),
            endpoint,
            owners: BTreeMap::new(),
            held: None,
            sampling: Sampling::NONE,
            report: Report::default(),
        }
    }

    /// The same, with the traces of `sampling` marked in its frames; without this there are none.
    pub fn sampled(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// The trace that the session's frames carry.
    pub fn trace(&self, session: SessionId) -> Trace {
        Trace::of(session.0, self.sampling.takes(&session.0))
    }

    /// Takes one datagram.
    pub fn receive(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        self.endpoint.receive(now, from, datagram);
    }

    /// Takes back the bytes of a datagram that was sent, to write the next one into.
    pub fn reuse(&mut self, bytes: Vec<u8>) {
        self.endpoint.reuse(bytes);
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
            // Nothing is asked yet that these would answer.
            ToEdge::Signed(_)
            | ToEdge::Present(_)
            | ToEdge::Accepted(_)
            | ToEdge::NotResumed(_)
            | ToEdge::Continue(_)
            | ToEdge::Unknown(_) => {}
        }
        Ok(())
    }

    fn opened(&mut self, now: Duration, opened: &front::Opened) -> Result<(), Undone> {
        let keys = SessionKeys::from_bytes(&opened.keys).ok_or(Undone::Unreadable)?;
        let session = SessionId(opened.session);
        let verify_data = opened.verify_data;
        let answer = Opened { session, keys, verify_data };
        // An answer that comes too late opens nothing, and nothing may be kept of it.
        if self.endpoint.opened(now, CallId(opened.call), answer) {
            let (tenant, device) = (opened.tenant.as_str().into(), opened.device.as_str().into());
            self.owners.insert(session, Owner { tenant, device });
        }
        Ok(())
    }

    fn transmit(&mut self, now: Duration, transmit: &Transmit) -> Result<(), Undone> {
        let session = SessionId(transmit.session);
        if now > Duration::from_millis(transmit.deadline) {
            return Err(Undone::Late);
        }
        let content = match &transmit.content {
            front::Content::Application(bytes) => Content::Application(bytes),
            front::Content::CloseNotify => Content::Alert(Alert::CLOSE_NOTIFY),
            front::Content::Finished => Content::Finished,
            front::Content::PathChallenge(cookie) => Content::Path(PathMessage::Challenge(*cookie)),
            front::Content::PathResponse(cookie) => Content::Path(PathMessage::Response(*cookie)),
        };
        Ok(self.endpoint.seal(session, transmit.sequence, transmit.to, content)?)
    }

    /// The next thing to do; call it until there is none. Records that go to one peer one after
    /// the other share a datagram (RFC 6347 §4.1.1): an acknowledgement and the request behind it
    /// cost one way through the network, not two.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.held.take().or_else(|| self.next())?;
        let Output::Datagram { to, mut bytes } = output else { return Some(output) };
        loop {
            match self.next() {
                Some(Output::Datagram { to: again, bytes: more })
                    if again == to && may_share(&bytes, &more) =>
                {
                    bytes.extend_from_slice(&more);
                    self.endpoint.reuse(more);
                }
                other => {
                    self.held = other;
                    return Some(Output::Datagram { to, bytes });
                }
            }
        }
    }

    fn next(&mut self) -> Option<Output> {
        loop {
            let frame = match self.endpoint.poll()? {
                Dtls::Datagram { to, bytes } => return Some(Output::Datagram { to, bytes }),
                Dtls::Event(event) => {
                    self.report.note(&event);
                    return Some(Output::Event(event));
                }
                Dtls::Open(call) => Some(self.open(*call).encode()),
                // The ledger keeps no sessions to be resumed yet, so the option for them is off.
                Dtls::NeedSession(_) => None,
                // A listener without a key presents none, and nobody presents one to it.
                Dtls::Sign(_) => None,
                Dtls::Record(record) => self.deliver(record),
                Dtls::Repeat { session } => self.repeat(session).map(|frame| frame.encode()),
                Dtls::Displaced { session } => {
                    self.owners.remove(&session);
                    None
                }
            };
            if let Some(frame) = frame {
                return Some(Output::Frame(frame));
            }
        }
    }

    fn open(&self, call: OpenCall) -> FromEdge {
        let identity = match call.claim {
            Claim::Psk { identity } => identity,
            Claim::Key(_) | Claim::Nothing => Vec::new(),
        };
        FromEdge::Open(Open {
            trace: self.trace(SessionId::of(&call.transcript)),
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
            shared: call.shared.map(|shared| Shared(shared.expose().to_vec())),
        })
    }

    fn deliver(&mut self, record: Record) -> Option<Zeroizing<Vec<u8>>> {
        let owner = self.owners.get(&record.session)?;
        let mut frame = FromEdge::Deliver(Deliver {
            trace: self.trace(record.session),
            session: record.session.0,
            tenant: owner.tenant.to_string(),
            device: owner.device.to_string(),
            alert: record.content == ContentType::Alert,
            epoch: record.epoch,
            sequence: record.sequence,
            from: record.from,
            newest: record.newest,
            payload: record.payload,
            check: match record.content {
                ContentType::ReturnRoutabilityCheck => Some(Check::Message),
                _ => record.rrc.then_some(Check::Answered),
            },
        });
        let bytes = frame.encode();
        if let FromEdge::Deliver(deliver) = &mut frame {
            self.endpoint.reuse(core::mem::take(&mut deliver.payload));
        }
        Some(bytes)
    }

    fn repeat(&self, session: SessionId) -> Option<FromEdge> {
        let owner = self.owners.get(&session)?;
        let (tenant, device) = (owner.tenant.to_string(), owner.device.to_string());
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

/// Whether two datagrams to one peer may be one.
fn may_share(bytes: &[u8], more: &[u8]) -> bool {
    // Type and version stand before the epoch (RFC 6347 §4.1); a flight begins in epoch 0.
    let of_a_flight = |datagram: &[u8]| datagram.get(3..5) == Some(&[0, 0]);
    let flight = of_a_flight(bytes) || of_a_flight(more);
    bytes.len() + more.len() <= if flight { SHARED_FLIGHT } else { SHARED }
}

const fn refusal(refusal: front::Refusal) -> Refusal {
    match refusal {
        front::Refusal::UnknownIdentity | front::Refusal::UnknownKey => Refusal::UnknownIdentity,
        front::Refusal::BadFinished => Refusal::BadFinished,
        front::Refusal::Unavailable => Refusal::Unavailable,
        front::Refusal::Denied => Refusal::Denied,
        front::Refusal::Untrusted => Refusal::Untrusted,
    }
}
