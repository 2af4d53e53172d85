//! A `claviger` process under test, and its API.

use core::net::SocketAddr;
use core::time::Duration;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a start may take on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `claviger dev` or `claviger server`; killed when dropped.
pub struct Claviger {
    child: Child,
    http: reqwest::Client,
    /// The API's address, as a URL.
    pub url: String,
    /// Where devices come to: the first listener.
    pub coaps: SocketAddr,
    /// Where other nodes come to.
    pub link: Option<SocketAddr>,
    /// The admin token.
    pub token: String,
}

/// Where a process keeps its data and log, and where it listens.
#[derive(Debug, Clone)]
pub struct Place {
    /// The binary.
    pub binary: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// The file that standard error is appended to.
    pub log: PathBuf,
    /// The API's address; port 0 takes a free one.
    pub http: SocketAddr,
    /// The devices' address; port 0 takes a free one.
    pub coaps: SocketAddr,
    /// How talkative the log is.
    pub level: &'static str,
    /// The size in MiB of a file system of its own for the data, which goes with the process.
    pub disk: Option<u32>,
    /// More variables of its environment.
    pub env: Vec<(&'static str, String)>,
}

impl Place {
    /// A place in `folder`, on free ports.
    pub fn new(binary: &str, folder: &Path) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            binary: binary.into(),
            data: folder.join("data"),
            log: folder.join("log"),
            http: free,
            coaps: free,
            level: "info",
            disk: None,
            env: Vec::new(),
        }
    }

    /// The program: the binary, or what makes its disk and becomes it.
    fn program(&self) -> Command {
        let Some(size) = self.disk else { return Command::new(&self.binary) };
        let (program, arguments) = on_disk(&self.binary, &self.data, size);
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }
}

/// What makes a file system of so many MiB at `data`, for itself alone, and becomes the binary: a
/// program, and its first arguments.
pub(crate) fn on_disk(binary: &Path, data: &Path, size: u32) -> (PathBuf, Vec<OsString>) {
    std::fs::create_dir_all(data).expect("the folder can be made");
    let script = "mount -t tmpfs -o size=$1m,mode=700 none \"$2\" && shift 2 && exec \"$@\"";
    let words = ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    let words = words.iter().map(OsString::from);
    let size = size.to_string();
    let more = [OsString::from(size), data.into(), binary.into()];
    ("unshare".into(), words.chain(more).collect())
}

impl Claviger {
    /// Starts `claviger dev` and waits until it says that it listens.
    ///
    /// # Panics
    /// If it does not start; its log is in the message.
    pub async fn start(place: &Place) -> Self {
        let mut command = place.program();
        command.args(["dev", "-o", "json", "--data"]).arg(&place.data);
        command.args(["--http", &place.http.to_string(), "--coaps", &place.coaps.to_string()]);
        command.env("CLAVIGER_LOG", place.level);
        command.envs(place.env.iter().map(|(name, value)| (name, value)));
        Self::run(command, &place.log, None).await
    }

    /// Runs `claviger server` as `command` says it, with its log in `log`, and waits until it says
    /// that it listens. Its admin token is `token`.
    ///
    /// # Panics
    /// If it does not start; its log is in the message.
    pub async fn serve(command: Command, log: &Path, token: &str) -> Self {
        Self::run(command, log, Some(token)).await
    }

    async fn run(mut command: Command, log: &Path, token: Option<&str>) -> Self {
        let file = std::fs::File::options().create(true).append(true).open(log);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.expect("the log can be written"))
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!("claviger did not start: {line:?}\n{log}");
        };
        // What comes later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ready: Value = serde_json::from_str(&line).expect("the first line is JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let address = |value: &Value| text(value).parse().expect("an address");
        let coaps = if ready["coaps"].is_array() { &ready["coaps"][0] } else { &ready["coaps"] };
        Self {
            child,
            http: reqwest::Client::new(),
            url: text(&ready["http"]),
            // A node that is no edge has none.
            coaps: if coaps.is_null() { SocketAddr::from(([0; 4], 0)) } else { address(coaps) },
            link: ready["link"].is_string().then(|| address(&ready["link"])),
            token: token.map_or_else(|| text(&ready["admin_token"]), ToOwned::to_owned),
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Ends it as a power cut does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Sends it `signal` (`-STOP`, `-CONT`), and does not wait.
    ///
    /// # Panics
    /// If it is gone.
    pub async fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.expect("kill runs").success());
    }

    /// Asks it to stop by `signal` (`-TERM`, `-INT`), and gives how it ended.
    ///
    /// # Panics
    /// If it does not stop.
    pub async fn stop(mut self, signal: &str) -> ExitStatus {
        self.signal(signal).await;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it stops in time").expect("it can be waited for")
    }

    /// Asks the API; gives the status and the JSON body, or null.
    ///
    /// # Panics
    /// If the API does not answer.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_api(method, path, body).await.expect("the API answers")
    }

    /// Asks the API, which may be down.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub async fn try_api(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        self.ask(method, &format!("/tenants/default{path}"), body).await
    }

    /// Asks the API at any path below its version; it may be down.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let method = method.parse().expect("a method");
        let url = format!("{}/api/v1{path}", self.url);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The text of a page outside the API: `/metrics`, `/readyz`.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        let response = response.expect("it answers");
        (response.status().as_u16(), response.text().await.expect("a text"))
    }

    /// Sets the connector `server` to `webhook` with `secret`, and the profile `profile` for an
    /// LwM2M server at `server_uri`.
    ///
    /// # Panics
    /// If the API refuses.
    pub async fn configure(&self, webhook: &str, secret: &str, server_uri: &str) {
        let connector = json!({ "url": webhook, "secret": secret });
        let (status, body) = self.api("PUT", "/connectors/server", Some(connector)).await;
        assert!((200..300).contains(&status), "{status} {body}");
        let profile = json!({
            "server_uri": server_uri, "short_server_id": 123, "registration_lifetime": 300,
            "credential_lifetime": 86400, "connector": "server",
        });
        let (status, body) = self.api("PUT", "/profiles/profile", Some(profile)).await;
        assert!((200..300).contains(&status), "{status} {body}");
    }

    /// Enrols a device whose endpoint, id and identity are `name`.
    ///
    /// # Panics
    /// If the API refuses.
    pub async fn enrol(&self, name: &str, psk_hex: &str) {
        let key = json!({ "format": "hex", "value": psk_hex });
        let psk = json!({ "identity": name, "key": key });
        let device = json!({ "endpoint": name, "profile": "profile", "psk": psk });
        let begun = Instant::now();
        let (status, body) = loop {
            let (status, body) = self.api("POST", "/devices", Some(device.clone())).await;
            // One that has just started may not have opened the root key yet.
            if status != 503 || begun.elapsed() > PATIENCE {
                break (status, body);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(status, 201, "{body}");
    }
}
