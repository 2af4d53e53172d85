//! The servers that are compared, as processes of their own. They are killed when dropped, and by
//! [`end_all`] when this process is stopped by a signal, which drops nothing.

use crate::enrol::Api;
use crate::process::Process;
use crate::{Credential, Failure, fleet, keys};
use claviger_device::Account;
use core::net::SocketAddr;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The servers that run, each with the folder that goes after it.
static STARTED: Mutex<Vec<(u32, Option<PathBuf>)>> = Mutex::new(Vec::new());

/// Ends every server that runs, removes its data, and ends this process with `code`. The lock is
/// kept, so that no other thread ends it first because its server is gone.
pub fn end_all(code: i32) -> ! {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, folder) in started.drain(..) {
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; its folder is removed when it is gone.
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
        if let Some(folder) = folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
    std::process::exit(code)
}

/// A server that runs, and what it said first.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    said: String,
    /// Kept, so that what it says later does not meet a closed pipe.
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `command`, whose data is in `folder`, and waits for the line that says that it is ready.
    pub(crate) fn start(
        mut command: Command,
        name: &str,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        command.stdin(Stdio::null());
        let mut running = Self::begin(command, name, folder)?;
        running.hear(name)?;
        Ok(running)
    }

    /// Starts `command`, which is told what to do by lines, and waits for its first one.
    pub(crate) fn converse(mut command: Command, name: &str) -> Result<Self, Failure> {
        command.stdin(Stdio::piped());
        let mut running = Self::begin(command, name, None)?;
        running.hear(name)?;
        Ok(running)
    }

    /// Starts `command`, which says nothing when it is ready.
    pub(crate) fn silent(mut command: Command, name: &str) -> Result<Self, Failure> {
        command.stdin(Stdio::null());
        Self::begin(command, name, None)
    }

    fn begin(mut command: Command, name: &str, folder: Option<&Path>) -> Result<Self, Failure> {
        command.stdout(Stdio::piped());
        let child = command.spawn();
        let mut child = child.map_err(Failure::because(format!("{name} cannot be started")))?;
        let started = (child.id(), folder.map(Path::to_owned));
        STARTED.lock().unwrap_or_else(PoisonError::into_inner).push(started);
        let stdout = child.stdout.take().expect("it is piped");
        Ok(Self { child, said: String::new(), stdout: BufReader::new(stdout) })
    }

    /// Waits for a line.
    fn hear(&mut self, name: &str) -> Result<(), Failure> {
        self.said.clear();
        let read = self.stdout.read_line(&mut self.said);
        read.map_err(Failure::because(format!("{name} says nothing")))?;
        if self.said.is_empty() {
            return Err(Failure::new(format!("{name} has ended at once; its own words say why")));
        }
        Ok(())
    }

    /// What it said last.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// Tells it a line, and waits until it has answered "ok".
    pub(crate) fn ask(&mut self, line: &str) -> Result<(), Failure> {
        let stdin = self.child.stdin.as_mut().expect("it is piped where it is asked");
        writeln!(stdin, "{line}").map_err(Failure::because(format!("cannot tell it {line:?}")))?;
        self.hear("it")?;
        if self.said.trim() == "ok" {
            return Ok(());
        }
        Err(Failure::new(format!("{line:?} was answered by {:?}", self.said.trim())))
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let id = self.child.id();
        STARTED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(started, _)| *started != id);
    }
}

/// A running Claviger.
#[derive(Debug)]
pub struct Claviger {
    running: Running,
    ready: Ready,
}

/// What `claviger dev -o json` says.
#[derive(Debug, Deserialize)]
struct Ready {
    http: String,
    coaps: SocketAddr,
    admin_token: String,
}

/// What `claviger server -o json` says.
#[derive(Debug, Deserialize)]
struct ServerReady {
    http: String,
    coaps: Vec<SocketAddr>,
}

