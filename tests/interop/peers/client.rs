//! Our side as a client, on a socket.

use crate::mode::{By, Keys, Mode};
use crate::pki::Pki;
use crate::server::{KEY, NAME, now};
use claviger_curves::{Anchors, AwsLc, SigningKey};
use claviger_dtls::{CertificateType, Client, ClientConfig, ClientOutput, Presented, Resumption};
use claviger_machine::Draw;
use claviger_tests::SeededCrypto;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use tokio::net::UdpSocket;
use zeroize::Zeroizing;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One association with a peer.
pub(crate) struct Device {
    socket: UdpSocket,
    server: SocketAddr,
    client: Client,
    key: SigningKey,
    anchors: Anchors,
    /// The server's raw public key.
    known: Vec<u8>,
}

/// What a handshake came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) suite: u16,
    pub(crate) cid: bool,
    pub(crate) resumed: bool,
}

async fn socket(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    socket.connect(server).await.expect("loopback");
    socket
}

impl Device {
    /// Begins a handshake as the mode has it.
    pub(crate) async fn start(
        pki: &Pki,
        server: SocketAddr,
        mode: &Mode,
        resumption: Option<Resumption>,
    ) -> Self {
        let form = match mode.keys {
            Keys::Rpk => CertificateType::RawPublicKey,
            Keys::Psk | Keys::X509 => CertificateType::X509,
        };
        let key = SigningKey::from_pkcs8(&pki.key("client")).expect("a key");
        let identity = key.identity(vec![pki.certificate("client")]).expect("a public key");
        let seed = 1 + u64::from(resumption.is_some());
        let config = ClientConfig {
            cid: mode.id_of_the_client().map(|length| vec![0xC1; length.into()]),
            suites: vec![mode.suite],
            public_identity: Some(identity.only(form)),
            accepts: vec![form],
            server_name: Some("server.test".to_owned()),
            tickets: mode.resumption() == Some(By::Ticket),
            resumption,
            ..ClientConfig::new(NAME.into(), Zeroizing::new(KEY.to_vec()))
        };
        let mut draw = Draw(Arc::new(SeededCrypto::new(seed)));
        let ca = pki.certificate("ca");
        Self {
            socket: socket(server).await,
            server,
            client: Client::with_curves(now(), config, Box::new(AwsLc), &mut draw),
            key,
            anchors: Anchors::new([&ca[..]]).expect("a CA"),
            known: pki.public("server"),
        }
    }

    /// Runs the handshake to its end.
    pub(crate) async fn open(&mut self) -> Agreed {
        match self.step().await {
            ClientOutput::Established { suite, cid, resumed } => {
                Agreed { suite, cid: cid.is_some_and(|cid| !cid.is_empty()), resumed }
            }
            other => panic!("{other:?} instead of a session"),
        }
    }

    /// What the session can be resumed by.
    pub(crate) fn resumption(&self) -> Resumption {
        self.client.resumption().expect("the server gave a session id or a ticket")
    }

    /// Goes on from another port.
    pub(crate) async fn rebind(&mut self) {
        self.socket = socket(self.server).await;
    }

    pub(crate) async fn send(&mut self, payload: &[u8]) {
        self.client.send(payload).expect("it is open");
        self.flush().await;
    }

    /// Ends the session in good order.
    pub(crate) async fn close(mut self) {
        self.client.close();
        self.flush().await;
    }

    async fn flush(&mut self) {
        while let Some(ClientOutput::Datagram(bytes)) = self.client.poll() {
            self.socket.send(&bytes).await.expect("loopback takes it");
        }
    }

    /// The next application data.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        match tokio::time::timeout(PATIENCE, self.step()).await {
            Ok(ClientOutput::Data(payload)) => payload,
            other => panic!("no data: {other:?}"),
        }
    }

    /// The next output that is for the test.
    async fn step(&mut self) -> ClientOutput {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.client.poll() {
                Some(ClientOutput::Datagram(bytes)) => {
                    // The peer may not listen yet; the timer repeats.
                    let _ = self.socket.send(&bytes).await;
                    continue;
                }
                Some(ClientOutput::Sign { message, .. }) => {
                    self.client.signed(now(), self.key.sign(&message));
                    continue;
                }
                Some(ClientOutput::Verify(presented)) => {
                    let trusted = self.trusts(&presented);
                    self.client.verified(now(), trusted);
                    continue;
                }
                Some(other) => return other,
                None => {}
            }
            let wait = self.client.next_timeout().map_or(Duration::from_secs(60), |at| {
                at.saturating_sub(now()).max(Duration::from_millis(1))
            });
            match tokio::time::timeout(wait, self.socket.recv(&mut buffer)).await {
                Ok(Ok(length)) => self.client.receive(now(), &buffer[..length]),
                // Nobody listens yet: wait for the timer.
                Ok(Err(_)) => tokio::task::yield_now().await,
                Err(_) => self.client.handle_timeout(now()),
            }
        }
    }

    fn trusts(&self, presented: &Presented) -> bool {
        match presented {
            Presented::RawPublicKey(key) => *key == self.known,
            Presented::Chain(chain) => {
                self.anchors.verify_server(chain, "server.test", now()).is_ok()
            }
        }
    }
}
