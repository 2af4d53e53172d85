//! An edge on a socket, and the ledger that answers it: what is stored stays when the edge goes.

use crate::peer::{KEY, NAME};
use claviger_dtls::resume::{self, Resumable};
use claviger_dtls::{
    ClusterKeys, Content, Endpoint, EndpointConfig, NotResumed, OpenCall, Output, Refusal,
    SessionCall, SessionId, StoredSession, schedule,
};
use core::net::SocketAddr;
use core::pin::pin;
use core::time::Duration;
use data_encoding::HEXLOWER_PERMISSIVE;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::time::SystemTime;
use tokio::net::UdpSocket;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    socket: UdpSocket,
    pub(crate) endpoint: Endpoint,
    /// What the ledger keeps of each session.
    stored: BTreeMap<SessionId, Vec<u8>>,
    /// What it keeps of sessions that can be resumed, by handle.
    pub(crate) kept: BTreeMap<[u8; 16], Vec<u8>>,
    /// The number of each session's next record.
    next: BTreeMap<SessionId, u64>,
    heard: Vec<(SessionId, Vec<u8>)>,
    serial: u64,
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970")
}

fn edge(seed: u64) -> Endpoint {
    let rng = Box::new(ChaCha8Rng::seed_from_u64(seed));
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    Endpoint::new(config, ClusterKeys::new([3; 32], [4; 32]), rng)
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.expect("a free port"),
            endpoint: edge(1),
            stored: BTreeMap::new(),
            kept: BTreeMap::new(),
            next: BTreeMap::new(),
            heard: Vec::new(),
            serial: 1,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Serves until `what` is done.
    pub(crate) async fn during<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = pin!(tokio::time::timeout(PATIENCE, what));
        loop {
            tokio::select! {
                biased;
                done = &mut what => return done.expect("it happens in time"),
                () = self.step() => {}
            }
        }
    }

    /// Serves until a client has sent this; the session that it came in.
    pub(crate) async fn hears(&mut self, text: &str) -> SessionId {
        let listen = async {
            loop {
                let said = |(_, data): &&(SessionId, Vec<u8>)| {
                    String::from_utf8_lossy(data).contains(text)
                };
                if let Some((session, _)) = self.heard.iter().find(said) {
                    return *session;
                }
                self.step().await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, listen).await;
        heard.unwrap_or_else(|_| panic!("nobody said \"{text}\""))
    }

    /// Says something in a session.
    pub(crate) async fn say(&mut self, session: SessionId, text: &str) {
        self.seal(session, Content::Application(text.as_bytes()));
        self.send().await;
    }

    /// The edge dies. Another takes its port, and has what the ledger stored and a new generation
    /// of numbers.
    pub(crate) fn edge_dies(&mut self) {
        self.edge_is_new();
        for (session, bytes) in &self.stored {
            let stored = StoredSession::decode(bytes).expect("it was stored");
            assert!(self.endpoint.restore(now(), &stored));
            self.next.insert(*session, self.serial << 24);
        }
    }

    /// Another edge takes the port, which knows of no session.
    pub(crate) fn edge_is_new(&mut self) {
        self.serial += 1;
        self.endpoint = edge(self.serial);
        self.heard.clear();
    }

    async fn step(&mut self) {
        let mut datagram = [0; 2048];
        let wait = self.endpoint.next_timeout().map_or(PATIENCE, |at| at.saturating_sub(now()));
        match tokio::time::timeout(wait, self.socket.recv_from(&mut datagram)).await {
            Ok(Ok((length, from))) => self.endpoint.receive(now(), from, &datagram[..length]),
            // A client that has ended is told of by an ICMP message.
            Ok(Err(_)) => {}
            Err(_) => self.endpoint.handle_timeout(now()),
        }
        self.send().await;
    }

    async fn send(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Datagram { to, bytes } => {
                    // The client may be gone.
                    let _ = self.socket.send_to(&bytes, to).await;
                }
                Output::Open(call) => self.open(&call),
                Output::NeedSession(call) => self.resume(&call),
                Output::Record(record) => self.heard.push((record.session, record.payload)),
                Output::Repeat { session } => self.seal(session, Content::Finished),
                // No listener here has a key that signs.
                Output::Sign(_) | Output::Displaced { .. } | Output::Event(_) => {}
            }
        }
    }

    fn seal(&mut self, session: SessionId, content: Content<'_>) {
        let next = self.next.entry(session).or_insert(1 << 24);
        self.endpoint.seal(session, *next, None, content).expect("the number is new");
        *next += 1;
    }

    fn open(&mut self, call: &OpenCall) {
        let key = HEXLOWER_PERMISSIVE.decode(KEY.as_bytes()).expect("hexadecimal");
        assert_eq!(schedule::identity(&call.transcript), Ok(NAME.as_bytes()));
        match schedule::open_resumable(&key, now(), &call.evidence()) {
            Ok((opened, resumable)) => {
                if let Some(resumable) = resumable {
                    self.kept.insert(resumable.handle, resumable.encode().to_vec());
                }
                let stored = StoredSession::at_open(&call.evidence(), &opened, call.peer, now());
                let bytes = stored.expect("it parses").encode().expect("short ids");
                self.stored.insert(opened.session, bytes.to_vec());
                assert!(self.endpoint.opened(now(), call.call, opened));
            }
            Err(_) => self.endpoint.refused(now(), call.call, Refusal::BadFinished),
        }
    }

    fn resume(&mut self, call: &SessionCall) {
        let kept = self.kept.get(&call.handle).and_then(|bytes| Resumable::decode(bytes));
        let Some(kept) = kept else {
            return self.endpoint.not_resumed(now(), call.call, NotResumed::FullHandshake);
        };
        if let Some(offer) = call.offer() {
            match resume::accept(&kept, now(), &offer) {
                Ok(accepted) => self.endpoint.resumed(now(), call.call, &accepted),
                Err(_) => {
                    self.endpoint.not_resumed(now(), call.call, NotResumed::FullHandshake);
                }
            }
        } else if let Some(evidence) = call.evidence() {
            match resume::open(&kept, now(), &evidence) {
                Ok(opened) => assert!(self.endpoint.opened(now(), call.call, opened)),
                Err(_) => self.endpoint.refused(now(), call.call, Refusal::BadFinished),
            }
        }
    }
}
