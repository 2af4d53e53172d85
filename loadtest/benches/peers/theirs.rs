//! Two ends of webrtc-dtls, joined by channels, in a runtime of one thread.

use crate::{Credential, KEY, TEXT};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{ClientAuthType, Config};
use webrtc_dtls::conn::DTLSConn;
use webrtc_dtls::crypto::Certificate;
use webrtc_util::conn::conn_pipe::pipe;

/// How ends are made.
pub(crate) struct Setup {
    runtime: Runtime,
    client: Config,
    server: Config,
}

/// Two ends of a session.
pub(crate) struct Pair {
    client: DTLSConn,
    server: DTLSConn,
}

impl Setup {
    pub(crate) fn new(credential: Credential) -> Self {
        // webrtc-dtls asks rustls for one, also where no certificate is looked at. It may be there.
        let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
        let _ = provider.install_default();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, server) = match credential {
            Credential::Psk => {
                let config = || Config {
                    cipher_suites: vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8],
                    psk: Some(Arc::new(|_| Ok(KEY.to_vec()))),
                    psk_identity_hint: Some(b"urn:dev:1".to_vec()),
                    ..Config::default()
                };
                (config(), config())
            }
            Credential::Certificate => {
                let config = |name: &str| Config {
                    certificates: vec![
                        Certificate::generate_self_signed([name.to_owned()]).expect("a name"),
                    ],
                    cipher_suites: vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Ccm_8],
                    client_auth: ClientAuthType::RequireAnyClientCert,
                    insecure_skip_verify: true,
                    ..Config::default()
                };
                (config("client"), config("server"))
            }
        };
        Self { runtime, client, server }
    }

    pub(crate) fn connect(&self) -> Pair {
        self.runtime.block_on(async {
            let (one, other) = pipe();
            let client = DTLSConn::new(Arc::new(one), self.client.clone(), true, None);
            let server = DTLSConn::new(Arc::new(other), self.server.clone(), false, None);
            let (client, server) = tokio::join!(client, server);
            Pair { client: client.expect("the server is real"), server: server.expect("so is it") }
        })
    }

    pub(crate) fn there_and_back(&self, pair: &Pair, count: u64) {
        let Pair { client, server } = pair;
        let mut bytes = [0; 256];
        self.runtime.block_on(async {
            for _ in 0..count {
                client.write(&TEXT, None).await.expect("open");
                let read = server.read(&mut bytes, None).await.expect("open");
                assert_eq!(bytes[..read], TEXT);
                server.write(&TEXT, None).await.expect("open");
                let read = client.read(&mut bytes, None).await.expect("open");
                assert_eq!(bytes[..read], TEXT);
            }
        });
    }
}
