//! The engine's client on a real socket.

use crate::pki::Pki;
use crate::server::{KEY, NAME, now};
use claviger_curves::{Anchors, AwsLc, SigningKey};
use claviger_dtls::{
    CertificateType, Client, ClientConfig, ClientFailure, ClientOutput, Presented, Suite,
};
use claviger_machine::Draw;
use claviger_tests::SeededCrypto;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use tokio::net::UdpSocket;
use zeroize::Zeroizing;

/// One association with a peer.
pub(crate) struct Device {
    socket: UdpSocket,
    client: Client,
    key: SigningKey,
    anchors: Anchors,
    /// The server's raw public key.
    known: Vec<u8>,
}

impl Device {
    /// Begins a handshake with one suite and keys of this form.
    pub(crate) async fn start(
        pki: &Pki,
        server: SocketAddr,
        suite: u16,
        form: CertificateType,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        socket.connect(server).await.expect("loopback");
        let key = SigningKey::from_pkcs8(&pki.key("client")).expect("a key");
        let identity = key.identity(vec![pki.certificate("client")]).expect("a public key");
        let config = ClientConfig {
            suites: vec![suite],
            public_identity: Some(identity.only(form)),
            accepts: vec![form],
            server_name: Some("server.test".to_owned()),
            ..ClientConfig::new(NAME.into(), Zeroizing::new(KEY.to_vec()))
        };
        let mut draw = Draw(Arc::new(SeededCrypto::new(u64::from(suite))));
        let ca = pki.certificate("ca");
        Self {
            socket,
            client: Client::with_curves(now(), config, Box::new(AwsLc), &mut draw),
            key,
            anchors: Anchors::new([&ca[..]]).expect("a CA"),
            known: pki.public("server"),
        }
    }

    /// Runs the handshake to its end; gives the suite's name.
    pub(crate) async fn open(&mut self) -> Result<&'static str, ClientFailure> {
        match self.step().await {
            ClientOutput::Established { suite, .. } => {
                Ok(Suite::by_id(suite).expect("it is ours").name)
            }
            ClientOutput::Failed(failure) => Err(failure),
            other => panic!("{other:?} before the end of the handshake"),
        }
    }

    pub(crate) async fn send(&mut self, payload: &[u8]) {
        self.client.send(payload).expect("it is open");
        while let Some(ClientOutput::Datagram(bytes)) = self.client.poll() {
            self.socket.send(&bytes).await.expect("loopback takes it");
        }
    }

    /// The next application data.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        match tokio::time::timeout(Duration::from_secs(30), self.step()).await {
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
                    let trusted = match presented {
                        Presented::RawPublicKey(key) => key == self.known,
                        Presented::Chain(chain) => {
                            self.anchors.verify_server(&chain, "server.test", now()).is_ok()
                        }
                    };
                    self.client.verified(now(), trusted);
                    continue;
                }
                Some(other) => return other,
                None => {}
            }
            let patience = self.client.next_timeout().map_or(Duration::from_secs(60), |at| {
                at.saturating_sub(now()).max(Duration::from_millis(1))
            });
            match tokio::time::timeout(patience, self.socket.recv(&mut buffer)).await {
                Ok(Ok(length)) => self.client.receive(now(), &buffer[..length]),
                // Nobody listens yet: wait for the timer.
                Ok(Err(_)) => tokio::task::yield_now().await,
                Err(_) => self.client.handle_timeout(now()),
            }
        }
    }
}
