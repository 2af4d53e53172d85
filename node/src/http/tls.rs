//! TLS of the HTTP listener: its certificate from files.

use crate::secret_file::{self, SecretFileError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::{TlsAcceptor, rustls};

/// The longest key file.
const LIMIT: usize = 64 * 1024;

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

    /// TLS 1.2 and 1.3 as this identity.
    pub(super) fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let provider = Arc::new(self.provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .expect("the provider has suites for these versions");
        let mut config = config.with_no_client_auth().with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
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
