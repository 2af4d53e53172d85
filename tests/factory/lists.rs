//! The way of a list from a factory to a ledger, and of an export to a vault and to another ledger.

use crate::peer::Peer;
use crate::{keep, run, server};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const SECRET: &str = "000102030405060708090a0b0c0d0e0f";

#[tokio::test]
async fn a_list_from_a_factory_is_enrolled_without_its_keys_being_seen() {
    // Given an import key, a list, and one key more since then
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = server(at).await;
    let made = run(at, Some(&server), "import-key create -o json", "").ok();
    keep(at, "import-key.json", &made);
    let mut list = "endpoint,psk\n".to_owned();
    for device in 0..300 {
        list += &format!("urn:dev:{device},{device:032x}\n");
    }
    list += "urn:dev:short,00\n";
    keep(at, "devices.csv", &list);

    // When the factory encrypts it, and the operator enrols what comes of that
    let said = run(at, None, "factory encrypt --key import-key.json devices.csv", "");
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(said.stderr.contains("line 302: the key must have 16 to 64 bytes"), "{}", said.stderr);
    assert!(said.stderr.contains("Encrypted 300 keys by the key "), "{}", said.stderr);
    assert!(!said.stdout.contains(&format!("{:032x}", 17)));
    let mut encrypted = said.stdout;
    // A value that was moved to another line.
    let stolen = encrypted.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_owned();
    encrypted += &format!("urn:dev:thief,{stolen}\n");
    keep(at, "encrypted.csv", &encrypted);
    run(at, Some(&server), "import-key create", "").ok();
    let enrol = "device enrol --file encrypted.csv --profile meters";
    let said = run(at, Some(&server), enrol, "");

    // Then all are there but the thief's, under the keys that the list had in the clear
    assert_eq!(said.code, Some(7), "{}", said.stdout);
    assert!(said.stdout.contains("Enrolled  300"), "{}", said.stdout);
    assert!(
        said.stdout.contains("line 302: urn:dev:thief: psk.key.value: it does not open"),
        "{}",
        said.stdout
    );
    let clear = run(at, Some(&server), "device enrol --file devices.csv --profile meters", "");
    assert!(clear.stdout.contains("Enrolled before  300"), "{}", clear.stdout);
    let (_, metrics) = server.page("/metrics").await;
    assert!(metrics.contains("claviger_factory_keys_total{result=\"opened\"} 300"));

    // And once the older key is deleted, the list is of no use
    let all = run(at, Some(&server), "import-key list -o json", "").json();
    let older = all["import_keys"][1]["kid"].as_str().unwrap().to_owned();
    let pem = run(at, Some(&server), &format!("import-key show {older} --pem"), "").ok();
    let read = Peer::start().ask(&json!({ "do": "pem", "pem": pem }));
    assert_eq!(read["x"], all["import_keys"][1]["x"]);
    run(at, Some(&server), &format!("import-key delete {older} --yes"), "").ok();
    let said = run(at, Some(&server), enrol, "");
    assert!(said.stdout.contains("is no import key of the tenant"), "{}", said.stdout);
}

#[tokio::test]
async fn an_export_is_read_by_its_recipient_and_enrolled_elsewhere() {
    // Given a ledger with devices, a vault's key, and another ledger with an import key
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let old = server(&at.join("old")).await;
    let new = server(&at.join("new")).await;
    let mut list = "endpoint,psk\n".to_owned();
    for device in 0..250 {
        list += &format!("urn:dev:{device},{SECRET}\n");
    }
    let enrol = "device enrol --file - --format csv --profile meters";
    run(at, Some(&old), enrol, &list).ok();
    let public = run(at, None, "factory keygen --private private.json", "").ok();
    keep(at, "recipient.json", &public);
    let mode = std::fs::metadata(at.join("private.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = run(at, None, "factory keygen --private private.json", "");
    assert_eq!((again.code, &*again.stdout), (Some(4), ""));
    let import_key = run(at, Some(&new), "import-key create -o json", "").ok();
    keep(at, "import-key.json", &import_key);

    // When it is exported without secrets, to the vault, and to the other ledger
    let plain = run(at, Some(&old), "export", "").ok();
    let vault = run(at, Some(&old), "export --secrets-to recipient.json", "").ok();
    let moved = run(at, Some(&old), "export --secrets-to import-key.json", "").ok();

    // Then the first has no keys, and the vault's key opens the second
    assert!(!plain.contains("\"key\"") && !vault.contains(SECRET));
    let decrypt = "factory decrypt --key private.json --format ndjson";
    let clear = run(at, None, decrypt, &vault).ok();
    assert_eq!(clear.matches(SECRET).count(), 250);
    assert_eq!(clear.lines().count(), vault.lines().count());
    let events = run(at, Some(&old), "events -o json", "").ok();
    let exported = |line: &&str| line.contains("\"secrets.exported\"");
    assert_eq!(events.lines().filter(exported).count(), 2, "{events}");

    // And the other ledger enrols the third, which is of no use to anybody else
    keep(at, "moved.ndjson", &moved);
    let said = run(at, Some(&new), "device enrol --file moved.ndjson", "").ok();
    assert!(said.contains("Enrolled  250"), "{said}");
    let clear = run(at, Some(&new), enrol, &list).ok();
    assert!(clear.contains("Enrolled before  250"), "{clear}");
    let said = run(at, None, decrypt, &moved);
    assert_eq!(said.code, Some(7));
    assert!(said.stderr.contains("encrypted to another one"), "{}", said.stderr);

    // And an export that goes on behind a device has the rest
    let devices: Vec<Value> = plain
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["type"] == "device")
        .collect();
    let after = devices[199]["id"].as_str().unwrap();
    let rest = run(at, Some(&old), &format!("export --after {after}"), "").ok();
    let rest: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rest[1..=50], devices[200..]);
    assert_eq!(rest[51], json!({ "type": "end", "devices": 50 }));
}

#[tokio::test]
async fn an_operational_key_is_exported_as_one() {
    use claviger_device::DeviceConfig;
    use claviger_tests::{Receiver, SeededCrypto, UdpDevice, psk};
    use std::sync::Arc;

    // Given a device that was given a key by a bootstrap
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let receiver = Receiver::start().await;
    let server = server(at).await;
    server.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
    server.enrol("urn:dev:1", SECRET).await;
    let key = data_encoding::HEXLOWER.decode(SECRET.as_bytes()).unwrap();
    let config = DeviceConfig::new("urn:dev:1", psk(key.as_slice().try_into().unwrap()));
    let crypto = Arc::new(SeededCrypto::new(1));
    let mut device = UdpDevice::switch_on(server.coaps, config, crypto).await;
    let account = device.bootstrap().await.unwrap();

    // When its keys are exported to another implementation
    let mut peer = Peer::start();
    let recipient = peer.ask(&json!({ "do": "keygen" }));
    keep(at, "recipient.json", &recipient.to_string());
    let said = run(at, Some(&server), "export --secrets-to recipient.json", "").ok();

    // Then each opens as what it is for
    let device: Value = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["type"] == "device")
        .unwrap();
    let made = data_encoding::HEXLOWER.encode(&account.key);
    for (place, purpose, secret) in [(0, "manufacturer", SECRET), (1, "operational", made.as_str())]
    {
        let credential = &device["credentials"][place];
        let opened = peer.ask(&json!({
            "do": "open", "key": recipient, "purpose": purpose, "endpoint": "urn:dev:1",
            "identity": credential["identity"], "value": credential["key"]["value"],
        }));
        assert_eq!(opened, json!({ "secret": secret }), "{purpose}");
    }
}
