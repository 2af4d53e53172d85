//! An edge without its socket: datagrams of devices on one side, frames of actors on the other.
//!
//! It runs the DTLS engine of one listener and turns what comes out into frames, and frames into
//! what goes in. It holds record keys and addresses, never a pre-shared key, and no conversation:
//! losing it loses none: what it does not hold it asks for, and goes on with. The shell gives it
//! datagrams, frames and the time, and sends what [`Edge::poll`] gives, from the start on; the seeded
//! world does the same without a socket.

mod deadline;
mod finding;
mod report;
mod sampling;
#[cfg(test)]
mod tests;

pub use report::{CREDENTIALS, FAILURES, MODES, Report, SIGNATURES, STRAYS};
pub use sampling::Sampling;

use claviger_dtls::{
    Alert, CallId, CheckKey, Claim, ClusterKeys, Content, ContentType, CookieKeys, DropReason,
    Endpoint, Group, HandshakeEvent, NotResumed, OpenCall, Opened, Output as Dtls, PathMessage,
    Presented, PublicIdentity, Record, Refusal, ResumptionStep, SealError, SessionCall, SessionId,
    SessionKeys, SignCall, SignatureScheme, StoredSession, resume,
};
use claviger_front::{
    self as front, Check, Deliver, Find, FromEdge, Listen, Open, Repeat, Resume, Shared, Sign,
    Step, ToEdge, Trace, Transmit,
};
use core::net::SocketAddr;
use core::time::Duration;
use deadline::Deadlines;
use finding::Finding;
use std::collections::{BTreeMap, VecDeque};
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
    /// It answers what is not asked any more.
    #[error("nobody waits for the answer any more")]
    NotAsked,
    /// A session to go on with is here already, or cannot be here.
    #[error("the session is here already, or another one has its id or address")]
    NotRestored,
    /// What the listener is to present cannot be presented.
    #[error("the listener's key or its chain cannot be presented")]
    NotPresentable,
}

/// How long a datagram may become by records that share it: what an IPv4 host must take (576 bytes,
/// RFC 791 §3.1) less the headers of IPv4 and UDP, so that no path is asked for more.
const SHARED: usize = 548;
/// And with records of a handshake, whose flights the engine cuts to this after losses: what it has
/// taken apart is not put together again.
const SHARED_FLIGHT: usize = 508;

/// One listener of one edge.
pub struct Edge {
    endpoint: Endpoint,
    /// The version of what the listener presents.
    presented: Option<u64>,
    /// By what each handshake that asks for its session proves itself, as a place in
    /// [`CREDENTIALS`].
    claims: BTreeMap<CallId, usize>,
    finding: Finding,
    /// Frames that come of no output of the engine.
    frames: VecDeque<Zeroizing<Vec<u8>>>,
    /// What comes after the last datagram that was given: it was looked at whether it fits in.
    held: Option<Output>,
    sampling: Sampling,
    /// What the listener says of itself.
    listen: Listen,
    /// When the node that runs the actors was heard last.
    heard: Option<Duration>,
    deadlines: Deadlines,
    report: Report,
}

/// How long an edge that hears nothing goes on: then another one is to have what devices send.
const SILENCE: Duration = Duration::from_secs(2);

/// How many handshakes are remembered by what they prove: an answer is not always to come.
const CLAIMS: usize = 65_536;

/// Whose a session is, in one piece, since there are many: the tenant, whose name has no line feed; a
/// line feed; the device.
fn owner(tenant: &str, device: &str) -> Box<str> {
    format!("{tenant}\n{device}").into()
}

/// The tenant and the device, as frames name them.
fn names(owner: &str) -> (String, String) {
    let (tenant, device) = owner.split_once('\n').unwrap_or(("", owner));
    (tenant.to_owned(), device.to_owned())
}

impl Edge {
    /// The edge of the listener `listener`, which stands for the realm `realm`: the same at every
    /// edge of a service. It answers nothing before it has heard from the actors.
    pub fn new(listener: &str, realm: &str, mut endpoint: Endpoint) -> Self {
        endpoint.let_rest();
        let (listener, realm) = (listener.to_owned(), realm.to_owned());
        let listen = Listen { listener, realm, shared: false };
        Self {
            endpoint,
            presented: None,
            claims: BTreeMap::new(),
            finding: Finding::new(),
            frames: VecDeque::from([FromEdge::Listen(listen.clone()).encode()]),
            held: None,
            sampling: Sampling::NONE,
            listen,
            heard: None,
            deadlines: Deadlines::default(),
            report: Report::default(),
        }
    }

