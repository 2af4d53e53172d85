//! Secrets stay inside: planted and made keys are looked for everywhere that can be seen.
//!
//! A device is enrolled with a planted key and bootstraps, so that Claviger makes keys; another does
//! by a raw public key, for which a planted key of the listener signs; strangers fail. Then the log at its most talkative, the data folder, the metrics and every answer of the
//! API are searched for each secret, raw, in hexadecimal and in base64.

use claviger_curves::{AwsLc, SigningKey, pem};
use claviger_device::{DeviceConfig, Keys};
use claviger_dtls::{CertificateType, Presented};
use claviger_factory::{Binding, PrivateKey, Purpose};
use claviger_machine::{Crypto, Draw};
use claviger_tests::{Claviger, Place, Receiver, SeededCrypto, UdpDevice, psk, secrets};
use core::time::Duration;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "urn:dev:canary";
/// Everything, also of the libraries that are quiet unless they are named.
const TALKATIVE: &str = "trace,openraft=trace,fjall=trace,lsm_tree=trace";
const PLANTED: [u8; 16] = *b"\xc1planted-key-01\xf0";
/// Planted as the key of the listener.
const LISTENER: &str = include_str!("../../node/curves/tests/pki/ca.key");
const KEYED: &str = "urn:dev:keyed";

/// The private number in a PKCS#8 document of a key on P-256.
fn scalar(pkcs8: &[u8]) -> &[u8] {
    // RFC 5915: an OCTET STRING of 32 bytes behind the version.
    let at = pkcs8.windows(5).position(|it| it == [2, 1, 1, 4, 32]).expect("an ECPrivateKey");
    &pkcs8[at + 5..at + 37]
}

/// Gives the listener its planted key, and lets a device bootstrap by a raw public key.
async fn bootstrap_by_key(claviger: &Claviger, crypto: Arc<dyn Crypto>) {
    let put = json!({ "private_key": LISTENER });
    let (status, body) = claviger.api("PUT", "/server-identity", Some(put)).await;
    assert!((200..300).contains(&status), "{body}");
    let listener = pem::private_key(LISTENER).expect("a private key");
    let listener =
        SigningKey::from_der(&listener).and_then(|key| key.public_key()).expect("on P-256");
    let key =
        SigningKey::generate().and_then(|key| SigningKey::from_pkcs8(&key)).expect("randomness");
    let public_key = BASE64.encode(&key.public_key().expect("it has an encoding"));
    let new = json!({ "endpoint": KEYED, "profile": "profile", "public_key": public_key });
    let (status, body) = claviger.api("POST", "/devices", Some(new)).await;
    assert_eq!(status, 201, "{body}");
    let keys = Keys {
        identity: key.identity(Vec::new()).expect("it is short"),
        signer: Arc::new(key),
        curves: Arc::new(|| Box::new(AwsLc)),
        accepts: vec![CertificateType::RawPublicKey],
        trusts: Arc::new(move |shown| *shown == Presented::RawPublicKey(listener.clone())),
    };
    let config = DeviceConfig::keyed(KEYED, keys);
    let mut device = UdpDevice::switch_on(claviger.coaps, config, crypto).await;
    let account = tokio::time::timeout(Duration::from_secs(30), device.bootstrap()).await;
    account.expect("it finishes").expect("it succeeds");
}

