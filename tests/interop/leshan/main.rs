//! A device and an LwM2M server on Eclipse Leshan's libraries, against `claviger dev`.
//!
//! The device bootstraps over DTLS, with and without a connection id, then registers at the
//! Leshan server with the key that Claviger made. Devices are imported from a file that Leshan
//! wrote. `tests/setup` builds the Java programs; without them these tests fail.

mod import;
mod signed;

use claviger_tests::{Claviger, Place};
use core::time::Duration;
use serde_json::Value;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const SECRET: &str = "whsec_bGVzaGFuJ3Mgc2VjcmV0IGZvciB0aGUgdGVzdHM=";
const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn java(main: &str) -> Command {
    let mut java = claviger_tests::java("leshan", main);
    java.stdin(Stdio::null());
    java
}

/// Claviger, and Leshan's server as the one that its profile names.
struct Rig {
    claviger: Claviger,
    server: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _folder: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path());
        let claviger = Claviger::start(&place).await;
        let mut child = java("Server")
            .env("CLAVIGER_INTEROP_SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .expect("java runs: tests/setup installs it");
        let mut server = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ready = server
            .next_line()
            .await
            .expect("it is text")
            .expect("the server says that it is ready");
        let port = |name: &str| {
            let word = ready.split(' ').find_map(|word| word.strip_prefix(name));
            word.unwrap_or_else(|| panic!("no {name} in {ready}")).to_owned()
        };
        let (webhook, uri) = (port("http="), port("coaps="));
        let webhook = format!("http://127.0.0.1:{webhook}/");
        claviger.configure(&webhook, SECRET, &format!("coaps://127.0.0.1:{uri}")).await;
        Self { claviger, server, _child: child, _folder: folder }
    }

    /// Runs a device to its end; gives its exit code and what it printed.
    async fn device(&self, endpoint: &str, identity: &str, more: &[&str]) -> (i32, String) {
        let more = [&["--identity", identity], more].concat();
        self.run(endpoint, &more, &[("KEY", KEY.to_owned())]).await
    }

    /// The same, with these secrets in its environment.
    async fn run(
        &self,
        endpoint: &str,
        more: &[&str],
        secrets: &[(&str, String)],
    ) -> (i32, String) {
        let server = format!("coaps://{}", self.claviger.coaps);
        let secrets = secrets.iter().map(|(name, hex)| (format!("CLAVIGER_INTEROP_{name}"), hex));
        let output = java("Device")
            .args(["--server", &server, "--endpoint", endpoint])
            .args(more)
            .envs(secrets)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(90), output).await;
        let output = output.expect("the device ends").expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    /// Reads what the server prints until a line begins with `start`.
    async fn server_says(&mut self, start: &str) -> String {
        let mut seen = String::new();
        let line = async {
            loop {
                let line =
                    self.server.next_line().await.expect("it is text").expect("the server runs");
                if line.starts_with(start) {
                    return line;
                }
                seen += &format!("{line}\n");
            }
        };
        let line = tokio::time::timeout(Duration::from_secs(20), line).await;
        line.unwrap_or_else(|_| panic!("no \"{start}\" but:\n{seen}"))
    }

    async fn states(&self, device: &str) -> Vec<String> {
        let (_, device) = self.claviger.api("GET", &format!("/devices/{device}"), None).await;
        let made = |c: &&Value| c["origin"] == "claviger";
        let credentials = device["credentials"].as_array().expect("a list").iter().filter(made);
        let mut states: Vec<_> =
            credentials.map(|c| c["state"].as_str().expect("a text").to_owned()).collect();
        states.sort();
        states
    }

    async fn timeline(&self, device: &str) -> String {
        self.claviger.api("GET", &format!("/devices/{device}"), None).await.1["timeline"]
            .to_string()
    }
}

async fn bootstraps_and_registers(name: &str, more: &[&str]) {
    let mut rig = Rig::start().await;
    rig.claviger.enrol(name, KEY).await;

    let (code, said) = rig.device(name, name, more).await;

    assert_eq!(code, 0, "{said}{}", rig.timeline(name).await);
    assert!(said.contains("bootstrap succeeded"), "{said}");
    rig.server_says("registered").await;
    let report = rig.server_says("report").await;
    assert!(report.ends_with("204"), "{report}");
    assert_eq!(rig.states(name).await, ["active"]);
}

