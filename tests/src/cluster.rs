//! A cluster of `claviger server` processes under test, on loopback or in a network of namespaces.

use crate::process::on_disk;
use crate::{Claviger, Ground};
use core::net::SocketAddr;
use core::time::Duration;
use serde_json::{Value, json};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// How long the cluster may take to do something on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked meanwhile.
const AGAIN: Duration = Duration::from_millis(50);

/// The administrator's token of every node.
const TOKEN: &str = "the-administrators-token-of-the-cluster-under-test";

/// One node: its folder, its addresses once it has had them, and its process while it runs.
pub struct Member {
    /// Its name, and that of its folder.
    pub name: String,
    /// Its process.
    pub process: Option<Claviger>,
    folder: PathBuf,
    /// Its number in the network, from 1.
    number: usize,
    roles: &'static [&'static str],
    join: Vec<SocketAddr>,
    http: SocketAddr,
    coaps: SocketAddr,
    link: SocketAddr,
    /// The level that it holds from its next start on, if it holds one.
    pub hold_level: Option<u32>,
}

impl Member {
    /// Its process, which runs.
    ///
    /// # Panics
    /// If it does not.
    pub fn running(&self) -> &Claviger {
        self.process.as_ref().expect("it runs")
    }

    /// Its number in the network, from 1.
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Removes what it shows of itself to other nodes.
    ///
    /// # Panics
    /// If it has none.
    pub fn lose_credential(&self) {
        let file = self.folder.join("link/credential");
        std::fs::remove_file(file).expect("a node of the ledger has one");
    }

    /// Its folder as its process sees it: one that has a disk of its own sees that there.
    ///
    /// # Panics
    /// If it does not run.
    pub fn data(&self) -> PathBuf {
        let inside = self.folder.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.running().pid())).join(inside)
    }

    /// Where devices come to; it stays over restarts.
    pub const fn coaps(&self) -> SocketAddr {
        self.coaps
    }

    /// Where other nodes come to.
    pub const fn link(&self) -> SocketAddr {
        self.link
    }

    /// Its configuration.
    fn config(&self, cluster: &Cluster) -> String {
        let ledger = self.roles.contains(&"ledger");
        let mut text = format!(
            "[node]\nroles = {:?}\ndata = '{}'\n[http]\nlisten = '{}'\nadmin_token_file = '{}'\n\
             [log]\nlevel = 'info'\n[[coaps]]\nname = 'devices'\nlisten = '{}'\n\
             shared_address = true\n[cluster]\n",
            self.roles,
            self.folder.display(),
            self.http,
            cluster.file("admin-token").display(),
            self.coaps,
        );
        if ledger {
            text += &format!("listen = '{}'\n", self.link);
            text += &format!("hold_level = {}\n", self.hold_level.unwrap_or(0));
        }
        if !self.join.is_empty() {
            let join: Vec<_> = self.join.iter().map(ToString::to_string).collect();
            let token = if ledger { "ledger-token" } else { "edge-token" };
            text += &format!("join = {join:?}\ntoken_file = '{}'\n", cluster.file(token).display());
        }
        if ledger {
            text = text.replacen(
                "[http]",
                &format!("kek_file = '{}'\n[http]", cluster.file("kek").display()),
                1,
            );
        }
        text
    }
}

/// What the nodes of a cluster have in common.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nature {
    /// The size in MiB of a file system of its own for each node's data, which goes with its process.
    pub disk: Option<u32>,
    /// The level that they hold: so far they play a version that knows no more.
    pub hold_level: Option<u32>,
}

/// Nodes of one cluster, and where they live.
pub struct Cluster {
    binary: PathBuf,
    folder: PathBuf,
    ground: Ground,
    nature: Nature,
    /// The nodes, in the order in which they came.
    pub members: Vec<Member>,
    /// One that is not asked: it is cut off, or hangs.
    pub passed_over: Option<usize>,
}

