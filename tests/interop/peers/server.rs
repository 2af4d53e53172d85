//! Our side as a server: a listener on a socket, and the ledger that answers its edge.
//!
//! It answers what it hears with the same words in capitals. What is stored stays when the edge
//! goes: the next one has that, a new generation of numbers, and nothing else of the old one.

use crate::coap;
use crate::pki::Pki;
use claviger_curves::{Anchors, AwsLc, SigningKey};
use claviger_dtls::resume::{self, Resumable};
use claviger_dtls::{
    Claim, ClusterKeys, Content, ContentType, Counters, Endpoint, EndpointConfig, HandshakeEvent,
    NotResumed, OpenCall, Opened, Output, Presented, PublicIdentity, Record, Refusal, SessionCall,
    SessionId, StoredSession, schedule,
};
use claviger_machine::Draw;
use claviger_tests::SeededCrypto;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The pre-shared key, which some peers take as text only, and its identity.
pub(crate) const KEY: &[u8; 16] = b"interop-test-key";
pub(crate) const HEX: &str = "696e7465726f702d746573742d6b6579";
pub(crate) const NAME: &str = "interop-device";

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// A session that was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) suite: u16,
    pub(crate) claim: Option<Claim>,
    pub(crate) cid: bool,
    pub(crate) resumed: bool,
    /// Whether the client was given a ticket.
    pub(crate) ticket: bool,
}

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) openings: Vec<Opening>,
    /// In which session each piece of data came, and from where.
    pub(crate) heard: Vec<(SessionId, SocketAddr)>,
    /// Of the edge that is there now.
    pub(crate) counters: Counters,
}

/// What may happen to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The edge dies, and another goes on with its sessions.
    EdgeDies,
    /// Another edge takes the port, which knows of no session; it can ask for those to resume.
    EdgeIsNew,
    /// No session can be resumed any more.
    Forget,
}

/// A listener under test. It ends with its owner.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: watch::Receiver<Seen>,
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<()>)>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Takes one suite.
    pub(crate) async fn start(pki: &Pki, suite: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let address = socket.local_addr().expect("it is bound");
        let key = SigningKey::from_pkcs8(&pki.key("server")).expect("a key");
        let identity = key.identity(vec![pki.certificate("server")]).expect("a public key");
        let (seen_by, seen) = watch::channel(Seen::default());
        let (orders, taken) = mpsc::unbounded_channel();
        let ca = pki.certificate("ca");
        let listener = Listener {
            socket,
            endpoint: edge(1, suite, &identity),
            identity,
            suite,
            key,
            anchors: Anchors::new([&ca[..]]).expect("a CA"),
            known: pki.public("client"),
            stored: BTreeMap::new(),
            kept: BTreeMap::new(),
            next: BTreeMap::new(),
            claims: BTreeMap::new(),
            serial: 1,
            seen: seen_by,
            orders: taken,
        };
        Self { address, seen, orders, task: tokio::spawn(listener.run()) }
    }

    /// What has happened so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Lets something happen.
    pub(crate) async fn order(&self, order: Order) {
        let (done, when_done) = oneshot::channel();
        self.orders.send((order, done)).expect("it runs");
        when_done.await.expect("it runs");
    }
}

fn edge(serial: u64, suite: u16, identity: &PublicIdentity) -> Endpoint {
    let config = EndpointConfig {
        identity: Some(identity.clone()),
        suites: vec![suite],
        resumption: true,
        ..EndpointConfig::default()
    };
    let draw = Draw(Arc::new(SeededCrypto::new(serial)));
    let keys = ClusterKeys::new([1; 32], [2; 32]);
    Endpoint::new(config, keys, Box::new(draw)).with_curves(Box::new(AwsLc))
}

struct Listener {
    socket: UdpSocket,
    endpoint: Endpoint,
    identity: PublicIdentity,
    suite: u16,
    key: SigningKey,
    anchors: Anchors,
    /// The only raw public key that is known.
    known: Vec<u8>,
    /// What the ledger keeps of each session.
    stored: BTreeMap<SessionId, Vec<u8>>,
    /// What it keeps of sessions that can be resumed, by handle.
    kept: BTreeMap<[u8; 16], Vec<u8>>,
    /// The number of each session's next record.
    next: BTreeMap<SessionId, u64>,
    claims: BTreeMap<SessionId, Claim>,
    /// Of the edge.
    serial: u64,
    seen: watch::Sender<Seen>,
    orders: mpsc::UnboundedReceiver<(Order, oneshot::Sender<()>)>,
}

