//! A whole cluster of Claviger on loopback: three nodes of the ledger, and edges alone, each a
//! process of its own. It is set up as an operator does it, by `claviger cluster`.

use crate::Failure;
use crate::enrol::Api;
use crate::peers::Running;
use crate::process::Process;
use claviger_api::Cluster as Status;
use core::net::SocketAddr;
use core::time::Duration;
use serde::Deserialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// How many nodes the ledger has.
const NODES: usize = 3;

/// How long the cluster may take to become what it is to be.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at meanwhile.
const AGAIN: Duration = Duration::from_millis(100);

/// The administrator's token; nobody but this process comes to loopback.
const TOKEN: &str = "the-administrators-token-of-a-load-test";

/// A process of the cluster, and where it listens.
#[derive(Debug)]
struct Member {
    running: Running,
    ready: Ready,
}

/// What `claviger server -o json` says.
#[derive(Debug, Deserialize)]
struct Ready {
    http: String,
    coaps: Vec<SocketAddr>,
    link: Option<SocketAddr>,
}

/// The cluster. It ends when dropped.
#[derive(Debug)]
pub struct Site {
    binary: PathBuf,
    nodes: Vec<Member>,
    edges: Vec<Member>,
    folder: TempDir,
}

impl Site {
    /// Starts one of `binary`, with so many edges, and its data below `data`.
    ///
    /// # Errors
    /// If it does not come to be in time.
    pub fn start(binary: &Path, data: &Path, edges: usize) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir_in(data);
        let folder = folder.map_err(Failure::because("no folder for the cluster's data"))?;
        let (nodes, alone) = (Vec::new(), Vec::new());
        let mut site = Self { binary: binary.to_owned(), nodes, edges: alone, folder };
        site.secret("admin", TOKEN.as_bytes())?;
        site.secret("kek", &[0x5a; 32])?;
        site.found()?;
        for role in ["ledger", "edge"] {
            let token = site.operate(&["token", "create", "--uses", "64", "--role", role])?;
            site.secret(&format!("{role}-token"), token.trim().as_bytes())?;
        }
        for number in 1..NODES {
            let node = site.member(&format!("node-{number}"), "ledger", &[])?;
            site.nodes.push(node);
        }
        site.give_votes()?;
        for number in 0..edges {
            let edge = site.member(&format!("edge-{number}"), "edge", &[])?;
            site.edges.push(edge);
        }
        site.until("its edges are connected", |status| status.edges.len() == edges)?;
        Ok(site)
    }

    /// Where devices come to, edge by edge.
    pub fn edges(&self) -> Vec<SocketAddr> {
        self.edges.iter().filter_map(|edge| edge.ready.coaps.first().copied()).collect()
    }

    /// The edges' processes.
    pub fn edge_processes(&self) -> Vec<Process> {
        self.edges.iter().map(|edge| edge.running.process()).collect()
    }

    /// The process of the node that leads, and those of the others.
    ///
    /// # Errors
    /// If none leads.
    pub fn leader_and_followers(&self) -> Result<(Process, Vec<Process>), Failure> {
        let status = self.until("one leads", |status| status.leading_since.is_some())?;
        let address = status.nodes.iter().find(|node| node.leads).map(|node| &node.address);
        let leads =
            |node: &&Member| node.ready.link.map(|link| link.to_string()).as_ref() == address;
        let (leader, followers): (Vec<_>, Vec<_>) = self.nodes.iter().partition(leads);
        let leader = leader.first().ok_or_else(|| Failure::new("no node leads"))?;
        let followers = followers.iter().map(|node| node.running.process()).collect();
        Ok((leader.running.process(), followers))
    }

    /// Its API, at the first node.
    ///
    /// # Errors
    /// If this machine cannot do HTTP.
    pub fn api(&self) -> Result<Api, Failure> {
        Api::new(&self.nodes[0].ready.http, TOKEN)
    }

    fn found(&mut self) -> Result<(), Failure> {
        let first = self.member("node-0", "ledger", &["--init"])?;
        self.nodes.push(first);
        self.until("its first node leads", |status| status.leading_since.is_some()).map(drop)
    }

    /// All nodes of the ledger get a vote once they have joined.
    fn give_votes(&self) -> Result<(), Failure> {
        let joined = self.until("all have joined", |status| status.nodes.len() == NODES)?;
        let learners = joined.nodes.iter().filter(|node| !node.votes);
        let promote: Vec<&str> =
            ["promote"].into_iter().chain(learners.map(|node| &*node.id)).collect();
        let begun = Instant::now();
        loop {
            match self.operate(&promote) {
                // They may be behind yet.
                Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(AGAIN),
                done => return done.map(drop),
            }
        }
    }

    /// The status once `wanted` holds of it.
    fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<Status, Failure> {
        let begun = Instant::now();
        loop {
            // What is wrong for a moment has an exit code of its own; the status is printed still.
            let status = self.said(&["status"]).ok();
            let status =
                status.and_then(|said| serde_json::from_slice::<Status>(&said.stdout).ok());
            match status.filter(&wanted) {
                Some(status) => return Ok(status),
                None if begun.elapsed() < PATIENCE => std::thread::sleep(AGAIN),
                None => return Err(Failure::new(format!("it never came that {what}"))),
            }
        }
    }

    /// Runs a command of the operator at the first node, and gives what it prints.
    fn operate(&self, command: &[&str]) -> Result<String, Failure> {
        let said = self.said(command)?;
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match said.status.success() {
            true => Ok(words(&said.stdout)),
            false => Err(Failure::new(format!("{command:?}: {}", words(&said.stderr)))),
        }
    }

    fn said(&self, command: &[&str]) -> Result<std::process::Output, Failure> {
        let mut operator = Command::new(&self.binary);
        operator.arg("cluster").args(command).stdin(Stdio::null());
        operator.args((command == ["status"]).then_some(["-o", "json"]).into_iter().flatten());
        operator.env("CLAVIGER_SERVER", &self.nodes[0].ready.http).env("CLAVIGER_TOKEN", TOKEN);
        operator.output().map_err(Failure::because(self.binary.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(self.file(name));
        let written = file.and_then(|mut file| file.write_all(bytes));
        written.map_err(Failure::because("the cluster's folder cannot be written"))
    }

    fn config(&self, name: &str, role: &str) -> String {
        let (data, admin, kek) = (self.file(name), self.file("admin"), self.file("kek"));
        let mut text = format!(
            "[node]\nroles = ['{role}']\ndata = '{}'\n[http]\nlisten = '127.0.0.1:0'\n\
             admin_token_file = '{}'\n[log]\nlevel = 'warn'\n",
            data.display(),
            admin.display()
        );
        match role {
            "edge" => text += "[[coaps]]\nname = 'devices'\nlisten = '127.0.0.1:0'\n[cluster]\n",
            _ => {
                text =
                    text.replacen("[http]", &format!("kek_file = '{}'\n[http]", kek.display()), 1);
                text += "[cluster]\nlisten = '127.0.0.1:0'\n";
            }
        }
        let join = self.nodes.iter().filter_map(|node| node.ready.link).map(|at| at.to_string());
        let join: Vec<_> = join.collect();
        if !join.is_empty() {
            let token = self.file(&format!("{role}-token"));
            text += &format!("join = {join:?}\ntoken_file = '{}'\n", token.display());
        }
        text
    }

    fn member(&self, name: &str, role: &str, more: &[&str]) -> Result<Member, Failure> {
        let config = self.file(&format!("{name}.toml"));
        let written = std::fs::write(&config, self.config(name, role));
        written.map_err(Failure::because("the cluster's folder cannot be written"))?;
        let mut command = Command::new(&self.binary);
        command.args(["server", "-o", "json", "--config"]).arg(config).args(more);
        command.env_remove("CLAVIGER_LOG");
        let running = Running::start(command, name, Some(self.folder.path()))?;
        let ready = serde_json::from_str(running.said());
        let ready = ready.map_err(Failure::because(format!("{name} said something else")))?;
        Ok(Member { running, ready })
    }
}
