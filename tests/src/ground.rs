//! The network that a cluster under test stands in.

use core::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Now, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use tokio::process::Command;

/// The port of the service for devices.
const COAPS: u16 = 5684;

/// Where processes run.
#[derive(Debug)]
pub enum Ground {
    /// All on loopback.
    Loopback,
    /// Each in a network namespace of its own.
    Lab(Lab),
}

impl Ground {
    /// Where the process with this number listens, if `port` is its port there.
    pub(crate) fn address(&self, number: usize, port: u16) -> SocketAddr {
        match self {
            Self::Loopback => SocketAddr::from((loopback_address(number), own_port())),
            Self::Lab(_) => SocketAddr::from((lab_address(number), port)),
        }
    }

    /// Runs a program where the process with this number is.
    pub(crate) fn command(&self, number: usize, program: &Path) -> Command {
        match self {
            Self::Loopback => Command::new(program),
            Self::Lab(lab) => {
                let mut command = Command::new(&lab.script);
                command.args(["in", &lab.name, &format!("node-{number}")]).arg(program);
                command
            }
        }
    }
}

/// A port that nobody else takes, also while its process is down: what asks for any port gets one
/// above 32,767, at times for all addresses.
fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let port = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(port < 32_768, "ports are used up");
    port
}

/// An address of loopback that nobody else listens at.
fn loopback_address(number: usize) -> [u8; 4] {
    let [.., high, low] = std::process::id().to_be_bytes();
    [127, high | 1, low, u8::try_from(number).expect("a cluster is small")]
}

fn lab_address(number: usize) -> [u8; 4] {
    [10, 77, u8::try_from(number).expect("a lab is small"), 2]
}

/// A network of namespaces, made by `tests/lab`; it goes with this.
#[derive(Debug)]
pub struct Lab {
    name: String,
    script: PathBuf,
    /// False if somebody else made it and takes it away.
    ours: bool,
}

/// Whose network a test is in.
const IN: &str = "CLAVIGER_LAB";

impl Lab {
    /// Where a webhook's receiver listens, among the devices.
    pub const RECEIVER: &'static str = "10.78.0.2:8888";

    /// Where devices come to.
    pub const SERVICE: ([u8; 4], u16) = ([10, 79, 0, 1], COAPS);

    /// Runs the test of this name once more, in a new network with so many nodes, on the side of the
    /// devices. There it is given that network; here nothing, and all is done.
    ///
    /// # Panics
    /// If the network cannot be made, which takes root, or if the test fails there.
    pub fn within(script: &Path, test: &str, nodes: usize) -> Option<Self> {
        if let Ok(name) = std::env::var(IN) {
            return Some(Self { name, script: script.to_owned(), ours: false });
        }
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("clv{}-{number}", std::process::id());
        let lab = Self { name, script: script.to_owned(), ours: true };
        lab.run(&["down"], &[]);
        lab.run(&["up"], &[&nodes.to_string()]);
        let this = std::env::current_exe().expect("a test is a program");
        let mut command = Now::new(&lab.script);
        command.args(["in", &lab.name, "devices"]).arg(this);
        command.args(["--exact", test, "--nocapture", "--include-ignored"]).env(IN, &lab.name);
        let ended = command.stdin(Stdio::null()).status().expect("the script runs");
        assert!(ended.success(), "{test} failed in its network");
        None
    }

    fn run(&self, action: &[&str], more: &[&str]) {
        let mut command = Now::new(&self.script);
        let ended = command.args(action).arg(&self.name).args(more).stdin(Stdio::null()).status();
        let ended = ended.expect("the script runs");
        assert!(ended.success(), "tests/lab {action:?} {more:?}: it takes root, ip and nft");
    }

    /// Devices come to these nodes, by flows or by datagrams.
    ///
    /// # Panics
    /// If the router does not take it.
    pub fn balance(&self, how: &str, seed: u32, nodes: &[usize]) {
        let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        let seed = seed.to_string();
        let mut more = vec![how, &seed];
        more.extend(nodes.iter().map(String::as_str));
        self.run(&["balance"], &more);
    }

    /// What the node `from` sends to the node `to` is lost, in this direction only.
    ///
    /// # Panics
    /// If the router does not take it.
    pub fn cut(&self, from: usize, to: usize) {
        self.run(&["cut"], &[&format!("node-{from}"), &format!("node-{to}")]);
    }

    /// Nothing is lost any more.
    ///
    /// # Panics
    /// If the router does not take it.
    pub fn mend(&self) {
        self.run(&["mend"], &[]);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.ours {
            let mut command = Now::new(&self.script);
            let _ = command.args(["down", &self.name]).stdin(Stdio::null()).status();
        }
    }
}
