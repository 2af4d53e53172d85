//! Stacks that are not ours at a cluster: their open sessions, and a bootstrap, when an edge or the
//! leader dies. `tests/setup` installs them; without them these tests fail.

use crate::{BINARY, Folder, Lab, rounds};
use claviger_tests::{Cluster, Ground, Peer, Spread, installed, java};
use core::time::Duration;
use serde_json::Value;
use std::time::Instant;
use tokio::process::Command;
use tokio::time::sleep;

const KEY: &str = "0f0e0d0c0b0a09080706050403020100";
/// A connector's secret, which Leshan's server knows too.
const SECRET: &str = "whsec_bGVzaGFuJ3Mgc2VjcmV0IGZvciB0aGUgdGVzdHM=";
/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client whose session is open. It speaks no CoAP but this test's pings (RFC 7252 §4.3), which
/// are text: an empty confirmable message, whose answer is an empty Reset with its id.
struct Client {
    name: &'static str,
    peer: Peer,
    /// Whether it sends each line without its end.
    lines: bool,
    pings: u8,
}

impl Client {
    async fn open(lab: &Lab, name: &'static str, command: Command, lines: bool) -> Self {
        lab.cluster.any().enrol(name, KEY).await;
        let mut client = Self { name, peer: Peer::start(command), lines, pings: 0 };
        client.is_heard().await;
        client
    }

