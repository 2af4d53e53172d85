//! Bad input: each kind moves its own counters and no other failure's, stands where an operator
//! looks, in words that say what to do, and keeps no other device from its bootstrap.

mod devices;
mod strangers;

use claviger_device::DeviceConfig;
use claviger_dtls::ClientConfig;
use claviger_tests::{Claviger, Place, RawSession, Receiver, SeededCrypto, UdpDevice, psk};
use core::time::Duration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

const KEY: [u8; 16] = [0x42; 16];
const KEY_HEX: &str = "42424242424242424242424242424242";
/// The device that every test plays badly.
const BAD: &str = "urn:dev:bad";
const PATIENCE: Duration = Duration::from_secs(20);

/// Counters of what goes well, or says nothing about whether it does.
const WELL: [&str; 32] = [
    "claviger_udp_datagrams_total",
    "claviger_dtls_handshakes_total{result=\"ok\"}",
    "claviger_dtls_sessions_established_total",
    "claviger_dtls_sessions_restored_total",
    "claviger_dtls_signatures_total{result=\"made\"}",
    "claviger_dtls_resumption_calls_total",
    "claviger_session_finds_total",
    "claviger_listener_signatures_total",
    "claviger_session_resumptions_accepted_total",
    // What was asked about datagrams that count as `no_session`.
    "claviger_dtls_strays_total",
    "claviger_dtls_hello_verify_total",
    "claviger_dtls_cookies_accepted_total",
    "claviger_dtls_open_calls_total",
    "claviger_dtls_records_total",
    "claviger_dtls_retransmissions_total",
    "claviger_dtls_sessions_opened_total",
    "claviger_actor_activations_total",
    "claviger_bootstrap_sessions_started_total",
    // How far bootstraps came; why they came no further is `claviger_bootstrap_failures_total`.
    "claviger_bootstrap_sessions_finished_total",
    "claviger_bootstrap_stage_total",
    "claviger_coap_requests_total",
    "claviger_coap_retransmissions_total",
    "claviger_coap_duplicates_total",
    "claviger_raft_proposals_committed_total",
    "claviger_webhook_attempts_total{result=\"ok\"}",
    "claviger_audit_events_total",
    "claviger_events_total",
    "claviger_ledger_snapshots_total",
    "claviger_http_",
    "http_server_",
    "claviger_traces_",
    "claviger_expired_",
];

/// A Claviger with one device to be played badly, and others that must not notice.
struct Rig {
    claviger: Claviger,
    _receiver: Receiver,
    _folder: TempDir,
    witnesses: usize,
}

impl Rig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let receiver = Receiver::start().await;
        let place = Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path());
        let claviger = Claviger::start(&place).await;
        claviger.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
        claviger.enrol(BAD, KEY_HEX).await;
        Self { claviger, _receiver: receiver, _folder: folder, witnesses: 0 }
    }

    /// Another device goes through its bootstrap.
    async fn witness(&mut self) {
        self.witnesses += 1;
        let name = format!("urn:dev:good-{}", self.witnesses);
        self.claviger.enrol(&name, KEY_HEX).await;
        let mut device = self.device(DeviceConfig::new(&name, psk(KEY))).await;
        let account = tokio::time::timeout(PATIENCE, device.bootstrap()).await;
        account.expect("a good device is served in time").expect("a good device is served");
    }

    async fn device(&self, config: DeviceConfig) -> UdpDevice {
        let crypto = Arc::new(SeededCrypto::new(7));
        UdpDevice::switch_on(self.claviger.coaps, config, crypto).await
    }

    /// A session of the bad device's identity with this key.
    async fn raw(&self, identity: &str, key: [u8; 16]) -> RawSession {
        let config = ClientConfig::new(identity.as_bytes().to_vec(), psk(key));
        RawSession::new(self.claviger.coaps, config, Arc::new(SeededCrypto::new(8))).await
    }

    /// Waits until the server has read so many datagrams.
    async fn received(&self, count: u64) {
        let name = "claviger_udp_datagrams_total{direction=\"received\"} ";
        let begun = Instant::now();
        loop {
            let (_, text) = self.claviger.page("/metrics").await;
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a counter");
            if line.parse::<u64>().expect("a count") >= count {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "it read {line} of {count}");
        }
    }

    /// All counters of failures.
    async fn failures(&self) -> BTreeMap<String, u64> {
        let (_, text) = self.claviger.page("/metrics").await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let counters = lines.filter(|line| line.contains("_total"));
        let failing = counters.filter(|line| !WELL.iter().any(|well| line.starts_with(well)));
        let read = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a count"))
        };
        failing.map(read).collect()
    }

    /// Waits until exactly the counters `expected` moved since `before`, by so much, and stay so
    /// while another device is served.
    async fn moved(&mut self, before: &BTreeMap<String, u64>, expected: &[(&str, u64)]) {
        let expected: BTreeMap<String, u64> =
            expected.iter().map(|(name, more)| ((*name).to_owned(), *more)).collect();
        let begun = Instant::now();
        loop {
            let moved = moves(before, &self.failures().await);
            if moved == expected {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "moved: {moved:#?}\nexpected: {expected:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.witness().await;
        assert_eq!(moves(before, &self.failures().await), expected);
    }

    /// Waits for an entry on the bad device's timeline that says `words`.
    async fn on_the_timeline(&self, words: &str) {
        let begun = Instant::now();
        loop {
            let (_, device) = self.claviger.api("GET", &format!("/devices/{BAD}"), None).await;
            let entries = device["timeline"].as_array().cloned().unwrap_or_default();
            if entries.iter().any(|entry| says(&entry["words"], words)) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "\"{words}\" is not in {entries:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the table of unproven attempts says of `identity`.
    async fn attempt(&self, identity: &str) -> (String, String) {
        let (_, table) = self.claviger.api("GET", "/unproven-attempts", None).await;
        let attempts = table["attempts"].as_array().expect("a table");
        let attempt = attempts.iter().find(|attempt| attempt["identity"] == identity);
        let attempt = attempt.unwrap_or_else(|| panic!("no {identity} in {table:#}"));
        let text = |name: &str| attempt[name].as_str().expect("a text").to_owned();
        (text("reason"), text("advice"))
    }
}

fn says(value: &Value, words: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(words))
}

fn moves(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let more = |(name, value): (&String, &u64)| {
        let more = value - before.get(name).copied().unwrap_or(0);
        (more > 0).then(|| (name.clone(), more))
    };
    after.iter().filter_map(more).collect()
}

/// The counter of datagrams dropped for `reason`.
fn dropped(reason: &str) -> String {
    format!("claviger_udp_datagrams_dropped_total{{reason=\"{reason}\"}}")
}