/// The root key, as somebody gets it who has it in escrow; all that is said of keys is seen.
async fn root_key(claviger: &Claviger, seen: &mut Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut draw = Draw(Arc::new(SeededCrypto::new(2)));
    let recipient = PrivateKey::make("", &mut draw);
    let client = reqwest::Client::new();
    let url = format!("{}/api/v1/cluster/keys", claviger.url);
    let escrow = client.post(format!("{url}/escrow"));
    let escrow = escrow.json(&json!({ "recipient": recipient.public() }));
    let mut copy = serde_json::Value::Null;
    for request in [client.get(&url), client.post(format!("{url}/root")), escrow] {
        let answer =
            request.bearer_auth(&claviger.token).send().await.expect("it is as it was asked for");
        assert_eq!(answer.status(), 200);
        copy = answer.json().await.expect("it is as it was asked for");
        seen.push(("keys".to_owned(), copy.to_string().into_bytes()));
    }
    let version = copy["version"].to_string();
    let (cluster, identity) =
        (copy["cluster"].as_str().expect("it is as it was asked for"), version.as_bytes());
    let binding = Binding { purpose: Purpose::RootKey, endpoint: cluster, identity };
    let sealed = copy["key"]
        .as_str()
        .expect("it is as it was asked for")
        .parse()
        .expect("it is as it was asked for");
    recipient.open(binding, &sealed).expect("it is as it was asked for").to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_seen_outside() {
    // Given a bootstrap with a planted key, a wrong key, and a stranger
    let folder = tempfile::tempdir().unwrap();
    let place =
        Place { level: TALKATIVE, ..Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path()) };
    let receiver = Receiver::start().await;
    let claviger = Claviger::start(&place).await;
    claviger.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
    claviger.enrol(NAME, &HEXLOWER.encode(&PLANTED)).await;
    let crypto: Arc<dyn Crypto> = Arc::new(SeededCrypto::new(1));
    for (name, key) in [(NAME, [9; 16]), ("urn:dev:stranger", PLANTED)] {
        let config = DeviceConfig::new(name, psk(key));
        let mut device = UdpDevice::switch_on(claviger.coaps, config, crypto.clone()).await;
        // A wrong key is met by silence: a moment is enough for its trace in the log.
        let fate = tokio::time::timeout(Duration::from_secs(2), device.bootstrap()).await;
        assert!(!matches!(fate, Ok(Ok(_))), "{name} must fail");
    }
    let config = DeviceConfig::new(NAME, psk(PLANTED));
    let mut device = UdpDevice::switch_on(claviger.coaps, config, crypto.clone()).await;
    let account = tokio::time::timeout(Duration::from_secs(30), device.bootstrap()).await;
    let account = account.expect("it finishes").expect("it succeeds");
    let made = receiver.told().into_values().next().unwrap();
    assert_eq!(made.key, *account.key);
    bootstrap_by_key(&claviger, crypto).await;

    // When everything that can be seen is collected
    let mut seen = vec![("metrics".to_owned(), claviger.page("/metrics").await.1.into_bytes())];
    let device = format!("/devices/{NAME}");
    let paths = [
        "/devices".to_owned(),
        device.clone(),
        format!("{device}/audit"),
        "/connectors/server".to_owned(),
        "/profiles/profile".to_owned(),
        "/server-identity".to_owned(),
        "/unproven-attempts".to_owned(),
    ];
    for path in paths {
        let (status, body) = claviger.api("GET", &path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        seen.push((path, body.to_string().into_bytes()));
    }
    // Refusals that might quote what they refuse.
    let key = json!({ "format": "hex", "value": format!("{}zz", HEXLOWER.encode(&PLANTED)) });
    let bad =
        json!({ "endpoint": "x", "profile": "profile", "psk": { "identity": "x", "key": key } });
    let (status, body) = claviger.api("POST", "/devices", Some(bad)).await;
    assert!((400..500).contains(&status), "{status}");
    seen.push(("a refusal".to_owned(), body.to_string().into_bytes()));
    let bad = json!({ "private_key": LISTENER, "chain": LISTENER });
    let (status, body) = claviger.api("PUT", "/server-identity", Some(bad)).await;
    assert!((400..500).contains(&status), "{status}");
    seen.push(("a refusal of a key".to_owned(), body.to_string().into_bytes()));
    let root = root_key(&claviger, &mut seen).await;
    assert!(claviger.stop("-TERM").await.success());
    let kek = place.data.join("kek");
    let kek_bytes = std::fs::read(&kek).unwrap();
    collect(folder.path(), &mut seen);
    // The one file that is meant to have it.
    seen.retain(|(place, _)| *place != kek.display().to_string());

    // Then none of it holds a secret
    let secret = receiver.secret.trim_start_matches("whsec_");
    let secret = BASE64.decode(secret.as_bytes()).unwrap();
    let listener = pem::private_key(LISTENER).unwrap();
    let planted = [
        ("planted key", &PLANTED[..]),
        ("made key", &made.key),
        ("webhook secret", &secret),
        ("listener's key", &listener),
        ("listener's number", scalar(&listener)),
        ("KEK", &kek_bytes),
        ("root key", &root),
    ];
    assert!(
        seen.iter().any(|(_, bytes)| secrets::find(bytes, NAME.as_bytes())),
        "nothing was collected"
    );
    let log = seen.iter().find(|(place, _)| place.ends_with("/log")).unwrap();
    assert!(secrets::find(&log.1, b"TRACE"), "the log is not at its most talkative");
    for (place, bytes) in &seen {
        for (name, secret) in planted {
            for form in secrets::forms(secret) {
                assert!(!secrets::find(bytes, &form), "the {name} is in {place}");
            }
        }
    }
}

fn collect(folder: &Path, seen: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            collect(&path, seen);
        } else {
            seen.push((path.display().to_string(), std::fs::read(&path).expect("it can be read")));
        }
    }
}
