//! `claviger import leshan`, from a file that Leshan's own store has written.

use super::{KEY, Rig, java};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// A name beyond ASCII, as the Java program has it.
const ODD: &str = "urn:dev:ä-\u{1F511}";

/// The two files of a demo with this many devices that have pre-shared keys. The accounts are those
/// of the rig's profile.
async fn files(rig: &Rig, folder: &Path, devices: usize) -> (PathBuf, PathBuf) {
    let (security, store) = (folder.join("bssecurity.data"), folder.join("bootstrapStore.json"));
    let written = java("SecurityFile")
        .arg("--file")
        .arg(&security)
        .args(["--psk", &devices.to_string()])
        .env("CLAVIGER_INTEROP_KEY", KEY)
        .output()
        .await
        .expect("java runs: tests/setup installs it");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let (_, profiles) = rig.claviger.api("GET", "/profiles", None).await;
    let profile = &profiles["profiles"][0];
    let names = (0..devices).map(|number| format!("urn:dev:import-{number}"));
    let accounts: serde_json::Map<_, _> = names
        .chain([ODD.to_owned()])
        .map(|name| (name, account(&profile["server_uri"], &profile["short_server_id"])))
        .collect();
    std::fs::write(&store, Value::Object(accounts).to_string()).expect("it can be written");
    (security, store)
}

/// As `JSONFileBootstrapStore` of 2.0.0-M18 writes it.
fn account(uri: &Value, short_server_id: &Value) -> Value {
    json!({
        "autoIdForSecurityObject": true,
        "toDelete": ["/0", "/1"],
        "servers": { "0": { "shortId": short_server_id, "lifetime": 300, "binding": "U" } },
        "security": { "1": {
            "uri": uri, "bootstrapServer": false, "securityMode": "PSK",
            "publicKeyOrId": [97, 98], "serverPublicKey": [], "secretKey": [1, -1],
            "serverId": short_server_id,
        } },
        "acls": {}, "oscore": {},
    })
}

async fn import(rig: &Rig, (security, store): &(PathBuf, PathBuf), more: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["import", "leshan", "--server", &rig.claviger.url, "--security"])
        .arg(security)
        .arg("--store")
        .arg(store)
        .args(more)
        .env("CLAVIGER_TOKEN", &rig.claviger.token)
        .output()
        .await
        .expect("it runs");
    for text in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(text).contains(KEY), "a key is printed");
    }
    output
}

/// How often each status stands in the answers.
fn statuses(output: &Output) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let answers = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    answers.map(|answer| (text(&answer["device"]), text(&answer["status"]))).collect()
}

#[tokio::test]
async fn what_leshan_keeps_is_imported_and_a_device_bootstraps_with_its_old_key() {
    let mut rig = Rig::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(&rig, folder.path(), 2).await;

    // A dry run says what would be done, and does nothing.
    let dry = import(&rig, &files, &["--dry-run", "-o", "json"]).await;
    assert_eq!(dry.status.code(), Some(7), "{}", String::from_utf8_lossy(&dry.stderr));
    let expected = |status: &str| {
        let refused = ["urn:dev:oscore", "urn:dev:rpk", "urn:dev:x509"].map(|it| (it, "refused"));
        let taken = ["urn:dev:import-0", "urn:dev:import-1", ODD].map(|it| (it, status));
        let all = refused.into_iter().chain(taken);
        all.map(|(device, status)| (device.to_owned(), status.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&dry), expected("would_enrol"));
    let (_, devices) = rig.claviger.api("GET", "/devices", None).await;
    assert_eq!(devices["items"], json!([]));

    let done = import(&rig, &files, &["-o", "json"]).await;
    assert_eq!((done.status.code(), statuses(&done)), (Some(7), expected("enrolled")));
    let again = import(&rig, &files, &["-o", "json"]).await;
    assert_eq!(statuses(&again), expected("exists"));

    let (code, said) = rig.device("urn:dev:import-1", "identity-1", &[]).await;
    assert_eq!(code, 0, "{said}{}", rig.timeline("urn:dev:import-1").await);
    rig.server_says("registered").await;
}

#[tokio::test]
async fn a_missing_profile_is_named_with_the_command_that_makes_it() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(&rig, folder.path(), 1).await;
    let store = std::fs::read_to_string(&files.1).expect("it is there");
    std::fs::write(&files.1, store.replace("coaps://127.0.0.1", "coaps://old.example")).unwrap();

    let output = import(&rig, &files, &[]).await;

    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.contains("claviger profile put NAME --server-uri coaps://old.example"), "{told}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("urn:dev:import-0: no profile has the server"), "{said}");
}
