//! The engine's server side on a real socket: it answers its own questions, and echoes.

use crate::pki::Pki;
use claviger_curves::{Anchors, AwsLc, SigningKey};
use claviger_dtls::{
    Claim, ClusterKeys, Content, ContentType, Endpoint, EndpointConfig, HandshakeEvent, OpenCall,
    Opened, Output, Presented, Refusal, SessionId, Suite, schedule,
};
use claviger_machine::Draw;
use claviger_tests::SeededCrypto;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The pre-shared key, and its identity.
pub(crate) const KEY: [u8; 16] = [0x0F, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
pub(crate) const NAME: &str = "urn:dev:interop";

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// A listener under test. It ends with its owner.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The suites of the sessions that were opened.
    opened: Arc<Mutex<Vec<(&'static str, Claim)>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Takes these suites; all by default.
    pub(crate) async fn start(pki: &Pki, suites: Option<Vec<u16>>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let address = socket.local_addr().expect("it is bound");
        let key = SigningKey::from_pkcs8(&pki.key("server")).expect("a key");
        let identity = key.identity(vec![pki.certificate("server")]).expect("it has a public key");
        let config = EndpointConfig {
            identity: Some(identity),
            suites: suites.unwrap_or_else(Suite::defaults),
            ..EndpointConfig::default()
        };
        let draw = Draw(Arc::new(SeededCrypto::new(1)));
        let keys = ClusterKeys::new([1; 32], [2; 32]);
        let endpoint = Endpoint::new(config, keys, Box::new(draw)).with_curves(Box::new(AwsLc));
        let opened = Arc::new(Mutex::new(Vec::new()));
        let ca = pki.certificate("ca");
        let listener = Listener {
            socket,
            endpoint,
            key,
            anchors: Anchors::new([&ca[..]]).expect("a CA"),
            known: pki.public("client"),
            next: BTreeMap::new(),
            claims: BTreeMap::new(),
            opened: opened.clone(),
        };
        Self { address, opened, task: tokio::spawn(listener.run()) }
    }

    /// The suite and the claim of the one session that was opened.
    pub(crate) fn session(&self) -> Option<(&'static str, Claim)> {
        let opened = self.opened.lock().expect("nobody panicked");
        assert!(opened.len() < 2);
        opened.first().cloned()
    }
}

struct Listener {
    socket: UdpSocket,
    endpoint: Endpoint,
    key: SigningKey,
    anchors: Anchors,
    /// The only raw public key that is known.
    known: Vec<u8>,
    next: BTreeMap<SessionId, u64>,
    claims: BTreeMap<SessionId, Claim>,
    opened: Arc<Mutex<Vec<(&'static str, Claim)>>>,
}

impl Listener {
    async fn run(mut self) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            while let Some(output) = self.endpoint.poll() {
                self.perform(output).await;
            }
            let patience = self.endpoint.next_timeout().map_or(Duration::from_secs(1), |at| {
                at.saturating_sub(now()).max(Duration::from_millis(1))
            });
            match tokio::time::timeout(patience, self.socket.recv_from(&mut buffer)).await {
                Ok(Ok((length, from))) => self.endpoint.receive(now(), from, &buffer[..length]),
                // A peer that has ended answers with ICMP.
                Ok(Err(_)) => {}
                Err(_) => self.endpoint.handle_timeout(now()),
            }
        }
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Datagram { to, bytes } => {
                let _ = self.socket.send_to(&bytes, to).await;
            }
            Output::Sign(call) => {
                self.endpoint.signed(now(), call.call, self.key.sign(&call.message));
            }
            Output::Open(call) => match self.judge(&call) {
                Ok(opened) => {
                    self.next.insert(opened.session, 1);
                    self.claims.insert(opened.session, call.claim);
                    assert!(self.endpoint.opened(now(), call.call, opened));
                }
                Err(refusal) => self.endpoint.refused(now(), call.call, refusal),
            },
            Output::Record(record) if record.content == ContentType::ApplicationData => {
                self.seal(record.session, Content::Application(&record.payload));
            }
            Output::Repeat { session } => self.seal(session, Content::Finished),
            Output::Event(HandshakeEvent::Established { session, suite, .. }) => {
                let name = Suite::by_id(suite).expect("it is ours").name;
                let claim = self.claims.remove(&session).expect("it was opened");
                self.opened.lock().expect("nobody panicked").push((name, claim));
            }
            // The option for resumption is off.
            Output::Record(_)
            | Output::Displaced { .. }
            | Output::Event(_)
            | Output::NeedSession(_) => {}
        }
    }

    fn judge(&self, call: &OpenCall) -> Result<Opened, Refusal> {
        let evidence = call.evidence();
        let opened = match &call.claim {
            Claim::Psk { identity } if identity == NAME.as_bytes() => {
                schedule::open(&KEY, now(), &evidence)
            }
            Claim::Key(Presented::RawPublicKey(key)) if *key != self.known => {
                return Err(Refusal::UnknownIdentity);
            }
            Claim::Key(Presented::Chain(chain))
                if self.anchors.verify_client(chain, now()).is_err() =>
            {
                return Err(Refusal::Untrusted);
            }
            Claim::Key(_) | Claim::Nothing => schedule::open_shared(now(), &evidence),
            Claim::Psk { .. } => return Err(Refusal::UnknownIdentity),
        };
        opened.map_err(|_| Refusal::BadFinished)
    }

    fn seal(&mut self, session: SessionId, content: Content<'_>) {
        let next = self.next.get_mut(&session).expect("it was opened");
        self.endpoint.seal(session, *next, None, content).expect("the number is new");
        *next += 1;
    }
}
