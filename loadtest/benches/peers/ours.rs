//! Two ends of ours, called one after the other.

use crate::{Credential, KEY, TEXT};
use claviger_curves::{Authority, AwsLc, SigningKey};
use claviger_dtls::{
    CertificateType, Client, ClientConfig, ClientOutput, ClusterKeys, Content, Endpoint,
    EndpointConfig, Output, PublicIdentity, SessionId, schedule,
};
use core::net::SocketAddr;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const START: Duration = Duration::from_secs(1_800_000_000);
/// TLS_PSK_WITH_AES_128_CCM_8 and TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.
const SUITES: [u16; 2] = [0xC0A8, 0xC0AE];

/// How ends are made.
pub(crate) struct Setup {
    credential: Credential,
    client: (SigningKey, PublicIdentity),
    server: (SigningKey, PublicIdentity),
}

/// Two ends of a session.
pub(crate) struct Pair<'a> {
    setup: &'a Setup,
    client: Client,
    server: Endpoint,
    session: Option<SessionId>,
    sequence: u64,
}

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().expect("randomness")).expect("a key")
}

fn address() -> SocketAddr {
    ([127, 0, 0, 1], 5684).into()
}

impl Setup {
    pub(crate) fn new(credential: Credential) -> Self {
        let authority = Authority::new("bench", key(), START, START + Duration::from_secs(86_400));
        let authority = authority.expect("a name and times");
        let certified = |name| {
            let key = key();
            let spki = key.public_key().expect("it is on P-256");
            let leaf = authority.issue(name, &spki).expect("a name");
            let identity = key.identity(vec![leaf]).expect("short");
            (key, identity.only(CertificateType::X509))
        };
        Self { credential, client: certified("client"), server: certified("server") }
    }

    pub(crate) fn connect(&self) -> Pair<'_> {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let config = EndpointConfig { identity: Some(self.server.1.clone()), ..Default::default() };
        let keys = ClusterKeys::new([1; 32], [2; 32]);
        let server = Endpoint::new(config, keys, Box::new(ChaCha8Rng::seed_from_u64(2)))
            .with_curves(Box::new(AwsLc));
        let psk = ClientConfig::new(b"urn:dev:1".to_vec(), Zeroizing::new(KEY.to_vec()));
        let config = ClientConfig { suites: vec![SUITES[self.credential as usize]], ..psk };
        let client = match self.credential {
            Credential::Psk => Client::new(START, config, rng),
            Credential::Certificate => {
                let public_identity = Some(self.client.1.clone());
                let accepts = vec![CertificateType::X509];
                let config = ClientConfig { public_identity, accepts, ..config };
                Client::with_curves(START, config, Box::new(AwsLc), rng)
            }
        };
        let mut pair = Pair { setup: self, client, server, session: None, sequence: 0 };
        pair.run();
        assert!(pair.session.is_some());
        pair
    }
}

impl Pair<'_> {
    /// Lets both ends speak until neither has anything to say; gives what the client read.
    fn run(&mut self) -> Option<Vec<u8>> {
        let mut read = None;
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => {
                    self.server.receive(START, address(), &bytes);
                    self.answer();
                }
                ClientOutput::Verify(_) => self.client.verified(START, true),
                ClientOutput::Sign { message, .. } => {
                    self.client.signed(START, self.setup.client.0.sign(&message));
                }
                ClientOutput::Data(bytes) => read = Some(bytes),
                _ => {}
            }
        }
        read
    }

    fn answer(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                Output::Datagram { bytes, .. } => {
                    self.client.receive(START, &bytes);
                    self.server.reuse(bytes);
                }
                Output::Sign(call) => {
                    let signature = self.setup.server.0.sign(&call.message);
                    self.server.signed(START, call.call, signature);
                }
                Output::Open(call) => {
                    let opened = match self.setup.credential {
                        Credential::Psk => schedule::open(KEY, START, &call.evidence()),
                        Credential::Certificate => schedule::open_shared(START, &call.evidence()),
                    };
                    let opened = opened.expect("the client is real");
                    self.session = Some(opened.session);
                    assert!(self.server.opened(START, call.call, opened));
                }
                Output::Record(record) => {
                    assert_eq!(record.payload, TEXT);
                    self.sequence += 1;
                    let content = Content::Application(&record.payload);
                    let sealed = self.server.seal(record.session, self.sequence, None, content);
                    sealed.expect("the number is new");
                    self.server.reuse(record.payload);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn there_and_back(&mut self) {
        self.client.send(&TEXT).expect("open");
        assert_eq!(self.run().as_deref(), Some(&TEXT[..]));
    }
}
