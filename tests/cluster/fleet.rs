//! Devices that bootstrap all the time through a balancer, and what they and the LwM2M server were
//! told; one of them keeps its session open. Beside them the load test drives others ([`Load`]), and
//! clients ask the API ([`History`]). At the end nothing that anybody was told is gone, and no record
//! that was carried had the number of another.

use crate::history::{History, Reports};
use crate::load::Load;
use crate::promises::{self, Promise, Promised, Promises};
use claviger_device::{Account, DeviceConfig, Failure};
use claviger_machine::Crypto;
use claviger_tests::{
    Balancer, Capture, Claviger, Cluster, Receiver, SeededCrypto, Told, UdpDevice, psk,
};
use core::net::SocketAddr;
use core::time::Duration;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How many devices are under way at once.
const DEVICES: usize = 4;
/// How many take turns to be each of these, and the time of a turn at least: none begins as often as is
/// put off, 60 times a minute.
const TURNS: usize = 24;
const TURN: Duration = Duration::from_millis(100);
/// The one that keeps its session.
const STAYS: usize = DEVICES;
/// One that is met where the other is not.
const NEIGHBOUR: &str = "urn:dev:neighbour";
/// How long the other is listened for.
const SILENCE: Duration = Duration::from_secs(8);
/// How long a bootstrap may take when something dies meanwhile, on a busy machine: less than devices
/// wait for what comes next, which is 247 s (EXCHANGE_LIFETIME).
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a device waits for a handshake to end before it begins another one.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The devices.
pub(crate) struct Fleet {
    balancer: SocketAddr,
    receiver: Receiver,
    crypto: Arc<dyn Crypto>,
    promises: Promises,
    /// Bootstraps that were done, by place under way.
    done: Arc<[AtomicU64; DEVICES]>,
    failures: Arc<Mutex<Vec<String>>>,
    lives: JoinSet<()>,
    stays: UdpDevice,
    load: Load,
    /// None once the cluster has gone on from a copy: what that lacks was told, and has no order.
    history: Option<History>,
    capture: Arc<Mutex<Capture>>,
}

/// The device that is under way in a place at this turn.
const fn at(place: usize, turn: usize) -> usize {
    // Behind the places are the one that stays and its neighbour.
    place + turn % TURNS * (STAYS + 2)
}

fn name(number: usize) -> String {
    format!("urn:dev:fleet-{number}")
}

fn key(number: usize) -> [u8; 16] {
    [number as u8 + 1; 16]
}

/// A seed of this run, printed so that its moments can be tried again.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("CLAVIGER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(u64::from(std::process::id()));
    eprintln!("CLAVIGER_SEED={seed}");
    seed
}

impl Fleet {
    /// Enrols devices and switches them on.
    pub(crate) async fn start(cluster: &Cluster, balancer: &Balancer, receiver: &Receiver) -> Self {
        let (seed, target) = (seed(), balancer.address);
        let crypto: Arc<dyn Crypto> = Arc::new(SeededCrypto::new(seed));
        let in_turns = (0..DEVICES).flat_map(|place| (1..TURNS).map(move |turn| at(place, turn)));
        for number in (0..=STAYS).chain(in_turns) {
            let hex = data_encoding::HEXLOWER.encode(&key(number));
            cluster.any().enrol(&name(number), &hex).await;
        }
        let config = DeviceConfig::new(&name(STAYS), psk(key(STAYS)));
        let stays = UdpDevice::switch_on(target, config, crypto.clone()).await;
        let promises = Promises::default();
        let patience = (PATIENCE, HANDSHAKE);
        let load = Load::start(cluster.any(), target, patience, promises.clone(), true);
        let history = History::start(cluster, (0..DEVICES).map(name).collect(), seed);
        let mut fleet = Self {
            balancer: target,
            receiver: receiver.clone(),
            crypto,
            promises,
            done: Arc::default(),
            failures: Arc::default(),
            lives: JoinSet::new(),
            stays,
            load,
            history: Some(history),
            capture: balancer.capture(),
        };
        let account = timeout(PATIENCE, fleet.stays.bootstrap()).await.expect("it ends");
        fleet.promises.made(&name(STAYS), &account.expect("it succeeds"), Promise::Held);
        fleet.wake();
        fleet
    }

