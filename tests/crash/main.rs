//! Power cuts under load: whatever a device or the API's client was told stays true.
//!
//! Devices bootstrap in a loop against `claviger dev`; the process is killed at random moments
//! (`kill -9`) and started again. The oracle is what was told to the outside: a credential that
//! reached a device or the LwM2M server, a report of use that was answered. After each start all
//! of it must be in the ledger, and at the end every device must be able to bootstrap.

use claviger_device::DeviceConfig;
use claviger_machine::Crypto;
use claviger_tests::{Claviger, Place, Receiver, SeededCrypto, UdpDevice, psk};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How many devices are under way at once.
const DEVICES: usize = 12;

/// What the outside was told of one credential: it was delivered, or it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Promise {
    /// The device wrote it down.
    Held,
    /// The API answered the report of its use.
    Used,
}

/// By device and identity: the promise, the key, and when the first promise of it was made.
type Promises = Arc<Mutex<BTreeMap<(String, String), (Promise, Vec<u8>, usize)>>>;

/// How many credentials that were made for a device the ledger keeps; the oldest go.
const KEPT: usize = 16;

fn kills() -> u64 {
    let long = std::env::var_os("CLAVIGER_LONG").is_some();
    if long { 2000 } else { 200 }
}

fn name(number: usize) -> String {
    format!("urn:dev:crash-{number}")
}

fn key(number: usize) -> [u8; 16] {
    [number as u8 + 1; 16]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_survives_every_power_cut() {
    // Given a Claviger with devices
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path());
    let crypto: Arc<dyn Crypto> = Arc::new(SeededCrypto::new(seed()));
    let receiver = Receiver::start().await;
    let mut claviger = Claviger::start(&place).await;
    place.http = claviger.url.trim_start_matches("http://").parse().unwrap();
    place.coaps = claviger.coaps;
    claviger.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
    for number in 0..DEVICES {
        claviger.enrol(&name(number), &hex(&key(number))).await;
    }
    let promises = Promises::default();
    let bootstraps = Arc::new(AtomicU64::new(0));
    let (starts, started) = watch::channel(0_u64);
    let mut fleet = JoinSet::new();
    for number in 0..DEVICES {
        let (receiver, promises, crypto) = (receiver.clone(), promises.clone(), crypto.clone());
        let (started, bootstraps) = (started.clone(), bootstraps.clone());
        let server = place.coaps;
        fleet.spawn(async move {
            live(number, server, started, &receiver, &promises, &bootstraps, crypto).await;
        });
    }

    // When its power is cut again and again
    for round in 1..=kills() {
        let wait = u64::from(u16::from_ne_bytes(crypto.as_ref().random()) % 400);
        tokio::time::sleep(Duration::from_millis(20 + wait)).await;
        claviger.kill().await;
        claviger = Claviger::start(&place).await;
        check(&claviger, &promises).await;
        starts.send(round).unwrap();
    }

    // Then all that was told is there, and half-done bootstraps finish
    fleet.shutdown().await;
    let done = bootstraps.load(Ordering::Relaxed);
    assert!(done > kills(), "only {done} bootstraps: the power was cut before the load began");
    for number in 0..DEVICES {
        let config = DeviceConfig::new(&name(number), psk(key(number)));
        let mut device = UdpDevice::switch_on(place.coaps, config, crypto.clone()).await;
        let account = tokio::time::timeout(Duration::from_secs(30), device.bootstrap()).await;
        let account = account.expect("it finishes").expect("it succeeds");
        promise(&promises, number, &account.identity, Promise::Held, &account.key);
    }
    check(&claviger, &promises).await;
    let held = promises.lock().unwrap().len();
    eprintln!("{} power cuts, {done} bootstraps, {held} credentials told of", kills());
    assert!(claviger.stop("-TERM").await.success());
}

