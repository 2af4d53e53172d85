//! A `claviger server` under test, as an operator has it.

use core::time::Duration;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How long something may take on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, with its data in `data` below its folder; killed when dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
    token: String,
}

impl Server {
    /// Starts one with more in its configuration than listeners and folders.
    pub(crate) fn start(folder: &Path, more: &str) -> Self {
        Self::start_with(folder, more, &[])
    }

    /// The same, with variables in its environment.
    pub(crate) fn start_with(folder: &Path, more: &str, env: &[(&str, &Path)]) -> Self {
        let config = folder.join("claviger.toml");
        let text = format!(
            "[node]\ndata = '{}'\n[http]\nlisten = '127.0.0.1:0'\n[[coaps]]\nlisten = '127.0.0.1:0'\n{more}",
            folder.join("data").display()
        );
        std::fs::write(&config, text).expect("it is so");
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command.args(["server", "-o", "json", "--config"]).arg(&config);
        command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(log.expect("it is so"));
        let mut child = command.spawn().expect("it is so");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is so"))
            .read_line(&mut line)
            .expect("it is so");
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}\n{}", log()));
        let token = std::fs::read_to_string(folder.join("data/admin-token")).expect("it is so");
        let url = said["http"].as_str().expect("it is so").to_owned();
        Self { child, url, token: token.trim().to_owned() }
    }

    /// Asks it to stop; gives how it ended.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("it is so").success());
        self.child.wait().expect("it is so").code()
    }

    /// Runs the command line against it: what it said on both ways, or what went wrong.
    pub(crate) fn claviger(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command.args(args).env("CLAVIGER_SERVER", &self.url).env("CLAVIGER_TOKEN", &self.token);
        let output = command.stdin(Stdio::null()).output().expect("it is so");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is so");
        match output.status.success() {
            true => Ok(text(output.stdout) + &text(output.stderr)),
            false => Err(text(output.stderr)),
        }
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let url = format!("{}{path}", self.url);
        let (method, token) =
            (method.parse::<reqwest::Method>().expect("it is so"), self.token.clone());
        let asking = async move {
            let client = reqwest::Client::builder().no_proxy().build().expect("it is so");
            let request = client.request(method, url).bearer_auth(token);
            let request =
                body.map_or(request.try_clone().expect("it is so"), |body| request.json(&body));
            let response = request.send().await.expect("it is so");
            (response.status().as_u16(), response.text().await.expect("it is so"))
        };
        tokio::runtime::Runtime::new().expect("it is so").block_on(asking)
    }

    /// A page outside the API.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, None)
    }

    /// Asks about the cluster.
    pub(crate) fn cluster(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (_, text) = self.ask(method, &format!("/api/v1/cluster{path}"), body);
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Asks about the tenant `default`.
    pub(crate) fn tenant(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (_, text) = self.ask(method, &format!("/api/v1/tenants/default{path}"), body);
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Waits until it serves.
    pub(crate) fn wait_ready(&self) {
        let began = std::time::Instant::now();
        while self.page("/readyz").0 != 200 {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.page("/readyz"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Enrols a device.
    pub(crate) fn enrol(&self, name: &str) {
        self.wait_ready();
        let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let connector = json!({ "url": "https://a.example/", "secret": secret });
        self.tenant("PUT", "/connectors/c", Some(connector));
        let profile = json!({ "server_uri": "coaps://a.example", "connector": "c" });
        self.tenant("PUT", "/profiles/p", Some(profile));
        let key = json!({ "format": "hex", "value": "63616e6172792d63616e6172792d3031" });
        let psk = json!({ "identity": name, "key": key });
        let device = json!({ "endpoint": name, "profile": "p", "psk": psk });
        let made = self.tenant("POST", "/devices", Some(device));
        assert_eq!(made["id"], name, "{made}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that only its owner may read.
pub(crate) fn private(path: PathBuf, text: &[u8]) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).expect("it is so");
    file.write_all(text).expect("it is so");
    path
}