    /// Switches on all but the one that stays.
    fn wake(&mut self) {
        for place in 0..DEVICES {
            self.lives.spawn(self.life(place));
        }
    }

    /// Switches off all but the one that stays: a balancer of datagrams tears a handshake apart, for
    /// one edge alone holds what has come of it.
    pub(crate) async fn rest(&mut self) {
        self.load.stop().await;
        self.lives.shutdown().await;
    }

    /// The life of the devices in a place: bootstrap, report use, and the next.
    fn life(&self, place: usize) -> impl Future<Output = ()> + use<> {
        let (balancer, receiver, crypto) =
            (self.balancer, self.receiver.clone(), self.crypto.clone());
        let (promises, done, failures) =
            (self.promises.clone(), self.done.clone(), self.failures.clone());
        let reports: Option<Reports> = self.history.as_ref().map(History::reports);
        async move {
            let http = reqwest::Client::new();
            let mut turns = interval(TURN);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for turn in 0.. {
                turns.tick().await;
                let number = at(place, turn);
                let device = name(number);
                let bootstrap = bootstrap(balancer, number, &crypto, &promises);
                let account = match timeout(PATIENCE, bootstrap).await {
                    Ok(Ok(account)) => account,
                    Ok(Err(failure)) => {
                        note(&failures, number, &failure);
                        continue;
                    }
                    Err(_) => {
                        let words = format!("{} got nothing for {PATIENCE:?}", name(number));
                        failures.lock().expect("nobody panics with it").push(words);
                        continue;
                    }
                };
                promises.made(&device, &account, Promise::Held);
                done[place].fetch_add(1, Ordering::Relaxed);
                let identity = String::from_utf8(account.identity.clone()).expect("ours are text");
                let told = receiver.told();
                let told = told.get(&identity).expect("the server is told before the device");
                assert_eq!(told.key, *account.key, "both ends hold the same key");
                let open = reports.as_ref().and_then(|it| Some((it, it.uses(&device, &identity)?)));
                if report_use(&http, &receiver, told).await {
                    promises.made(&device, &account, Promise::Used);
                    if let Some((reports, open)) = open {
                        reports.used(&open);
                    }
                }
            }
        }
    }

    /// Bootstraps of each device, and of those that the load test drives, and answers of the API.
    fn counts(&self) -> Vec<u64> {
        let done = self.done.iter().map(|count| count.load(Ordering::Relaxed));
        let answered = self.history.as_ref().map(|history| history.answered() / 8);
        done.chain([self.load.done() / 2]).chain(answered).collect()
    }

    /// Sees every device bootstrap once more, or twice: one may have begun before. So do some of those
    /// that the load test drives, and the API answers.
    pub(crate) async fn works(&mut self, when: &str) {
        let (before, begun) = (self.counts(), Instant::now());
        while self.counts().iter().zip(&before).any(|(now, before)| *now < before + 2) {
            self.nothing_failed(when);
            if let Some(history) = &mut self.history {
                history.nothing_was_odd();
            }
            if !self.load.runs() {
                self.load.stop().await;
            }
            let waited = begun.elapsed();
            assert!(waited < 2 * PATIENCE, "{when}: {before:?} became {:?}", self.counts());
            if let Some(ended) = self.lives.try_join_next() {
                ended.expect("no device panics");
            }
            sleep(Duration::from_millis(20)).await;
        }
        eprintln!("{when}: every device twice in {:?}", begun.elapsed());
    }

    fn nothing_failed(&self, when: &str) {
        let failures = self.failures.lock().expect("nobody panics with it");
        assert!(failures.is_empty(), "{when}: {failures:?}");
    }