impl Claviger {
    /// Starts `binary` on free ports of loopback, with its data in `folder`. It logs warnings
    /// only, as its peers do.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self, Failure> {
        let free = "127.0.0.1:0";
        let mut command = Command::new(binary);
        command.args(["dev", "-o", "json", "--http", free, "--coaps", free, "--data"]).arg(folder);
        command.env("CLAVIGER_LOG", "warn,openraft=error");
        let name = binary.display().to_string();
        let running = Running::start(command, &name, Some(folder))?;
        let ready = serde_json::from_str(&running.said);
        let ready = ready.map_err(Failure::because(format!("{name} said something else")))?;
        Ok(Self { running, ready })
    }

    /// Starts `claviger server`, which keeps its actors awake for so many seconds, on free ports, and
    /// on the data in `folder` if there is some.
    ///
    /// # Errors
    /// If it does not start.
    pub fn serve(binary: &Path, folder: &Path, sleep_after: u32) -> Result<Self, Failure> {
        let (data, config) = (folder.join("data"), folder.join("claviger.toml"));
        let text = format!(
            "[node]\ndata = {data:?}\n[http]\nlisten = '127.0.0.1:0'\n[[coaps]]\n\
             listen = '127.0.0.1:0'\n[devices]\nsleep_after = {sleep_after}\n"
        );
        let written = std::fs::write(&config, text);
        written.map_err(Failure::because(config.display()))?;
        let mut command = Command::new(binary);
        command.args(["server", "-o", "json", "--config"]).arg(&config);
        command.env("CLAVIGER_LOG", "warn,openraft=error");
        let name = binary.display().to_string();
        let running = Running::start(command, &name, Some(folder))?;
        let said: Result<ServerReady, _> = serde_json::from_str(&running.said);
        let said = said.map_err(Failure::because(format!("{name} said something else")))?;
        let none = || Failure::new(format!("{name} has no listener for devices"));
        let coaps = said.coaps.first().copied().ok_or_else(none)?;
        let file = data.join("admin-token");
        let token = std::fs::read_to_string(&file).map_err(Failure::because(file.display()))?;
        let admin_token = token.trim().to_owned();
        Ok(Self { running, ready: Ready { http: said.http, coaps, admin_token } })
    }

    /// Where its devices bootstrap.
    pub const fn target(&self) -> SocketAddr {
        self.ready.coaps
    }

    /// Its process.
    pub fn process(&self) -> Process {
        self.running.process()
    }

    /// Its API.
    ///
    /// # Errors
    /// If this machine cannot do HTTP.
    pub fn api(&self) -> Result<Api, Failure> {
        Api::new(&self.ready.http, &self.ready.admin_token)
    }
}

/// A running bootstrap server of Leshan, in Java: `loadtest/peers/leshan`.
#[derive(Debug)]
pub struct Leshan {
    running: Running,
    target: SocketAddr,
}

impl Leshan {
    /// Starts it with so many devices, from number 0, which prove themselves by pre-shared keys or
    /// certificates; `cid` if it takes part in connection ids.
    ///
    /// # Errors
    /// If it is not built, or does not start, or is to know raw public keys.
    pub fn start(devices: u32, cid: bool, credential: Credential) -> Result<Self, Failure> {
        let folder = cache().join("claviger/loadtest-leshan");
        let jar = folder.join("loadtest-leshan.jar");
        if !jar.exists() {
            return Err(Failure::new(format!("{} is missing: run tests/setup", jar.display())));
        }
        let path = format!("{}:{}/*", jar.display(), folder.join("lib").display());
        let mut command = Command::new("java");
        // A heap of 1 GiB holds 150,000 sessions, which is all that it keeps.
        command.args(["-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", &path]);
        command.args(["claviger.loadtest.BootstrapServer", &devices.to_string()]);
        command.args(cid.then_some("cid"));
        // It has read them when it is ready.
        let files =
            tempfile::tempdir().map_err(Failure::because("no folder for its certificates"))?;
        match credential {
            Credential::Psk => {}
            Credential::X509 => {
                for (name, bytes) in keys::server() {
                    let path = files.path().join(name);
                    std::fs::write(&path, bytes).map_err(Failure::because(path.display()))?;
                }
                command.arg(files.path());
            }
            Credential::Rpk => {
                return Err(Failure::new("Leshan's server knows no raw public keys here"));
            }
        }
        let running = Running::start(command, "Leshan's server (java)", None)?;
        let port = running.said.trim().strip_prefix("ready coaps=");
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(|| {
            Failure::new(format!("Leshan's server said something else: {}", running.said))
        })?;
        Ok(Self { running, target: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// Where its devices bootstrap.
    pub const fn target(&self) -> SocketAddr {
        self.target
    }

    /// Its process.
    pub fn process(&self) -> Process {
        self.running.process()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn wait(mut self) -> Result<(), Failure> {
        let ended = self.running.child.wait();
        ended.map(drop).map_err(Failure::because("Leshan's server cannot be waited for"))
    }

    /// Whether it gave a device what it should.
    ///
    /// # Errors
    /// Words, if it did not.
    pub fn check(endpoint: &str, account: &Account) -> Result<(), String> {
        let identity = format!("to-{endpoint}");
        if account.identity == identity.as_bytes() && account.key == fleet::key(&identity) {
            Ok(())
        } else {
            Err("the device was given another account than its own".to_owned())
        }
    }
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from)
}
