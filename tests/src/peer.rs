//! Stacks that are not ours: what they are told, and what they say.

use core::time::Duration;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long anything may take. Nothing here waits that long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running peer. It is killed with its owner.
pub struct Peer {
    _life: Life,
    input: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    said: watch::Receiver<String>,
}

/// What ends when the peer is dropped.
enum Life {
    Process { _child: Child },
    Task(JoinHandle<()>),
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

/// What a peer in this process speaks with.
#[derive(Debug)]
pub struct Voice(watch::Sender<String>);

impl Voice {
    /// Says something, as a process does on its standard output.
    pub fn say(&self, words: &str) {
        self.0.send_modify(|said| said.push_str(words));
    }
}

impl core::fmt::Debug for Peer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Peer").field("said", &*self.said.borrow()).finish_non_exhaustive()
    }
}

impl Peer {
    /// Starts a program, with no configuration of OpenSSL's but its arguments.
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
        let input = child.stdin.take().expect("it is piped");
        let (sender, said) = watch::channel(String::new());
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        tokio::spawn(collect(output, sender.clone()));
        tokio::spawn(collect(errors, sender));
        Self { _life: Life::Process { _child: child }, input: Some(Box::new(input)), said }
    }

    /// Starts a peer that is a task of this process. Its input is what it is told.
    pub fn task<F>(run: impl FnOnce(DuplexStream, Voice) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (input, theirs) = tokio::io::duplex(1 << 12);
        let (sender, said) = watch::channel(String::new());
        let task = tokio::spawn(run(theirs, Voice(sender)));
        Self { _life: Life::Task(task), input: Some(Box::new(input)), said }
    }

    /// Waits until it has said this.
    pub async fn says(&mut self, words: &str) {
        let found = self.said.wait_for(|said| said.contains(words));
        let found = tokio::time::timeout(PATIENCE, found).await.map(|found| found.is_ok());
        assert_eq!(found, Ok(true), "no {words:?} in: {}", *self.said.borrow());
    }

    /// Writes a line to its input.
    pub async fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it was not ended");
        let told = async {
            input.write_all(format!("{line}\n").as_bytes()).await?;
            input.flush().await
        };
        let told = told.await;
        assert!(told.is_ok(), "{told:?}; it ended after: {}", *self.said.borrow());
    }

    /// Closes its input, which ends it, and gives all that it said.
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