#[tokio::test]
async fn bootstraps_and_registers_without_a_connection_id() {
    bootstraps_and_registers("urn:dev:leshan-plain", &[]).await;
}

#[tokio::test]
async fn bootstraps_and_registers_with_our_connection_id_only() {
    bootstraps_and_registers("urn:dev:leshan-cid-0", &["--cid", "0"]).await;
}

#[tokio::test]
async fn bootstraps_and_registers_with_connection_ids_both_ways() {
    bootstraps_and_registers("urn:dev:leshan-cid-4", &["--cid", "4"]).await;
}

/// The device asks for a format by `pct`, and reads what it is written in with a decoder that is
/// not ours.
async fn is_written_in(name: &str, number: &str, format: &str) {
    let mut rig = Rig::start().await;
    rig.claviger.enrol(name, KEY).await;

    let (code, said) = rig.device(name, name, &["--cid", "0", "--format", number]).await;

    let timeline = rig.timeline(name).await;
    assert_eq!(code, 0, "{said}{timeline}");
    rig.server_says("registered").await;
    for object in ["/0/1", "/1/0"] {
        assert!(timeline.contains(&format!("Write {object} as {format}")), "{timeline}");
    }
    rig.server_says("report").await;
    assert_eq!(rig.states(name).await, ["active"]);
}

#[tokio::test]
async fn a_device_that_asks_for_tlv_is_written_in_it_and_registers() {
    is_written_in("urn:dev:leshan-tlv", "11542", "TLV").await;
}

#[tokio::test]
async fn a_device_that_asks_for_senml_json_is_written_in_it_and_registers() {
    is_written_in("urn:dev:leshan-json", "110", "SenML JSON").await;
}

#[tokio::test]
async fn a_device_that_asks_for_senml_cbor_is_written_in_it_and_registers() {
    is_written_in("urn:dev:leshan-cbor", "112", "SenML CBOR").await;
}

#[tokio::test]
async fn a_second_bootstrap_brings_a_new_key_and_the_old_one_ends_with_its_use() {
    let mut rig = Rig::start().await;
    let name = "urn:dev:leshan-twice";
    rig.claviger.enrol(name, KEY).await;

    let (code, said) = rig.device(name, name, &["--cid", "0", "--bootstraps", "2"]).await;

    assert_eq!(code, 0, "{said}{}", rig.timeline(name).await);
    for _ in 0..2 {
        rig.server_says("report").await;
    }
    assert_eq!(rig.states(name).await, ["active", "superseded"]);
    let timeline = rig.timeline(name).await;
    assert!(timeline.contains("Delete /0") && timeline.contains("Delete /1"), "{timeline}");
}

#[tokio::test]
async fn refuses_an_endpoint_that_is_not_the_identitys() {
    let rig = Rig::start().await;
    rig.claviger.enrol("urn:dev:leshan-a", KEY).await;
    rig.claviger.enrol("urn:dev:leshan-b", KEY).await;

    let (code, said) = rig.device("urn:dev:leshan-b", "urn:dev:leshan-a", &[]).await;

    assert_eq!(code, 1, "{said}");
    assert!(said.contains("bootstrap refused 4.00"), "{said}");
    let timeline = rig.timeline("urn:dev:leshan-a").await;
    assert!(timeline.contains("device.refused"), "{timeline}");
}

#[tokio::test]
async fn an_unknown_identity_is_told_at_once() {
    let rig = Rig::start().await;

    let (code, said) = rig.device("urn:dev:nobody", "urn:dev:nobody", &[]).await;

    assert_eq!(code, 1, "{said}");
    assert!(said.contains("UNKNOWN_PSK_IDENTITY"), "{said}");
    let (_, attempts) = rig.claviger.api("GET", "/unproven-attempts", None).await;
    assert!(attempts.to_string().contains("urn:dev:nobody"), "{attempts}");
}
