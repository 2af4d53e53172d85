//! By what a simulated device proves itself, and how it is enrolled with that.

use super::{NAME, Stage};
use crate::cli::exit::Failure;
use crate::public;
use clap::ValueEnum;
use claviger_api::{DeviceDetail, KeyInput, NewDevice, NewPsk, ServerIdentity};
use claviger_curves::{AwsLc, Leaf, SigningKey};
use claviger_device::{DeviceConfig, Keys};
use claviger_dtls::{CertificateType, Presented};
use data_encoding::BASE64;
use reqwest::Method;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The kinds by their names on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Proof {
    /// A pre-shared key
    #[default]
    Psk,
    /// A raw public key (RFC 7250)
    Rpk,
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
        }
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
