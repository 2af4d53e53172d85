//! By what a simulated device proves itself, and how it is enrolled with that.

use super::{NAME, Stage};
use crate::cli::exit::Failure;
use crate::public;
use clap::ValueEnum;
use claviger_api::{
    DeviceDetail, EndpointIn, KeyInput, NewCertificate, NewDevice, NewPsk, PutTrustAnchor,
    ServerIdentity, TrustAnchor,
};
use claviger_curves::{Authority, AwsLc, Leaf, SigningKey};
use claviger_device::{DeviceConfig, Keys};
use claviger_dtls::{CertificateType, Presented};
use core::time::Duration;
use data_encoding::BASE64;
use reqwest::Method;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long a certificate of the simulation is valid, and for how long it was already.
const DAY: Duration = Duration::from_secs(86_400);

/// The kinds by their names on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Proof {
    /// A pre-shared key
    #[default]
    Psk,
    /// A raw public key (RFC 7250)
    Rpk,
    /// A certificate; its authority becomes the trust anchor "simulator"
    X509,
}

impl Stage<'_> {
    /// Enrols a device of this name, and gives what it is switched on with.
    pub(super) async fn enrol(&self, name: &str) -> Result<DeviceConfig, Failure> {
        match self.proof {
            Proof::Psk => {
                let psk = Zeroizing::new(self.crypto.random::<16>().to_vec());
                let given = NewPsk { identity: name.to_owned(), key: KeyInput::hex(&psk) };
                let new = NewDevice { psk: Some(given), ..NewDevice::new(name, NAME) };
                self.enrolled(&new, "a fresh key").await?;
                Ok(DeviceConfig::new(name, psk))
            }
            Proof::Rpk => {
                let key = fresh()?;
                let spki = key.public_key().map_err(|_| no_key())?;
                let public_key = Some(BASE64.encode(&spki));
                let new = NewDevice { public_key, ..NewDevice::new(name, NAME) };
                let with = format!("the public key {}", public::fingerprint(&spki));
                self.enrolled(&new, &with).await?;
                Ok(DeviceConfig::keyed(name, self.keys(key, Vec::new()).await?))
            }
            Proof::X509 => {
                let now = self.clock.now();
                let authority = Authority::new(NAME, fresh()?, now.saturating_sub(DAY), now + DAY);
                let authority = authority.map_err(|why| Failure::failed(why.to_string()))?;
                self.trusted(&authority).await?;
                let key = fresh()?;
                let spki = key.public_key().map_err(|_| no_key())?;
                let chain = authority.issue(name, &spki);
                let chain = chain.map_err(|why| Failure::failed(why.to_string()))?;
                let certificate = Some(NewCertificate { trust_anchor: NAME.to_owned() });
                let new = NewDevice { certificate, ..NewDevice::new(name, NAME) };
                self.enrolled(&new, &format!("a certificate under \"{NAME}\"")).await?;
                Ok(DeviceConfig::keyed(name, self.keys(key, vec![chain]).await?))
            }
        }
    }

    /// Has the authority of the simulation trusted.
    async fn trusted(&self, authority: &Authority) -> Result<(), Failure> {
        let certificates = public::chain_pem(&[authority.certificate().to_vec()]);
        let endpoint_in = EndpointIn::CommonName;
        let body = PutTrustAnchor { certificates, endpoint_in, enrol_with_profile: None };
        let path = ["trust-anchors", NAME];
        let _: TrustAnchor = self.client.send_to(Method::PUT, &path, &body).await?;
        self.story.say(&format!("Trust anchor \"{NAME}\" set"))
    }

    async fn enrolled(&self, new: &NewDevice, with: &str) -> Result<(), Failure> {
        let _: DeviceDetail = self.client.send_to(Method::POST, &["devices"], new).await?;
        self.story.say(&format!("Device {} enrolled with {with}", new.endpoint))
    }

    /// The keys of a device, which knows the server by its public key.
    async fn keys(&self, key: SigningKey, chain: Vec<Vec<u8>>) -> Result<Keys, Failure> {
        let server: ServerIdentity = self.client.get(&["server-identity"], &[]).await?;
        let odd = |_| Failure::failed("the API gave no public key of the server");
        let known = public::key(&server.public_key).map_err(odd)?;
        self.story.say(&format!("Claviger has the public key {}", server.fingerprint))?;
        let form = match chain.is_empty() {
            true => CertificateType::RawPublicKey,
            false => CertificateType::X509,
        };
        Ok(Keys {
            identity: key.identity(chain).map_err(|_| no_key())?.only(form),
            signer: Arc::new(key),
            curves: Arc::new(|| Box::new(AwsLc)),
            accepts: vec![CertificateType::RawPublicKey, CertificateType::X509],
            trusts: Arc::new(move |presented| holds(presented, &known)),
        })
    }
}

/// Whether it is this public key that was presented.
fn holds(presented: &Presented, known: &[u8]) -> bool {
    match presented {
        Presented::RawPublicKey(spki) => spki == known,
        Presented::Chain(chain) => {
            let first = chain.first().and_then(|der| Leaf::read(der).ok());
            first.is_some_and(|leaf| leaf.public_key().is_ok_and(|spki| spki == known))
        }
    }
}

fn fresh() -> Result<SigningKey, Failure> {
    let pkcs8 = SigningKey::generate().map_err(|_| no_key())?;
    SigningKey::from_pkcs8(&pkcs8).map_err(|_| no_key())
}

fn no_key() -> Failure {
    Failure::failed("the system gives no randomness for a key")
}
