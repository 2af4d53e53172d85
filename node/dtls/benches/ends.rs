//! Two ends of a handshake with keys that sign, of which the server's calls are timed.

use claviger_curves::{AwsLc, SigningKey};
use claviger_dtls::{
    CertificateType, Client, ClientConfig, ClientOutput, ClusterKeys, Curves, Endpoint,
    EndpointConfig, Group, Output, PublicIdentity, SignatureScheme, schedule,
};
use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const START: Duration = Duration::from_secs(1_800_000_000);
pub(crate) const FROM: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5684);

pub(crate) fn key() -> (SigningKey, PublicIdentity) {
    let key = SigningKey::from_pkcs8(&SigningKey::generate().expect("randomness")).expect("a key");
    let identity = key.identity(Vec::new()).expect("a public key");
    (key, identity)
}

/// What time it is.
pub(crate) type Clock<'a> = &'a dyn Fn() -> Duration;

pub(crate) struct Ends {
    endpoint: Endpoint,
    client: Client,
    server_key: SigningKey,
    client_key: SigningKey,
    /// What the server's calls took.
    spent: Duration,
}

impl Ends {
    pub(crate) fn new(suite: u16) -> Self {
        let ((server_key, server), (client_key, client)) = (key(), key());
        let config = EndpointConfig { identity: Some(server), ..EndpointConfig::default() };
        let rng = Box::new(ChaCha8Rng::seed_from_u64(1));
        let keys = ClusterKeys::new([1; 32], [2; 32]);
        let endpoint = Endpoint::new(config, keys, rng).with_curves(Box::new(AwsLc));
        let config = ClientConfig {
            suites: vec![suite],
            public_identity: Some(client),
            accepts: vec![CertificateType::RawPublicKey],
            ..ClientConfig::new(Vec::new(), Zeroizing::new(Vec::new()))
        };
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        let client = Client::with_curves(START, config, Box::new(AwsLc), rng);
        Self { endpoint, client, server_key, client_key, spent: Duration::ZERO }
    }

    /// Runs the handshake to its end.
    pub(crate) fn run(mut self, clock: Clock<'_>) -> Duration {
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => {
                    let start = clock();
                    self.endpoint.receive(START, FROM, &bytes);
                    let answers = self.answer();
                    self.spent += clock().saturating_sub(start);
                    answers.iter().for_each(|bytes| self.client.receive(START, bytes));
                }
                ClientOutput::Verify(_) => self.client.verified(START, true),
                ClientOutput::Sign { message, .. } => {
                    self.client.signed(START, self.client_key.sign(&message));
                }
                _ => {}
            }
        }
        assert_eq!(self.endpoint.sessions(), 1);
        self.spent
    }

    fn answer(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Datagram { bytes, .. } => datagrams.push(bytes),
                Output::Sign(call) => {
                    let signature = self.server_key.sign(&call.message);
                    self.endpoint.signed(START, call.call, signature);
                }
                Output::Open(call) => {
                    let opened =
                        schedule::open_shared(START, &call.evidence()).expect("it is real");
                    assert!(self.endpoint.opened(START, call.call, opened));
                }
                _ => {}
            }
        }
        datagrams
    }
}

/// The four curve operations of the server in a mutual handshake, bare.
pub(crate) fn bare_curves() -> impl FnMut() {
    let (key, identity) = key();
    let signer = identity.present(CertificateType::RawPublicKey);
    let scheme = SignatureScheme::EcdsaSha256;
    let signature = key.sign(b"message").expect("randomness");
    let peer = AwsLc.ephemeral(Group::Secp256r1).expect("P-256");
    move || {
        let own = AwsLc.ephemeral(Group::Secp256r1).expect("P-256");
        black_box(key.sign(b"message"));
        assert!(AwsLc.verify(&signer, scheme, b"message", &signature));
        black_box(own.agree(peer.public()));
    }
}
