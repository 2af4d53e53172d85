//! What devices prove themselves by, against a whole process: raw public keys, certificates, sessions
//! that are resumed, and sessions that go on though the process was killed.

mod lasting;
mod refused;
mod signed;

use claviger_curves::{Authority, AwsLc, Leaf, SigningKey, pem};
use claviger_device::{DeviceConfig, Keys};
use claviger_dtls::{CertificateType, Presented};
use claviger_tests::{Claviger, Place, Receiver, SeededCrypto, UdpDevice};
use core::time::Duration;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// An authority, and a device under it whose common name is [`NAME`].
const AUTHORITY: &str = include_str!("../../node/curves/tests/pki/ca.pem");
const DEVICE: &str = include_str!("../../node/curves/tests/pki/device.pem");
const DEVICE_KEY: &str = include_str!("../../node/curves/tests/pki/device.key");
const NAME: &str = "urn:dev:1";
const KEY: [u8; 16] = [0x42; 16];
const KEY_HEX: &str = "42424242424242424242424242424242";
const PATIENCE: Duration = Duration::from_secs(20);

/// A Claviger that can be killed and started again at the same addresses.
struct Rig {
    claviger: Claviger,
    place: Place,
    _receiver: Receiver,
    _folder: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let receiver = Receiver::start().await;
        let mut place = Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path());
        let claviger = Claviger::start(&place).await;
        (place.coaps, place.http) =
            (claviger.coaps, claviger.url[7..].parse().expect("an address"));
        claviger.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
        Self { claviger, place, _receiver: receiver, _folder: folder }
    }

    /// Kills the process as a power cut does, and starts it again.
    async fn killed(self) -> Self {
        let Self { claviger, place, _receiver, _folder } = self;
        claviger.kill().await;
        let claviger = Claviger::start(&place).await;
        Self { claviger, place, _receiver, _folder }
    }

    /// Enrols [`NAME`] with what it proves itself by.
    async fn enrol(&self, proof: Value) {
        let mut device = json!({ "endpoint": NAME, "profile": "profile" });
        let members = device.as_object_mut().expect("an object");
        members.extend(proof.as_object().expect("an object").clone());
        let (status, body) = self.claviger.api("POST", "/devices", Some(device)).await;
        assert_eq!(status, 201, "{body}");
    }

    /// Trusts the authority, with more said of it.
    async fn trust(&self, more: Value) {
        let mut anchor = json!({ "certificates": AUTHORITY });
        let members = anchor.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        self.put_anchor("factory", anchor).await;
    }

    async fn put_anchor(&self, name: &str, anchor: Value) {
        let path = format!("/trust-anchors/{name}");
        let put = self.claviger.api("PUT", &path, Some(anchor)).await;
        assert!((200..300).contains(&put.0), "{}", put.1);
    }

    /// A device with this key, which knows the server by its public key; it has a chain, or its key
    /// is raw.
    async fn keys(&self, key: SigningKey, chain: Option<&str>) -> Keys {
        let (_, server) = self.claviger.api("GET", "/server-identity", None).await;
        let server = server["public_key"].as_str().expect("a text");
        let server = BASE64.decode(server.as_bytes()).expect("base64");
        let form = match chain {
            Some(_) => CertificateType::X509,
            None => CertificateType::RawPublicKey,
        };
        let chain = chain.map(|text| pem::certificates(text).expect("certificates"));
        Keys {
            identity: key.identity(chain.unwrap_or_default()).expect("it fits").only(form),
            signer: Arc::new(key),
            curves: Arc::new(|| Box::new(AwsLc)),
            accepts: vec![CertificateType::RawPublicKey, CertificateType::X509],
            trusts: Arc::new(move |presented| match presented {
                Presented::RawPublicKey(spki) => *spki == server,
                Presented::Chain(chain) => {
                    let leaf = Leaf::read(&chain[0]).expect("a certificate");
                    leaf.public_key().expect("it has one") == server
                }
            }),
        }
    }

    async fn switch_on(&self, config: DeviceConfig) -> UdpDevice {
        UdpDevice::switch_on(self.place.coaps, config, Arc::new(SeededCrypto::new(7))).await
    }

    /// The value of a metric's series.
    async fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.claviger.page("/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series}")).parse().expect("a count")
    }

    /// Waits until a metric's series has this value.
    async fn reaches(&self, series: &str, value: u64) {
        let begun = Instant::now();
        while self.metric(series).await != value {
            assert!(begun.elapsed() < PATIENCE, "{series} is {}", self.metric(series).await);
        }
    }

    async fn timeline(&self) -> String {
        let (_, device) = self.claviger.api("GET", "/devices/urn:dev:1", None).await;
        device["timeline"].to_string()
    }

    /// The reason and the identity of the only attempt of a stranger.
    async fn attempt(&self) -> (String, String) {
        let (_, seen) = self.claviger.api("GET", "/unproven-attempts", None).await;
        let attempts = seen["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 1, "{seen}");
        assert!(attempts[0]["advice"].as_str().is_some_and(|words| words.len() > 20), "{seen}");
        let text = |name: &str| attempts[0][name].as_str().expect("a text").to_owned();
        (text("reason"), text("identity"))
    }
}

/// A fresh key on P-256.
fn fresh() -> SigningKey {
    let pkcs8 = SigningKey::generate().expect("there is randomness");
    SigningKey::from_pkcs8(&pkcs8).expect("a key")
}

/// The key of the device under the authority.
fn device_key() -> SigningKey {
    SigningKey::from_der(&pem::private_key(DEVICE_KEY).expect("a key")).expect("on P-256")
}

/// The certificate of another authority, in PEM.
fn another_authority() -> String {
    let day = Duration::from_secs(86_400);
    let authority = Authority::new("Another", fresh(), Duration::ZERO, 29_000 * day);
    let authority = authority.expect("an authority");
    pem::encode(pem::CERTIFICATE, authority.certificate()).expect("it is short")
}

/// A public key as the API takes it.
fn public(key: &SigningKey) -> Value {
    json!({ "public_key": BASE64.encode(&key.public_key().expect("it has one")) })
}

async fn bootstrapped(device: &mut UdpDevice) {
    let account = tokio::time::timeout(PATIENCE, device.bootstrap()).await;
    account.expect("it is served in time").expect("it is served");
}