    /// What has been promised so far.
    pub(crate) fn promised(&self) -> Promised {
        self.promises.all()
    }

    /// Nobody asks the API any more, and what it has said must have an order; the load test's devices
    /// come to their end. The others go on.
    pub(crate) async fn ask_no_more(&mut self) {
        self.load.stop().await;
        if let Some(history) = self.history.take() {
            history.end().await;
        }
    }

    /// The cluster has gone on from a copy, of before which this was promised. Sessions have ended with
    /// it: what is said in one is not answered. All devices are switched off and on.
    pub(crate) async fn come_back(&mut self, cluster: &Cluster, promised: Promised) {
        self.lives.shutdown().await;
        self.nothing_failed("before all was lost");
        self.promises.go_back_to(promised);
        self.check(cluster.any()).await;
        let silent = timeout(SILENCE, self.stays.bootstrap_again()).await;
        assert!(!matches!(silent, Ok(Ok(_))), "a session of before goes on: {silent:?}");
        let config = DeviceConfig::new(&name(STAYS), psk(key(STAYS)));
        self.stays = UdpDevice::switch_on(self.balancer, config, self.crypto.clone()).await;
        let account = timeout(PATIENCE, self.stays.bootstrap()).await.expect("it ends");
        self.promises.made(&name(STAYS), &account.expect("it succeeds"), Promise::Held);
        let (patience, promises) = ((PATIENCE, HANDSHAKE), self.promises.clone());
        self.load = Load::start(cluster.any(), self.balancer, patience, promises, false);
        self.wake();
    }

    /// The device whose session is open asks again in it.
    pub(crate) async fn goes_on_without_a_handshake(&mut self) {
        let account = timeout(PATIENCE, self.stays.bootstrap_again()).await;
        let account = account.expect("it gets an answer").expect("it succeeds");
        assert_eq!(self.stays.handshakes, [false], "it opened its session once");
        self.promises.made(&name(STAYS), &account, Promise::Held);
    }

    /// Revokes what the device proved itself with whose session is open.
    pub(crate) async fn revoke_the_one_that_stays(&self, at: &Claviger) {
        let (_, device) = at.api("GET", &format!("/devices/{}", name(STAYS)), None).await;
        let credentials = device["credentials"].as_array().expect("a list");
        let prover = credentials.iter().find(|it| it["origin"] == "manufacturer");
        let id = prover.expect("it was enrolled with one")["id"].as_str().expect("a text");
        let path = format!("/devices/{}/credentials/{id}/revoke", name(STAYS));
        let (status, body) = at.api("POST", &path, Some(json!({ "reason": "lost" }))).await;
        assert_eq!(status, 200, "{body}");
    }

    /// Another device with an open session.
    pub(crate) async fn neighbour(&self, cluster: &Cluster) -> UdpDevice {
        let key = key(STAYS + 1);
        cluster.any().enrol(NEIGHBOUR, &data_encoding::HEXLOWER.encode(&key)).await;
        let config = DeviceConfig::new(NEIGHBOUR, psk(key));
        let mut device = UdpDevice::switch_on(self.balancer, config, self.crypto.clone()).await;
        let account = timeout(PATIENCE, device.bootstrap()).await.expect("it ends");
        self.promises.made(NEIGHBOUR, &account.expect("it succeeds"), Promise::Held);
        device
    }

    /// Sees that the device whose session was open gets nothing in it, while its neighbour gets an
    /// answer in its own: that nobody answers anybody would prove nothing.
    pub(crate) async fn is_not_answered_while(&mut self, neighbour: &mut UdpDevice) {
        let asks = timeout(SILENCE, self.stays.bootstrap_again());
        let (silent, served) = tokio::join!(asks, neighbour.bootstrap_again());
        assert!(!matches!(silent, Ok(Ok(_))), "{silent:?}");
        let account = served.expect("its neighbour is served");
        self.promises.made(NEIGHBOUR, &account, Promise::Held);
        assert_eq!((&self.stays.handshakes, &neighbour.handshakes), (&vec![false], &vec![false]));
    }