/// A device's life: bootstrap, report use, again; begun anew at each start of the server.
async fn live(
    number: usize,
    server: std::net::SocketAddr,
    mut started: watch::Receiver<u64>,
    receiver: &Receiver,
    promises: &Promises,
    bootstraps: &AtomicU64,
    crypto: Arc<dyn Crypto>,
) {
    let http = reqwest::Client::new();
    loop {
        let config = DeviceConfig::new(&name(number), psk(key(number)));
        let mut device = UdpDevice::switch_on(server, config, crypto.clone()).await;
        let account = tokio::select! {
            account = device.bootstrap() => account,
            // The server was off: a device that waits for it for minutes is no load.
            _ = started.changed() => continue,
        };
        let Ok(account) = account else { continue };
        promise(promises, number, &account.identity, Promise::Held, &account.key);
        bootstraps.fetch_add(1, Ordering::Relaxed);
        let identity = String::from_utf8(account.identity.clone()).expect("ours are text");
        let told = receiver.told();
        let told = told.get(&identity).expect("the LwM2M server is told before the device");
        assert_eq!(told.key, *account.key, "both ends hold the same key");
        if report_use(&http, receiver, told).await {
            promise(promises, number, &account.identity, Promise::Used, &account.key);
        }
    }
}

async fn report_use(
    http: &reqwest::Client,
    receiver: &Receiver,
    told: &claviger_tests::Told,
) -> bool {
    let body = br#"{"used_at":"2026-01-01T00:00:00Z"}"#;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is past 1970");
    let time = now.as_secs().to_string();
    let request = http
        .post(&told.use_url)
        .header("content-type", "application/json")
        .header("webhook-id", &told.credential)
        .header("webhook-timestamp", &time)
        .header("webhook-signature", receiver.sign(&told.credential, &time, body))
        .body(body.to_vec());
    request.send().await.is_ok_and(|response| response.status().is_success())
}

fn promise(promises: &Promises, number: usize, identity: &[u8], what: Promise, key: &[u8]) {
    let identity = String::from_utf8(identity.to_vec()).expect("ours are text");
    let mut promises = promises.lock().expect("nobody panics with it");
    let place = (name(number), identity);
    let order = promises.get(&place).map_or(promises.len(), |(_, _, order)| *order);
    promises.insert(place, (what, key.to_vec(), order));
}

/// Everything that was promised before now is in the ledger.
async fn check(claviger: &Claviger, promises: &Promises) {
    let promises = promises.lock().expect("nobody panics with it").clone();
    for number in 0..DEVICES {
        let path = format!("/devices/{}", name(number));
        let (status, device) = claviger.api("GET", &path, None).await;
        assert_eq!(status, 200, "an enrolled device is gone: {device}");
        let credentials = device["credentials"].as_array().expect("a list");
        let of_device = promises.iter().filter(|((device, _), _)| *device == name(number));
        let made: Vec<&str> = credentials
            .iter()
            .filter(|credential| credential["origin"] == "claviger")
            .filter_map(|credential| credential["identity"].as_str())
            .collect();
        for ((_, identity), (what, _, order)) in of_device {
            let Some(found) = credentials.iter().find(|c| c["identity"] == identity.as_str())
            else {
                // Only the oldest of more than are kept may be gone.
                let place = |made: &&str| promises.get(&(name(number), (*made).to_owned()));
                let newer = made.iter().filter_map(place).all(|(_, _, other)| other > order);
                assert!(made.len() >= KEPT && newer, "{identity} is gone: {device}");
                continue;
            };
            let state = found["state"].as_str().expect("a text");
            match what {
                Promise::Held => assert!(
                    ["staged", "delivered", "active", "superseded"].contains(&state),
                    "{identity} is {state}"
                ),
                Promise::Used => assert!(
                    ["active", "superseded"].contains(&state),
                    "{identity} was reported in use and is {state}"
                ),
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A seed of this run, printed so that its moments can be tried again.
fn seed() -> u64 {
    let given = std::env::var("CLAVIGER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(u64::from(std::process::id()));
    eprintln!("CLAVIGER_SEED={seed}");
    seed
}
