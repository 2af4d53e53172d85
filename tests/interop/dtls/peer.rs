//! A foreign client as a process.

use core::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(crate) const NAME: &str = "urn:dev:engine";
pub(crate) const KEY: &str = "0f0e0d0c0b0a09080706050403020100";

/// A running client; it is killed when dropped.
pub(crate) struct Peer {
    _child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    said: String,
}

impl Peer {
    /// OpenSSL's client.
    pub(crate) fn openssl(server: SocketAddr, cipher: &str, more: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command
            .env("OPENSSL_CONF", "/dev/null")
            .args(["s_client", "-dtls1_2", "-connect", &server.to_string()])
            .args(["-psk_identity", NAME, "-psk", KEY])
            .args(["-cipher", &format!("{cipher}:@SECLEVEL=0")])
            .args(more);
        Self::start(command)
    }

    /// GnuTLS's client; `cipher` as in its priority strings.
    pub(crate) fn gnutls(server: SocketAddr, cipher: &str, more: &[&str]) -> Self {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+{cipher}");
        let mut command = Command::new("gnutls-cli");
        command
            .args(["--udp", "-p", &server.port().to_string(), &server.ip().to_string()])
            .args(["--pskusername", NAME, "--pskkey", KEY, "--priority", &priority])
            .args(more);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/setup"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped");
        Self { _child: child, stdin, stdout, said: String::new() }
    }

    /// Lets it send a line.
    pub(crate) async fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it was not ended");
        stdin.write_all(line.as_bytes()).await.expect("it runs");
        stdin.write_all(b"\n").await.expect("it runs");
    }

    /// Closes its standard input, which ends it, and waits for its last word.
    pub(crate) async fn end(&mut self) -> String {
        self.stdin = None;
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).await.expect("it is readable");
        self.said += &String::from_utf8_lossy(&rest);
        self.said.clone()
    }

    /// Waits until it has printed this.
    pub(crate) async fn says(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.said.contains(text) {
            let length = self.stdout.read(&mut buffer).await.expect("it is readable");
            assert!(length > 0, "the client ended without \"{text}\":\n{}", self.said);
            self.said += &String::from_utf8_lossy(&buffer[..length]);
        }
    }
}