    /// Sees that it is told so if it wants another session.
    pub(crate) async fn opens_no_session(&mut self) {
        let config = DeviceConfig::new(&name(STAYS), psk(key(STAYS)));
        let mut device = UdpDevice::switch_on(self.balancer, config, self.crypto.clone()).await;
        let refused = timeout(PATIENCE, device.bootstrap()).await.expect("it is told");
        assert!(matches!(refused, Err(Failure::Dtls(_))), "{refused:?}");
        assert!(device.handshakes.is_empty());
    }

    /// Everything that was promised is in the ledger.
    pub(crate) async fn check(&self, at: &Claviger) {
        let promises = self.promises.all();
        let told: BTreeSet<&String> = promises.keys().map(|(device, _)| device).collect();
        for name in told {
            let path = format!("/devices/{name}");
            let begun = Instant::now();
            let (status, device) = loop {
                let (status, device) = at.api("GET", &path, None).await;
                // One that has just started may not have opened the root key yet.
                if status != 503 || begun.elapsed() > PATIENCE {
                    break (status, device);
                }
                sleep(Duration::from_millis(50)).await;
            };
            assert_eq!(status, 200, "an enrolled device is gone: {device}");
            promises::check(name, &device, &promises);
        }
    }

    /// Switches all off; then what was promised is there, nothing has failed, what the API said has an
    /// order, and no number of a session was used twice.
    pub(crate) async fn end(mut self, at: &Claviger) {
        self.load.stop().await;
        self.lives.shutdown().await;
        self.nothing_failed("at the end");
        self.check(at).await;
        if let Some(history) = self.history {
            history.end().await;
        }
        self.capture.lock().expect("nobody panics with it").check();
        let loaded = self.load.done();
        let done: u64 = self.done.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let promises = self.promises.all().len();
        eprintln!(
            "{done} bootstraps and {loaded} of the load test, {promises} credentials told of"
        );
    }
}

/// Bootstraps a device. A handshake that is under way at an edge that dies is lost with it, and
/// nobody can tell the device: it begins another one.
async fn bootstrap(
    server: SocketAddr,
    number: usize,
    crypto: &Arc<dyn Crypto>,
    promises: &Promises,
) -> Result<Account, Failure> {
    loop {
        let config = DeviceConfig::new(&name(number), psk(key(number)));
        let mut device = UdpDevice::switch_on(server, config, crypto.clone()).await;
        let mut patience = HANDSHAKE;
        loop {
            match timeout(patience, device.bootstrap()).await {
                // It comes again.
                Ok(Err(failure)) if failure.asks_to_come_later() => {
                    sleep(Duration::from_secs(1)).await;
                    break;
                }
                // It was met by nobody, all the time for which it sends again, and begins anew.
                Ok(Err(failure)) if failure.hears_nothing() && promises.nobody_was_served() => {
                    break;
                }
                Ok(ended) => return ended,
                Err(_) if device.handshakes.is_empty() => break,
                Err(_) => patience = PATIENCE,
            }
        }
    }
}

fn note(failures: &Mutex<Vec<String>>, number: usize, failure: &Failure) {
    let words = format!("{}: {failure:?}", name(number));
    failures.lock().expect("nobody panics with it").push(words);
}

async fn report_use(http: &reqwest::Client, receiver: &Receiver, told: &Told) -> bool {
    let body = br#"{"used_at":"2026-01-01T00:00:00Z"}"#;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
    let time = now.as_secs().to_string();
    let request = http
        .post(&told.use_url)
        .header("content-type", "application/json")
        .header("webhook-id", &told.credential)
        .header("webhook-timestamp", &time)
        .header("webhook-signature", receiver.sign(&told.credential, &time, body))
        .timeout(Duration::from_secs(5))
        .body(body.to_vec());
    request.send().await.is_ok_and(|response| response.status().is_success())
}