    /// Sends something, and waits for the answer that only an actor gives, which runs at the leader.
    async fn is_heard(&mut self) {
        let number = char::from(b'A' + self.pings);
        self.pings += 1;
        let begun = Instant::now();
        // Nobody but this test sends a ping again that has met an edge which is gone.
        loop {
            let ping = format!("@\0x{number}");
            if self.lines {
                self.peer.tell(&ping).await;
            } else {
                self.peer.tell_bytes(ping.as_bytes()).await;
            }
            let answer = format!("p\0x{number}");
            let heard = async {
                while !self.peer.said().contains(&answer) {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            if tokio::time::timeout(Duration::from_secs(1), heard).await.is_ok() {
                return;
            }
            let waited = begun.elapsed();
            assert!(waited < PATIENCE, "{} hears nothing: {:?}", self.name, self.peer.said());
        }
    }
}

/// How many sessions a device has opened.
async fn sessions(lab: &Lab, name: &str) -> usize {
    timeline(lab, name).await.matches("session.opened").count()
}

async fn timeline(lab: &Lab, name: &str) -> String {
    let (_, device) = lab.cluster.any().api("GET", &format!("/devices/{name}"), None).await;
    device["timeline"].to_string()
}

fn openssl(lab: &Lab, name: &str, program: &str) -> Command {
    let mut command = Command::new(program);
    let address = lab.balancer.address.to_string();
    command.args(["s_client", "-quiet", "-dtls1_2", "-connect", &address]);
    command.args(["-cipher", "PSK-AES128-CCM8:@SECLEVEL=0", "-psk_identity", name, "-psk", KEY]);
    command
}

/// The words that our programs on foreign stacks know.
fn words(lab: &Lab, name: &str, cid: &str) -> Vec<String> {
    let connect = format!("connect={}", lab.balancer.address);
    let suite = "suite=TLS_PSK_WITH_AES_128_CCM_8".to_owned();
    vec![
        connect,
        "keys=psk".to_owned(),
        suite,
        format!("identity={name}"),
        format!("psk={KEY}"),
        format!("cid={cid}"),
    ]
}

async fn with_two_edges() -> Lab {
    let folder = Folder::new();
    let mut cluster =
        Cluster::found(BINARY, folder.path(), Ground::Loopback).await.grown_to(3).await;
    cluster.with_edge("edge-0").await;
    cluster.with_edge("edge-1").await;
    let lab = Lab::new(cluster, Spread::Flows, folder).await;
    lab.balancer.set_edges(vec![lab.cluster.members[3].coaps()]);
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sessions_of_other_stacks_outlive_their_edge() {
    // Given two edges of their own, and sessions at the first
    let mut lab = with_two_edges().await;
    let built = installed("openssl/openssl");
    let built = built.to_str().expect("a path in UTF-8");
    let (first, second) = ("urn:dev:openssl-3", "urn:dev:openssl-4");
    let (third, fourth) = ("urn:dev:pion", "urn:dev:scandium");
    let mut pion = Command::new(installed("pion/pion"));
    pion.args(words(&lab, third, "4"));
    let mut scandium = java("scandium", "Scandium");
    scandium.args(words(&lab, fourth, "4"));
    let mut by_address = [
        Client::open(&lab, first, openssl(&lab, first, "openssl"), false).await,
        Client::open(&lab, second, openssl(&lab, second, built), false).await,
    ];
    let mut by_id = [
        Client::open(&lab, third, pion, true).await,
        Client::open(&lab, fourth, scandium, true).await,
    ];

    // When that edge dies, and their flows come to the other
    lab.cluster.kill(3).await;
    lab.balancer.set_edges(vec![lab.cluster.members[4].coaps()]);

    // Then each is heard
    for client in by_address.iter_mut().chain(&mut by_id) {
        client.is_heard().await;
    }

    // And when flows come back to the first, which knows nothing of them, and the leader dies
    lab.cluster.start(3, &[]).await;
    let leader = lab.cluster.led().await;
    lab.cluster.kill(leader).await;
    lab.balancer.set_edges(vec![lab.cluster.members[3].coaps()]);
    for client in by_address.iter_mut().chain(&mut by_id) {
        client.is_heard().await;
    }

    // And when the other dies while those with a connection id change their addresses
    lab.balancer.set_edges(vec![lab.cluster.members[4].coaps()]);
    lab.cluster.kill(3).await;
    lab.balancer.forget();
    for client in &mut by_id {
        client.is_heard().await;
    }

    // Then nobody has made a second handshake
    for client in by_address.iter().chain(&by_id) {
        assert_eq!(sessions(&lab, client.name).await, 1, "{}", client.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leshan_bootstraps_while_the_leader_dies() {
    // Given two edges of their own, and Leshan's server as the one that the profile names
    let mut lab = with_two_edges().await;
    let server = leshans_server(&lab).await;

    for passes in moments() {
        // When so many datagrams of a device have come, and the leader dies
        let name = format!("urn:dev:leshan-{passes}");
        lab.cluster.any().enrol(&name, KEY).await;
        lab.balancer.let_through(passes);
        let mut device = leshans_device(&lab, &name);
        let begun = Instant::now();
        while !lab.balancer.is_shut() {
            assert!(begun.elapsed() < PATIENCE, "it never came so far: {}", device.said());
            sleep(Duration::from_millis(5)).await;
        }
        let leader = lab.cluster.led().await;
        lab.cluster.kill(leader).await;
        lab.balancer.let_through(u64::MAX);

        // Then it bootstraps by the handshake that it had begun, and registers
        let registered = format!("registered {name}");
        let begun = Instant::now();
        while !server.said().contains(&registered) {
            let waited = begun.elapsed();
            let timeline = || timeline(&lab, &name);
            assert!(waited < PATIENCE, "{}{}{}", device.said(), server.said(), timeline().await);
            sleep(Duration::from_millis(50)).await;
        }
        device.says("registered ").await;
        assert_eq!(sessions(&lab, &name).await, 1);
        lab.cluster.start(leader, &[]).await;
        let well = |status: &Value| status["problems"].as_array().is_some_and(Vec::is_empty);
        lab.cluster.until("all is well", well).await;
    }
}

/// After which datagram of a device the leader dies: its Finished, its Bootstrap-Request, an answer to
/// what is written.
fn moments() -> Vec<u64> {
    if rounds(1) > 1 { (1..=8).collect() } else { vec![3, 4, 6] }
}

async fn leshans_server(lab: &Lab) -> Peer {
    let mut command = java("leshan", "Server");
    command.env("CLAVIGER_INTEROP_SECRET", SECRET);
    let mut server = Peer::start(command);
    server.says("\n").await;
    let ready = server.said();
    let port = |name: &str| {
        let word = ready.split_whitespace().find_map(|word| word.strip_prefix(name));
        word.unwrap_or_else(|| panic!("no {name} in {ready}")).to_owned()
    };
    let (webhook, uri) = (port("http="), port("coaps="));
    let webhook = format!("http://127.0.0.1:{webhook}/");
    lab.cluster.any().configure(&webhook, SECRET, &format!("coaps://127.0.0.1:{uri}")).await;
    server
}

fn leshans_device(lab: &Lab, name: &str) -> Peer {
    let mut device = java("leshan", "Device");
    let address = format!("coaps://{}", lab.balancer.address);
    device.args(["--server", &address, "--endpoint", name, "--identity", name]);
    device.args(["--cid", "4", "--timeout", "90"]).env("CLAVIGER_INTEROP_KEY", KEY);
    Peer::start(device)
}