    /// The same, with the traces of `sampling` marked in its frames; without this there are none.
    pub fn sampled(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// The same, where every edge of the listener sends from the address that devices send to.
    pub fn shared(mut self) -> Self {
        self.listen.shared = true;
        self.frames.clear();
        self.greet();
        self
    }

    /// Says that the listener is there, and asks again what is not answered: to be called whenever
    /// another node has begun to run the actors, or the way to it was lost.
    pub fn greet(&mut self) {
        self.deadlines.forget();
        self.frames.push_back(FromEdge::Listen(self.listen.clone()).encode());
        self.endpoint.ask_again();
        for (call, stray) in self.finding.out() {
            let find = self.find_frame(call, stray.from, &stray.datagram);
            self.frames.push_back(find);
        }
    }

    /// True if nothing is answered: no node that runs actors was heard for two seconds, or the
    /// cluster's present keys are missing.
    pub fn is_silent(&self, now: Duration) -> bool {
        self.is_cut_off(now) || !self.endpoint.has_keys(now)
    }

    fn is_cut_off(&self, now: Duration) -> bool {
        self.heard.is_none_or(|heard| now > heard + SILENCE)
    }

    /// Begins no more handshakes; what is open goes on.
    pub fn drain(&mut self) {
        self.endpoint.drain();
    }

    /// True if no handshake is under way: sessions need no end, since another edge goes on with
    /// them.
    pub fn is_idle(&self) -> bool {
        self.endpoint.half_open() == 0
    }

    /// The trace that the session's frames carry.
    pub fn trace(&self, session: SessionId) -> Trace {
        Trace::of(session.0, self.sampling.takes(&session.0))
    }

    /// Takes one datagram.
    pub fn receive(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        if self.is_cut_off(now) {
            self.report.cut_off += 1;
            return;
        }
        let strays = |endpoint: &Endpoint| endpoint.counters().dropped(DropReason::NoSession);
        let before = strays(&self.endpoint);
        self.endpoint.receive(now, from, datagram);
        if strays(&self.endpoint) > before {
            self.find(now, from, datagram);
        }
    }

    /// Asks for a session that is not held here.
    fn find(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        let Some(call) = self.finding.ask(now, from, datagram) else {
            self.report.strays[3] += 1;
            return;
        };
        let find = self.find_frame(call, from, datagram);
        self.frames.push_back(find);
    }

    fn find_frame(&self, call: u64, from: SocketAddr, datagram: &[u8]) -> Zeroizing<Vec<u8>> {
        let (listener, datagram) = (self.listen.listener.clone(), datagram.to_vec());
        FromEdge::Find(Find { call, listener, from, datagram }).encode()
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
                let call = CallId(refused.call);
                self.claims.remove(&call);
                self.endpoint.refused(now, call, refusal(refused.refusal));
            }
            ToEdge::Signed(signed) => {
                let made = signed.signature.map(Into::into);
                self.report.signatures[usize::from(made.is_none())] += 1;
                self.endpoint.signed(now, CallId(signed.call), made);
            }
            ToEdge::Present(present) => self.present(present)?,
            ToEdge::Accepted(accepted) => {
                let front::Accepted { call, suite, server_hello, finished } = accepted;
                let accepted = resume::Accepted { suite, server_hello, finished };
                self.endpoint.resumed(now, CallId(call), &accepted);
            }
            ToEdge::NotResumed(it) => {
                self.endpoint.not_resumed(now, CallId(it.call), not_resumed(it.why));
            }
            ToEdge::Continue(it) => self.go_on(now, &it)?,
            ToEdge::Unknown(unknown) => {
                let stray = self.finding.answered(unknown.call).ok_or(Undone::NotAsked)?;
                if unknown.nobody {
                    self.finding.nobody(now, &stray);
                }
                self.report.strays[if unknown.nobody { 1 } else { 2 }] += 1;
            }
            ToEdge::Transmit(transmit) => self.transmit(now, &transmit)?,
            ToEdge::Keys(keys) => {
                self.endpoint.set_keys(cluster_keys(keys));
                self.heard = Some(now);
            }
            ToEdge::Beat(theirs) => {
                self.heard = Some(now);
                self.deadlines.beat(now, theirs);
            }
            ToEdge::Hold(hold) => self.hold(now, &hold.stored, (&hold.tenant, &hold.device))?,
            ToEdge::Close(close) => {
                self.endpoint.close(SessionId(close.session));
            }
        }
        Ok(())
    }

    fn opened(&mut self, now: Duration, opened: &front::Opened) -> Result<(), Undone> {
        let keys = SessionKeys::from_bytes(&opened.keys).ok_or(Undone::Unreadable)?;
        let session = SessionId(opened.session);
        let (verify_data, call) = (opened.verify_data, CallId(opened.call));
        let answer = Opened { session, keys, verify_data };
        let resumed = self.endpoint.counters().resumed;
        // An answer that comes too late opens nothing, and nothing may be kept of it.
        if self.endpoint.opened(now, call, answer) {
            let resumed = self.endpoint.counters().resumed > resumed;
            self.endpoint.own(session, owner(&opened.tenant, &opened.device));
            // Only where a pre-shared key went into its secret can a session be resumed.
            let claim = self.claims.remove(&call).unwrap_or(0);
            self.report.opened[claim][usize::from(resumed)] += 1;
        }
        Ok(())
    }

    /// Takes what the listener is to present from now on.
    fn present(&mut self, present: front::Present) -> Result<(), Undone> {
        if present.realm != self.listen.realm {
            // Another listener of this edge stands for that realm.
            return Ok(());
        }
        self.presented = present.version;
        if present.public_key.is_empty() {
            self.endpoint.present(None);
            return Ok(());
        }
        let group = Group::by_id(present.group).ok_or(Undone::NotPresentable)?;
        let scheme = SignatureScheme::by_id(present.scheme).ok_or(Undone::NotPresentable)?;
        let chain = present.chain.into_iter().map(Into::into).collect();
        let identity = PublicIdentity::new(chain, present.public_key, group, scheme);
        self.endpoint.present(Some(identity.map_err(|_| Undone::NotPresentable)?));
        Ok(())
    }

    /// Goes on with a session that this edge did not hold, and reads its datagram again.
    fn go_on(&mut self, now: Duration, it: &front::Continue) -> Result<(), Undone> {
        let stray = self.finding.answered(it.call).ok_or(Undone::NotAsked)?;
        self.hold(now, &it.stored, (&it.tenant, &it.device))?;
        self.report.strays[0] += 1;
        self.endpoint.receive(now, stray.from, &stray.datagram);
        Ok(())
    }

    /// Holds a session from now on.
    fn hold(
        &mut self,
        now: Duration,
        stored: &[u8],
        (tenant, device): (&str, &str),
    ) -> Result<(), Undone> {
        let stored = StoredSession::decode(stored).ok_or(Undone::Unreadable)?;
        if !self.endpoint.restore(now, &stored) {
            return Err(Undone::NotRestored);
        }
        self.endpoint.own(stored.session, owner(tenant, device));
        Ok(())
    }

    fn transmit(&mut self, now: Duration, transmit: &Transmit) -> Result<(), Undone> {
        let session = SessionId(transmit.session);
        if self.deadlines.is_over(now, transmit.deadline) {
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
        if let Some(frame) = self.frames.pop_front() {
            return Some(Output::Frame(frame));
        }
        loop {
            let frame = match self.endpoint.poll()? {
                Dtls::Datagram { to, bytes } => return Some(Output::Datagram { to, bytes }),
                Dtls::Event(event) => {
                    self.report.note(&event);
                    return Some(Output::Event(event));
                }
                Dtls::Open(call) => Some(self.open(*call).encode()),
                Dtls::NeedSession(call) => Some(self.resume(*call).encode()),
                Dtls::Sign(call) => Some(self.sign(*call).encode()),
                Dtls::Record(record) => self.deliver(record),
                Dtls::Repeat { session } => self.repeat(session).map(|frame| frame.encode()),
                // What was its owner's has gone with it.
                Dtls::Displaced { .. } => None,
                Dtls::Rested(name) => {
                    self.finding.rests(&name);
                    None
                }
            };
            if let Some(frame) = frame {
                return Some(Output::Frame(frame));
            }
        }
    }

    fn open(&mut self, call: OpenCall) -> FromEdge {
        // What a key or a chain says of its holder is read where it is checked: from the transcript.
        let (claim, identity) = match call.claim {
            Claim::Psk { identity } => (0, identity),
            Claim::Key(Presented::RawPublicKey(_)) => (1, Vec::new()),
            Claim::Key(Presented::Chain(_)) => (2, Vec::new()),
            Claim::Nothing => (0, Vec::new()),
        };
        self.claims.insert(call.call, claim);
        if self.claims.len() > CLAIMS {
            self.claims.pop_first();
        }
        FromEdge::Open(Open {
            trace: self.trace(SessionId::of(&call.transcript)),
            call: call.call.0,
            listener: self.listen.listener.clone(),
            realm: self.listen.realm.clone(),
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

    fn sign(&self, call: SignCall) -> FromEdge {
        FromEdge::Sign(Sign {
            call: call.call.0,
            listener: self.listen.listener.clone(),
            realm: self.listen.realm.clone(),
            scheme: call.scheme as u16,
            message: call.message,
            version: self.presented,
        })
    }

    fn resume(&self, call: SessionCall) -> FromEdge {
        let (trace, step) = match call.step {
            ResumptionStep::Accept { hello, random, sequence } => {
                (SessionId::of(&hello), Step::Accept { hello, random, sequence })
            }
            ResumptionStep::Open { suite, transcript, finished } => {
                (SessionId::of(&transcript), Step::Open { suite, transcript, finished })
            }
        };
        FromEdge::Resume(Resume {
            trace: self.trace(trace),
            call: call.call.0,
            listener: self.listen.listener.clone(),
            realm: self.listen.realm.clone(),
            peer: call.peer,
            handle: call.handle,
            cid: call.cid,
            peer_cid: call.peer_cid,
            step,
        })
    }

    fn deliver(&mut self, record: Record) -> Option<Zeroizing<Vec<u8>>> {
        let (tenant, device) = names(self.endpoint.owner(record.session)?);
        let mut frame = FromEdge::Deliver(Deliver {
            trace: self.trace(record.session),
            session: record.session.0,
            tenant,
            device,
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
            limit: Some(record.longest).filter(|longest| *longest < 1 << 14),
        });
        let bytes = frame.encode();
        if let FromEdge::Deliver(deliver) = &mut frame {
            self.endpoint.reuse(core::mem::take(&mut deliver.payload));
        }
        Some(bytes)
    }

    fn repeat(&self, session: SessionId) -> Option<FromEdge> {
        let (tenant, device) = names(self.endpoint.owner(session)?);
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

fn cluster_keys(keys: front::Keys) -> ClusterKeys {
    let front::Keys { first, cookies, checks } = keys;
    let cookies = CookieKeys { first, keys: cookies.iter().map(|key| key.0).collect() };
    let check = |it: &front::CheckKey| CheckKey { configuration: it.configuration, key: it.key };
    ClusterKeys::handed_out(cookies, checks.iter().map(check).collect())
}

/// Whether two datagrams to one peer may be one.
fn may_share(bytes: &[u8], more: &[u8]) -> bool {
    // Type and version stand before the epoch (RFC 6347 §4.1); a flight begins in epoch 0.
    let of_a_flight = |datagram: &[u8]| datagram.get(3..5) == Some(&[0, 0]);
    let flight = of_a_flight(bytes) || of_a_flight(more);
    bytes.len() + more.len() <= if flight { SHARED_FLIGHT } else { SHARED }
}

const fn not_resumed(why: front::WhyNotResumed) -> NotResumed {
    match why {
        front::WhyNotResumed::FullHandshake => NotResumed::FullHandshake,
        front::WhyNotResumed::Forbidden => NotResumed::Forbidden,
        front::WhyNotResumed::Unavailable => NotResumed::Unavailable,
    }
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
