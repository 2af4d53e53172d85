//! TLS of the HTTP listener: its certificate from files, and connections that wait for nobody.

use crate::secret_file::{self, SecretFileError};
use axum::serve::Listener;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

/// The longest key file.
const LIMIT: usize = 64 * 1024;
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many handshakes may be under way; more connections wait in the system's queue.
const HANDSHAKES: usize = 1024;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate cannot be read.
    #[error("the TLS certificate {path}: {why}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key's file cannot be used.
    #[error("the TLS key: {0}")]
    File(#[from] SecretFileError),
    /// The key cannot be used.
    #[error("the TLS key {path}: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A certificate with its key, which may be read again while connections come.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    provider: CryptoProvider,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Identity {
    /// Reads the chain in `certificate` and the key in `key`, both PEM.
    ///
    /// # Errors
    /// If they cannot be read, or do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = aws_lc_rs::default_provider();
        let current = RwLock::new(Arc::new(certified(certificate, key, &provider)?));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), provider, current })
    }

    /// Reads both files again; what is there is kept if they are wrong.
    ///
    /// # Errors
    /// If they cannot be read, or do not belong together.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(certified(&self.certificate, &self.key, &self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn certified(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let refused = |why: String| TlsError::Certificate { path: certificate.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| refused(error.to_string()))?;
    if chain.is_empty() {
        return Err(refused("there is no certificate in it".to_owned()));
    }
    let refused = |why: String| TlsError::Key { path: key.to_owned(), why };
    let pem = secret_file::read(key, LIMIT)?.ok_or_else(|| refused("it is missing".to_owned()))?;
    // The words of these errors hold nothing of the key.
    let private =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| refused(error.to_string()))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| refused(error.to_string()))
}

/// Connections of a TCP listener after their handshake. A slow one holds no other up.
pub struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    /// TLS 1.2 and 1.3 on `tcp`, as `identity`.
    pub fn new(tcp: TcpListener, identity: Arc<Identity>) -> Self {
        let provider = Arc::new(identity.provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .expect("the provider has suites for these versions");
        let mut config = config.with_no_client_auth().with_cert_resolver(identity);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)), handshakes: JoinSet::new() }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                (stream, from) = Listener::accept(&mut self.tcp),
                    if self.handshakes.len() < HANDSHAKES =>
                {
                    let handshake = tokio::time::timeout(PATIENCE, self.acceptor.accept(stream));
                    self.handshakes.spawn(async move {
                        let done = handshake.await.ok()?;
                        done.inspect_err(|error| tracing::debug!(%from, %error, "no TLS")).ok()
                            .map(|stream| (stream, from))
                    });
                }
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
