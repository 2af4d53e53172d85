//! Stacks that are not ours, as processes: what they are told, and what they say.

use core::time::Duration;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

/// How long anything may take. Nothing here waits that long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running peer. It is killed with its owner.
#[derive(Debug)]
pub struct Peer {
    _child: Child,
    input: Option<ChildStdin>,
    said: watch::Receiver<String>,
}

impl Peer {
    /// Starts it, with no configuration of OpenSSL's but its arguments.
    ///
    /// # Panics
    /// If the program is missing: `tests/setup` installs all of them.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .env("OPENSSL_CONF", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/setup"));
        let input = child.stdin.take();
        let (sender, said) = watch::channel(String::new());
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        tokio::spawn(collect(output, sender.clone()));
        tokio::spawn(collect(errors, sender));
        Self { _child: child, input, said }
    }

    /// Waits until it has said this.
    pub async fn says(&mut self, words: &str) {
        let found = self.said.wait_for(|said| said.contains(words));
        let found = tokio::time::timeout(PATIENCE, found).await.map(|found| found.is_ok());
        assert_eq!(found, Ok(true), "no {words:?} in: {}", *self.said.borrow());
    }

    /// All that it has said.
    pub fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Writes a line to its standard input.
    pub async fn tell(&mut self, line: &str) {
        self.tell_bytes(format!("{line}\n").as_bytes()).await;
    }

    /// Writes these bytes to its standard input.
    pub async fn tell_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("it was not ended");
        let told = input.write_all(bytes).await;
        assert!(told.is_ok(), "{told:?}; it ended after: {}", *self.said.borrow());
    }

    /// Closes its standard input, which ends it, and gives all that it said.
    pub async fn end(&mut self) -> String {
        self.input = None;
        let ended = async { while self.said.changed().await.is_ok() {} };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        assert_eq!(ended, Ok(()), "it does not end after: {}", *self.said.borrow());
        self.said.borrow().clone()
    }
}

async fn collect(mut from: impl AsyncReadExt + Unpin, into: watch::Sender<String>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let words = String::from_utf8_lossy(&buffer[..length]).into_owned();
        into.send_modify(|said| said.push_str(&words));
    }
}