impl Listener {
    async fn run(mut self) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            while let Some(output) = self.endpoint.poll() {
                self.perform(output).await;
            }
            let wait = self.endpoint.next_timeout().map_or(Duration::from_secs(1), |at| {
                at.saturating_sub(now()).max(Duration::from_millis(1))
            });
            tokio::select! {
                got = self.socket.recv_from(&mut buffer) => {
                    // A peer that has ended answers with ICMP.
                    if let Ok((length, from)) = got {
                        self.endpoint.receive(now(), from, &buffer[..length]);
                    }
                }
                Some((order, done)) = self.orders.recv() => {
                    self.obey(order);
                    // Who gave it may be gone.
                    let _ = done.send(());
                }
                () = tokio::time::sleep(wait) => self.endpoint.handle_timeout(now()),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        if order == Order::Forget {
            return self.kept.clear();
        }
        self.serial += 1;
        self.endpoint = edge(self.serial, self.suite, &self.identity);
        if order == Order::EdgeDies {
            for (session, bytes) in &self.stored {
                let stored = StoredSession::decode(bytes).expect("it was stored");
                assert!(self.endpoint.restore(now(), &stored));
                self.next.insert(*session, self.serial << 24);
            }
        }
        self.seen.send_modify(|seen| seen.counters = self.endpoint.counters().clone());
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Datagram { to, bytes } => {
                // The client may be gone.
                let _ = self.socket.send_to(&bytes, to).await;
            }
            Output::Sign(call) => {
                self.endpoint.signed(now(), call.call, self.key.sign(&call.message));
            }
            Output::Open(call) => self.open(&call),
            Output::NeedSession(call) => self.resume(&call),
            Output::Record(record) if record.content == ContentType::ApplicationData => {
                self.answer(&record);
            }
            Output::Repeat { session } => self.seal(session, None, Content::Finished),
            Output::Event(HandshakeEvent::Established { session, suite, cid, resumed, .. }) => {
                let claim = self.claims.remove(&session);
                let stored =
                    self.stored.get(&session).and_then(|bytes| StoredSession::decode(bytes));
                let ticket = stored.and_then(|stored| stored.flight?.ticket).is_some();
                let opening = Opening { suite, claim, cid, resumed, ticket };
                self.seen.send_modify(|seen| seen.openings.push(opening));
            }
            Output::Record(_) | Output::Displaced { .. } | Output::Rested(_) | Output::Event(_) => {
            }
        }
    }

    /// In capitals, and where it came from if that is where the client is now.
    fn answer(&mut self, record: &Record) {
        let counters = self.endpoint.counters().clone();
        self.seen.send_modify(|seen| {
            seen.heard.push((record.session, record.from));
            seen.counters = counters;
        });
        let answer =
            coap::answer(&record.payload).unwrap_or_else(|| record.payload.to_ascii_uppercase());
        let to = record.newest.then_some(record.from);
        self.seal(record.session, to, Content::Application(&answer));
    }

    fn seal(&mut self, session: SessionId, to: Option<SocketAddr>, content: Content<'_>) {
        let next = self.next.entry(session).or_insert(1 << 24);
        self.endpoint.seal(session, *next, to, content).expect("the number is new");
        *next += 1;
    }

    fn open(&mut self, call: &OpenCall) {
        let evidence = call.evidence();
        let opened = match &call.claim {
            Claim::Psk { identity } if identity == NAME.as_bytes() => {
                schedule::open_resumable(KEY, now(), &evidence)
            }
            Claim::Key(Presented::RawPublicKey(key)) if *key != self.known => {
                return self.endpoint.refused(now(), call.call, Refusal::UnknownIdentity);
            }
            Claim::Key(Presented::Chain(chain))
                if self.anchors.verify_client(chain, now()).is_err() =>
            {
                return self.endpoint.refused(now(), call.call, Refusal::Untrusted);
            }
            Claim::Key(_) | Claim::Nothing => {
                schedule::open_shared(now(), &evidence).map(|opened| (opened, None))
            }
            Claim::Psk { .. } => {
                return self.endpoint.refused(now(), call.call, Refusal::UnknownIdentity);
            }
        };
        let Ok((opened, resumable)) = opened else {
            return self.endpoint.refused(now(), call.call, Refusal::BadFinished);
        };
        if let Some(resumable) = resumable {
            self.kept.insert(resumable.handle, resumable.encode().to_vec());
        }
        self.claims.insert(opened.session, call.claim.clone());
        let stored = StoredSession::at_open(&evidence, &opened, call.peer, now());
        self.store(&opened, stored);
        assert!(self.endpoint.opened(now(), call.call, opened));
    }

    fn store(&mut self, opened: &Opened, stored: Option<StoredSession>) {
        let bytes = stored.expect("it parses").encode().expect("short ids");
        self.stored.insert(opened.session, bytes.to_vec());
    }

    fn resume(&mut self, call: &SessionCall) {
        let kept = self.kept.get(&call.handle).and_then(|bytes| Resumable::decode(bytes));
        let full = NotResumed::FullHandshake;
        let Some(kept) = kept else {
            return self.endpoint.not_resumed(now(), call.call, full);
        };
        if let Some(offer) = call.offer() {
            match resume::accept(&kept, now(), &offer) {
                Ok((accepted, _)) => self.endpoint.resumed(now(), call.call, &accepted),
                Err(_) => self.endpoint.not_resumed(now(), call.call, full),
            }
        } else if let Some(evidence) = call.evidence() {
            match resume::open(&kept, now(), &evidence) {
                Ok(opened) => assert!(self.endpoint.opened(now(), call.call, opened)),
                Err(_) => self.endpoint.refused(now(), call.call, Refusal::BadFinished),
            }
        }
    }
}
