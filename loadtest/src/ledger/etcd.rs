//! etcd under load.

use super::{Figures, Opponent, RECORD, Work, cpu, until};
use crate::Failure;
use crate::peers::Running;
use crate::process::Process;
use core::time::Duration;
use serde::Deserialize;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// How long a cluster may take to elect a leader.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections of the load; clients share them.
const CONNECTIONS: u32 = 8;

/// Three members of etcd.
#[derive(Debug)]
pub struct Etcd {
    name: String,
    members: Vec<(Running, String)>,
    load: PathBuf,
    _folder: TempDir,
}

/// What the client says of a run.
#[derive(Debug, Deserialize)]
struct Said {
    operations: u64,
    seconds: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Ports of loopback that were free a moment ago: etcd takes none of its own choice.
fn ports(count: usize) -> Result<Vec<u16>, Failure> {
    let bound = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>();
    let bound = bound.map_err(Failure::because("no free port"))?;
    let ports = bound.iter().map(|socket| socket.local_addr().map(|address| address.port()));
    ports.collect::<Result<_, _>>().map_err(Failure::because("no free port"))
}

impl Etcd {
    /// Starts three members by `server`, a command that takes etcd's arguments; `load` is the
    /// program built from `loadtest/peers/etcd`.
    ///
    /// # Errors
    /// If they do not start.
    pub fn start(server: &[String], load: &Path, folder: Option<&Path>) -> Result<Self, Failure> {
        let made = folder.map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        let folder = made.map_err(Failure::because("no folder for etcd"))?;
        let (program, arguments) =
            server.split_first().ok_or_else(|| Failure::new("which etcd? name its program"))?;
        let ports = ports(6)?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let cluster = (0..3).map(|i| format!("m{i}={}", url(ports[2 * i]))).collect::<Vec<_>>();
        let mut members = Vec::new();
        for i in 0..3 {
            let (peer, client) = (url(ports[2 * i]), url(ports[2 * i + 1]));
            let mut command = Command::new(program);
            command.args(arguments).args(["--name", &format!("m{i}"), "--log-level", "error"]);
            command.arg("--data-dir").arg(folder.path().join(format!("m{i}")));
            command.args(["--initial-advertise-peer-urls", &peer, "--listen-peer-urls", &peer]);
            command.args(["--advertise-client-urls", &client, "--listen-client-urls", &client]);
            command.args(["--initial-cluster", &cluster.join(","), "--logger", "zap"]);
            command.args(["--initial-cluster-state", "new"]);
            members.push((Running::silent(command, program)?, client));
        }
        let name = server.join(" ");
        let etcd = Self { name, members, load: load.to_owned(), _folder: folder };
        let waited = until(|| etcd.put().is_ok(), PATIENCE);
        waited.map(|_| etcd).ok_or_else(|| Failure::new("etcd elects no leader"))
    }

    fn endpoints(&self) -> String {
        self.members.iter().map(|(_, client)| &**client).collect::<Vec<_>>().join(",")
    }

    fn client(&self, endpoints: &str, arguments: &[String]) -> Result<Said, Failure> {
        let mut command = Command::new(&self.load);
        command.args(["load", "--endpoints", endpoints, "--size", &RECORD.to_string()]);
        let out = command.args(arguments).stderr(Stdio::null()).output();
        let out = out.map_err(Failure::because(format!("{}", self.load.display())))?;
        serde_json::from_slice(&out.stdout).map_err(Failure::because("etcd's client failed"))
    }

    /// One commit or a few.
    fn put(&self) -> Result<Said, Failure> {
        let short = ["--clients", "1", "--connections", "1", "--warm-up", "0", "--seconds", "0.05"];
        self.client(&self.endpoints(), &short.map(ToOwned::to_owned))
    }

    fn processes(&self) -> Vec<Process> {
        self.members.iter().map(|(running, _)| running.process()).collect()
    }
}

impl Opponent for Etcd {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, work: Work) -> Result<Figures, Failure> {
        let processes = self.processes();
        let (before, began) = (cpu(&processes)?, Instant::now());
        let seconds = |time: Duration| time.as_secs_f64().to_string();
        let mut arguments = vec!["--clients".to_owned(), work.clients.to_string()];
        arguments.extend(["--connections".to_owned(), CONNECTIONS.min(work.clients).to_string()]);
        arguments.extend(["--seconds".to_owned(), seconds(work.measured)]);
        arguments.extend(["--warm-up".to_owned(), seconds(work.warm_up)]);
        arguments.extend(work.read.then(|| "--read".to_owned()));
        let said = self.client(&self.endpoints(), &arguments)?;
        let rate = said.operations as f64 / said.seconds;
        let all = rate * began.elapsed().as_secs_f64();
        let cpu_us = (cpu(&processes)? - before).as_secs_f64() * 1e6 / all.max(1.0);
        Ok(Figures { rate, p50_ms: said.p50_us / 1e3, p99_ms: said.p99_us / 1e3, cpu_us })
    }
}