impl Cluster {
    /// A cluster of one node that is both edge and ledger.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn found(binary: &str, folder: &Path, ground: Ground) -> Self {
        Self::found_as(binary, folder, ground, Nature::default()).await
    }

    /// The same, of such nodes.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn found_as(binary: &str, folder: &Path, ground: Ground, nature: Nature) -> Self {
        let (binary, folder) = (binary.into(), folder.to_owned());
        let (members, passed_over) = (Vec::new(), None);
        let mut cluster = Self { binary, folder, ground, nature, members, passed_over };
        secret(&cluster.file("admin-token"), TOKEN.as_bytes());
        secret(&cluster.file("kek"), &[0x5A; 32]);
        let first = cluster.new_member("node-0", &["edge", "ledger"], Vec::new());
        cluster.members.push(first);
        cluster.start(0, &["--init"]).await;
        cluster.led().await;
        cluster
    }

    /// The same with so many nodes of the ledger in all, each with a vote.
    ///
    /// # Panics
    /// If they do not join.
    pub async fn grown_to(mut self, count: usize) -> Self {
        self.make_token("ledger").await;
        for number in 1..count {
            self.join(&format!("node-{number}"), &["edge", "ledger"]).await;
        }
        self.promote_all(count).await;
        self
    }

    /// Gives each of the nodes a vote, once there are so many.
    async fn promote_all(&self, count: usize) {
        let status = self.until("all have joined", |status| nodes(status).len() == count).await;
        let learners = nodes(&status).into_iter().filter(|node| node["votes"] == false);
        let learners: Vec<_> = learners.map(|node| node["id"].clone()).collect();
        let begun = Instant::now();
        loop {
            let body = json!({ "nodes": learners });
            let asked = self.any().ask("POST", "/cluster/promote", Some(body)).await;
            match asked {
                Ok((200, _)) => return,
                // They are behind yet, or a busy machine kept one silent for a second.
                Ok((409 | 503, _)) | Err(_) if begun.elapsed() < PATIENCE => sleep(AGAIN).await,
                other => panic!("they get no vote: {other:?}"),
            }
        }
    }

    /// Adds a node that is an edge alone.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn with_edge(&mut self, name: &str) {
        if !self.file("edge-token").exists() {
            self.make_token("edge").await;
        }
        self.join(name, &["edge"]).await;
    }

    async fn join(&mut self, name: &str, roles: &'static [&'static str]) {
        let join = self.members.iter().filter(|member| member.roles.contains(&"ledger"));
        let join = join.map(|member| member.link).collect();
        let member = self.new_member(name, roles, join);
        self.members.push(member);
        self.start(self.members.len() - 1, &[]).await;
    }

    /// Makes a join token for nodes of this role, in the place of the one that they have.
    ///
    /// # Panics
    /// If nobody makes one.
    pub async fn make_token(&self, role: &str) {
        let body = json!({ "role": role, "uses": 1_000 });
        let (status, made) =
            self.any().ask("POST", "/cluster/tokens", Some(body)).await.expect("the API answers");
        assert_eq!(status, 201, "{made}");
        let token = made["token"].as_str().expect("a text");
        secret(&self.file(&format!("{role}-token")), token.as_bytes());
    }

    /// Lets the node of the ledger with this id come back, at the word of another member, by the token
    /// that this gives and that nodes of the ledger have from now on.
    ///
    /// # Panics
    /// If it may not.
    pub async fn readmit(&self, by: usize, id: &str) -> String {
        let path = format!("/cluster/nodes/{id}/readmit");
        let answer = self.members[by].running().ask("POST", &path, None).await;
        let (status, made) = answer.expect("the API answers");
        assert_eq!(status, 200, "{made}");
        let token = made["token"].as_str().expect("a text");
        secret(&self.file("ledger-token"), token.as_bytes());
        token.to_owned()
    }

    fn new_member(
        &self,
        name: &str,
        roles: &'static [&'static str],
        join: Vec<SocketAddr>,
    ) -> Member {
        let number = self.members.len() + 1;
        let at = |port| self.ground.address(number, port);
        Member {
            name: name.to_owned(),
            process: None,
            folder: self.file(name),
            number,
            roles,
            join,
            http: at(8080),
            coaps: at(5684),
            link: at(5685),
            hold_level: self.nature.hold_level,
        }
    }

    /// The network that it stands in.
    pub const fn ground(&self) -> &Ground {
        &self.ground
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts a node that does not run.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(&mut self, number: usize, more: &[&str]) {
        let command = self.command(number, more);
        let member = &self.members[number];
        let log = self.file(&format!("{}.log", member.name));
        let process = Claviger::serve(command, &log, TOKEN).await;
        let member = &mut self.members[number];
        // They stay, so that others find it again.
        member.http = process.url.trim_start_matches("http://").parse().expect("an address");
        member.coaps = process.coaps;
        member.link = process.link.unwrap_or(member.link);
        member.process = Some(process);
    }

    fn command(&self, number: usize, more: &[&str]) -> Command {
        let member = &self.members[number];
        let config = self.config(member);
        let mut command = match self.nature.disk {
            None => self.ground.command(member.number, &self.binary),
            Some(size) => {
                let (place, program) = on_disk(&self.binary, &member.folder, size);
                let mut command = self.ground.command(member.number, &place);
                command.args(program);
                command
            }
        };
        command.args(["server", "-o", "json", "--config"]).arg(config).args(more);
        command.env_remove("CLAVIGER_LOG");
        command
    }

    /// Writes down what a node is told; gives where.
    fn config(&self, member: &Member) -> PathBuf {
        let config = self.file(&format!("{}.toml", member.name));
        std::fs::write(&config, member.config(self)).expect("the folder can be written");
        config
    }

    /// Has a node that runs write a backup, as an operator does.
    ///
    /// # Panics
    /// If it does not.
    pub async fn back_up(&self, to: &Path) {
        let mut command = Command::new(&self.binary);
        command.args(["cluster", "backup", "--server", &self.any().url]).arg(to);
        command.env("CLAVIGER_TOKEN", TOKEN);
        succeeds(command).await;
    }

    /// Lets the cluster, of which no node runs, go on from a backup: its nodes lose their folders, the
    /// first is made of the backup, and the other nodes of the ledger join it anew and vote.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn restore(&mut self, backup: &Path) {
        for member in &self.members {
            assert!(member.process.is_none(), "{} runs", member.name);
            std::fs::remove_dir_all(&member.folder).expect("it has a folder");
        }
        let mut command = Command::new(&self.binary);
        command.args(["cluster", "restore", "--yes", "--config"]);
        command.arg(self.config(&self.members[0])).arg(backup);
        succeeds(command).await;
        self.start(0, &[]).await;
        self.led().await;
        // Those of the incarnation before let nobody in.
        self.make_token("ledger").await;
        for number in 1..self.members.len() {
            self.start(number, &[]).await;
        }
        self.promote_all(self.members.len()).await;
    }

    /// Takes the key-encryption key away from where nodes look for it: those that run keep what they
    /// have, those that start are sealed.
    ///
    /// # Panics
    /// If it is not there.
    pub fn hide_kek(&self) {
        std::fs::rename(self.file("kek"), self.file("hidden-kek")).expect("it is there");
    }

    /// Puts it back.
    ///
    /// # Panics
    /// If it was not hidden.
    pub fn show_kek(&self) {
        std::fs::rename(self.file("hidden-kek"), self.file("kek")).expect("it is there");
    }

    /// Starts a node that is to refuse to run; gives what it says.
    ///
    /// # Panics
    /// If it runs.
    pub async fn refused(&self, number: usize) -> String {
        let mut command = self.command(number, &[]);
        command.kill_on_drop(true);
        let ended = timeout(PATIENCE, command.output()).await.expect("it ends");
        let ended = ended.expect("the binary runs");
        assert!(!ended.status.success(), "it runs");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    }

    /// Kills a node as a power cut does.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn kill(&mut self, number: usize) {
        self.members[number].process.take().expect("it runs").kill().await;
    }

    /// Stops a node in good order.
    ///
    /// # Panics
    /// If it does not stop, or not in good order.
    pub async fn stop(&mut self, number: usize) {
        let ended = self.members[number].process.take().expect("it runs").stop("-TERM").await;
        assert!(ended.success(), "{}: {ended}", self.members[number].name);
    }

    /// A node of the ledger that runs.
    ///
    /// # Panics
    /// If there is none.
    pub fn any(&self) -> &Claviger {
        let asked = self.members.iter().enumerate();
        let asked = asked.filter(|(number, _)| Some(*number) != self.passed_over);
        let ledger = asked.filter(|(_, member)| member.roles.contains(&"ledger"));
        let mut running = ledger.filter_map(|(_, member)| member.process.as_ref());
        running.next().expect("one runs")
    }

    /// Where each node of the ledger has its API, whether it runs or not, and the token for it.
    pub fn apis(&self) -> Vec<(String, String)> {
        let ledger = self.members.iter().filter(|member| member.roles.contains(&"ledger"));
        ledger.map(|member| (format!("http://{}", member.http), TOKEN.to_owned())).collect()
    }

    /// The places where devices can come now.
    pub fn edges(&self) -> Vec<SocketAddr> {
        let running = self.members.iter().filter(|member| member.process.is_some());
        let edges = running.filter(|member| member.roles.contains(&"edge"));
        edges.map(|member| member.coaps).collect()
    }

    /// The status once `wanted` holds of it.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.any().ask("GET", "/cluster", None).await;
            if let Ok((200, status)) = &status
                && wanted(status)
            {
                return status.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "it never came that {what}: {status:?}");
            sleep(AGAIN).await;
        }
    }

    /// The number of the member that leads, once one does.
    ///
    /// # Panics
    /// If none does in time.
    pub async fn led(&self) -> usize {
        let status = self
            .until("one leads", |status| {
                status["leading_since"].is_string() && leader(status).is_some()
            })
            .await;
        let address = leader(&status).expect("one leads");
        let mut members = self.members.iter();
        members.position(|member| member.link.to_string() == address).expect("it is ours")
    }
}

/// The nodes of a status.
fn nodes(status: &Value) -> Vec<Value> {
    status["nodes"].as_array().cloned().unwrap_or_default()
}

/// Where the leader is reached.
fn leader(status: &Value) -> Option<String> {
    let leads = nodes(status).into_iter().find(|node| node["leads"] == true)?;
    leads["address"].as_str().map(ToOwned::to_owned)
}

/// Runs a command to its end.
async fn succeeds(mut command: Command) {
    command.kill_on_drop(true).env_remove("CLAVIGER_LOG");
    let ended = timeout(PATIENCE, command.output()).await.expect("it ends");
    let ended = ended.expect("the binary runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Writes a file that only its owner may read, in the place of one that there may be.
fn secret(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    let mut file = std::fs::File::options();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).expect("the folder can be written");
}
