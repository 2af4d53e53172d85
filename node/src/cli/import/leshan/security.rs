//! Who the devices are, and by what they prove it.

use super::java::{self, Malformed, Object, Value};
use claviger_api::Secret;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use zeroize::Zeroizing;

/// A device as Leshan's security store has it.
pub(super) struct Device {
    pub(super) endpoint: String,
    pub(super) proof: Proof,
}

/// What a device proves itself by.
pub(super) enum Proof {
    Psk {
        identity: String,
        key: Zeroizing<Vec<u8>>,
    },
    /// A SubjectPublicKeyInfo in DER; none if it cannot be read.
    RawPublicKey(Option<Vec<u8>>),
    Certificate,
    Oscore,
    Nothing,
}

/// The devices in the file `bssecurity.data`, in the order of their endpoint names.
///
/// # Errors
/// Words that quote nothing of it.
pub(super) fn of_file(bytes: &[u8]) -> Result<Vec<Device>, String> {
    let stream = java::read(bytes).map_err(|Malformed(words, at)| {
        format!("{words} (at byte {at}); give a copy of the file that Leshan has written")
    })?;
    let Value::List(list, _) = stream else { return Err(no_store()) };
    let device = |value: &Value| match value {
        Value::Object(object) if is_security_info(&object.class) => of_object(object),
        _ => None,
    };
    let devices: Option<Vec<Device>> = list.iter().map(device).collect();
    devices.map(sorted).ok_or_else(no_store)
}

/// The same from the answer to `GET /api/security/clients`.
///
/// # Errors
/// Words that quote nothing of it.
pub(super) fn of_json(bytes: &[u8]) -> Result<Vec<Device>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(bytes)
        .map_err(|_| "its list of devices cannot be read; is it Leshan 2.0?".to_owned())?;
    Ok(sorted(entries.into_iter().map(of_entry).collect()))
}

fn sorted(mut devices: Vec<Device>) -> Vec<Device> {
    devices.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    devices
}

fn no_store() -> String {
    "it is not a security store of Leshan".to_owned()
}

/// The package has changed from 1.x to 2.0, the class's name has not.
fn is_security_info(class: &str) -> bool {
    class.starts_with("org.eclipse.leshan.") && class.ends_with(".SecurityInfo")
}

fn of_object(object: &Object) -> Option<Device> {
    let field = |name| object.fields.get(name).unwrap_or(&Value::Null);
    let text = |name| match field(name) {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    };
    let key = match field("preSharedKey") {
        Value::Bytes(key) => Some(key.as_ref().clone()),
        _ => None,
    };
    // `identity` in 1.x.
    let proof = match (text("pskIdentity").or_else(|| text("identity")), key) {
        (Some(identity), Some(key)) => Proof::Psk { identity, key },
        _ if matches!(field("rawPublicKey"), Value::Object(_)) => {
            Proof::RawPublicKey(encoded(field("rawPublicKey")))
        }
        _ if matches!(field("useX509Cert"), Value::Bool(true)) => Proof::Certificate,
        _ if matches!(field("oscoreSetting"), Value::Object(_)) => Proof::Oscore,
        _ => Proof::Nothing,
    };
    Some(Device { endpoint: text("endpoint")?, proof })
}

/// The key as Java writes any: by its encoding (`java.security.KeyRep`).
fn encoded(key: &Value) -> Option<Vec<u8>> {
    let Value::Object(key) = key else { return None };
    match key.fields.get("encoded")? {
        Value::Bytes(spki) => Some(spki.to_vec()),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Entry {
    endpoint: String,
    tls: Option<Tls>,
    oscore: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Tls {
    mode: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    identity: Option<String>,
    key: Option<Secret>,
}

fn of_entry(entry: Entry) -> Device {
    let Entry { endpoint, tls, oscore } = entry;
    let mode = tls.as_ref().map(|tls| tls.mode.as_str());
    let proof =
        match mode {
            Some("rpk") => Proof::RawPublicKey(tls.and_then(|tls| {
                HEXLOWER_PERMISSIVE.decode(tls.details.key?.expose().as_bytes()).ok()
            })),
            Some("x509") => Proof::Certificate,
            None if oscore.is_some() => Proof::Oscore,
            _ => tls.and_then(|tls| of_details(tls.details)).unwrap_or(Proof::Nothing),
        };
    Device { endpoint, proof }
}

fn of_details(details: Details) -> Option<Proof> {
    let key = HEXLOWER_PERMISSIVE.decode(details.key?.expose().as_bytes()).ok()?;
    Some(Proof::Psk { identity: details.identity?, key: Zeroizing::new(key) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the demo of 2.0.0-M18 answered, with shorter keys.
    const LIST: &str = r#"[
        {"endpoint":"x509","tls":{"mode":"x509"}},
        {"endpoint":"psk","tls":{"mode":"psk","details":{"identity":"made","key":"00Ff"}}},
        {"endpoint":"rpk","tls":{"mode":"rpk","details":{"key":"3059"}}},
        {"endpoint":"osc","oscore":{"rid":"01","sid":"02","msec":"12","msalt":"","aead":10,"hkdf":-10}},
        {"endpoint":"bad","tls":{"mode":"psk","details":{"identity":"made","key":"canary"}}}
    ]"#;

    #[test]
    fn reads_the_list_of_the_rest_in_the_order_of_names() {
        let devices = of_json(LIST.as_bytes()).unwrap();

        let names: Vec<_> = devices.iter().map(|device| device.endpoint.as_str()).collect();
        assert_eq!(names, ["bad", "osc", "psk", "rpk", "x509"]);
        let proofs: Vec<_> = devices.into_iter().map(|device| device.proof).collect();
        let Ok([bad, osc, psk, rpk, x509]) = <[Proof; 5]>::try_from(proofs) else { panic!("five") };
        assert!(matches!((bad, osc), (Proof::Nothing, Proof::Oscore)));
        assert!(matches!(x509, Proof::Certificate));
        assert!(matches!(rpk, Proof::RawPublicKey(Some(spki)) if spki == [0x30, 0x59]));
        let Proof::Psk { identity, key } = psk else { panic!("it is a pre-shared key") };
        assert_eq!((identity.as_str(), key.as_slice()), ("made", &[0, 0xFF][..]));
    }

    #[test]
    fn what_is_no_store_is_told_without_a_quotation() {
        let stream = b"\xAC\xED\0\x05\x74\0\x06canary";
        for words in
            [of_json(b"{\"canary\":1}").err(), of_file(b"canary").err(), of_file(stream).err()]
        {
            assert!(!words.unwrap().contains("canary"));
        }
    }
}
