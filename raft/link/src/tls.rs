//! TLS 1.3 as nodes speak it: which certificates hold, and who they say somebody is.
//!
//! Nothing is resumed: a session that is resumed would outlive its certificate.

use crate::credential::pin;
use crate::{Credential, Identity};
use claviger_curves::{Anchors, Leaf, NamedIn};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::rustls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The protocol's name and version.
const ALPN: &[u8] = b"claviger/1";

/// What a node calls every node in its hello: who it is, its certificate says.
pub(crate) const NAME: &str = "claviger";

/// Who a certificate says that its holder is; nothing if that is no node. That the certificate is
/// genuine is for others to say.
pub(crate) fn identity(certificate: &[u8]) -> Option<Identity> {
    let uris = Leaf::read(certificate).ok()?.names(NamedIn::Uri).ok()?;
    let [uri] = uris.as_slice() else { return None };
    uri.parse().ok()
}

/// That an authority issued a certificate which holds now; else why not.
pub(crate) fn issued_by(certificate: &[u8], authority: &[u8], now: Duration) -> Result<(), String> {
    leads_to(&[certificate.to_vec()], [authority], now)
}

/// That a chain which begins with a certificate leads to one of these authorities; else why not.
fn leads_to<'a>(
    chain: &[Vec<u8>],
    authorities: impl IntoIterator<Item = &'a [u8]>,
    now: Duration,
) -> Result<(), String> {
    let anchors = Anchors::new(authorities).map_err(|error| error.to_string())?;
    anchors.verify_client(chain, now).map_err(|error| error.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn bad(words: String) -> Error {
    Error::General(words)
}

/// The authorities that a node believes; they can be replaced while connections stand.
#[derive(Debug, Default)]
pub(crate) struct Believed(watch::Sender<Vec<Vec<u8>>>);

impl Believed {
    pub(crate) fn replace(&self, authorities: Vec<Vec<u8>>) {
        self.0.send_if_modified(|known| {
            let changed = *known != authorities;
            *known = authorities;
            changed
        });
    }

    /// Believes this one too.
    pub(crate) fn add(&self, authority: &[u8]) {
        self.0.send_if_modified(|known| {
            let is_new = !known.iter().any(|it| it == authority);
            if is_new {
                known.insert(0, authority.to_vec());
            }
            is_new
        });
    }

    fn now(&self) -> Vec<Vec<u8>> {
        self.0.borrow().clone()
    }

    /// Whether what the peer has shown leads to one of them now, as it did when the connection was
    /// made. One that has shown nothing is not believed because of them.
    pub(crate) fn holds(&self, connection: &quinn::Connection) -> bool {
        let Some(chain) = chain(connection) else { return true };
        let chain: Vec<_> = chain.iter().map(|it| it.to_vec()).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        leads_to(&chain, self.now().iter().map(Vec::as_slice), now).is_ok()
    }

    /// Ends once it does not.
    pub(crate) async fn end(&self, connection: &quinn::Connection) {
        let mut believed = self.0.subscribe();
        while self.holds(connection) && believed.changed().await.is_ok() {}
    }
}

/// The credential that is shown now; it can be replaced while connections stand.
#[derive(Debug)]
pub(crate) struct Showing(RwLock<Arc<CertifiedKey>>);

/// A credential, and what leads from its authority to others.
fn certified(credential: &Credential, bridge: &[Vec<u8>]) -> Result<Arc<CertifiedKey>, Error> {
    let chain = [credential.certificate(), credential.authority()].into_iter();
    let chain = chain.chain(bridge.iter().map(Vec::as_slice));
    let chain = chain.map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::Pkcs8(credential.expose_key().to_vec().into());
    let key = provider().key_provider.load_private_key(key)?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

impl Showing {
    pub(crate) fn new(credential: &Credential) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self(RwLock::new(certified(credential, &[])?))))
    }

    pub(crate) fn replace(&self, credential: &Credential, bridge: &[Vec<u8>]) -> Result<(), Error> {
        let certified = certified(credential, bridge)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    fn now(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Showing {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl ResolvesClientCert for Showing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// How a node knows whom to believe.
#[derive(Debug)]
enum Trust {
    /// It has the authorities' certificates.
    Authorities(Arc<Believed>),
    /// It knows only SHA-256 of the authority's public key, and the cluster.
    Pin([u8; 32]),
}

/// Which certificates hold.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self { trust, algorithms: provider().signature_verification_algorithms })
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let authorities = match &self.trust {
            Trust::Authorities(believed) => believed.now(),
            Trust::Pin(wanted) => {
                let pinned = others.iter().find(|other| pin(other).as_ref() == Some(wanted));
                let pinned = pinned.ok_or_else(|| Error::from(CertificateError::UnknownIssuer))?;
                vec![pinned.to_vec()]
            }
        };
        let now = Duration::from_secs(now.as_secs());
        let chain: Vec<_> =
            core::iter::once(certificate).chain(others).map(|it| it.to_vec()).collect();
        leads_to(&chain, authorities.iter().map(Vec::as_slice), now).map_err(bad)?;
        let none = || bad("the certificate names no node".to_owned());
        identity(certificate).map(drop).ok_or_else(none)
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }
}

fn only_tls13() -> Result<HandshakeSignatureValid, Error> {
    Err(bad("nodes speak TLS 1.3".to_owned()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(certificate, others, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    /// A node that joins has none yet.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(certificate, others, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// How a node accepts connections: from the nodes that its authorities know, and from strangers.
pub(crate) fn server(
    shown: &Arc<Showing>,
    believed: &Arc<Believed>,
) -> Result<QuicServerConfig, Error> {
    let verifier = Verifier::new(Trust::Authorities(believed.clone()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown.clone());
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    QuicServerConfig::try_from(config).map_err(|error| bad(error.to_string()))
}

/// How a node connects to others.
pub(crate) fn client(
    shown: &Arc<Showing>,
    believed: &Arc<Believed>,
) -> Result<QuicClientConfig, Error> {
    let verifier = Verifier::new(Trust::Authorities(believed.clone()));
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    finish(builder.with_client_cert_resolver(shown.clone()))
}

/// How one without a certificate connects to the cluster whose authority has this key.
pub(crate) fn stranger(authority: [u8; 32]) -> Result<QuicClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Verifier::new(Trust::Pin(authority)));
    finish(builder.with_no_client_auth())
}

fn finish(mut config: ClientConfig) -> Result<QuicClientConfig, Error> {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    QuicClientConfig::try_from(config).map_err(|error| bad(error.to_string()))
}

/// What a peer shows of itself.
pub(crate) struct Shown {
    /// Who it is.
    pub(crate) identity: Identity,
    /// SHA-256 of its public key.
    pub(crate) key_hash: [u8; 32],
    /// Until when its certificate holds, since the Unix epoch.
    pub(crate) expires: Duration,
}

/// Who is at the other end of a connection; nobody in particular without a certificate.
pub(crate) fn peer(
    connection: &quinn::Connection,
    cluster: [u8; 16],
) -> Result<Option<Shown>, WrongPeer> {
    let Some(chain) = chain(connection) else { return Ok(None) };
    let certificate = chain.first().ok_or(WrongPeer)?;
    let identity = identity(certificate).filter(|it| it.cluster == cluster).ok_or(WrongPeer)?;
    let key_hash = pin(certificate).ok_or(WrongPeer)?;
    let (_, expires) = Leaf::read(certificate).map_err(|_| WrongPeer)?.validity();
    Ok(Some(Shown { identity, key_hash, expires: Duration::from_secs(expires) }))
}

/// A peer that is of another cluster, or no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongPeer;

fn chain(connection: &quinn::Connection) -> Option<Vec<CertificateDer<'static>>> {
    connection.peer_identity()?.downcast().ok().map(|chain| *chain)
}
