//! The command line as its user meets it: each command against a live server.

mod commands;
mod config;
mod server;

use claviger_tests::Claviger;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// The binary.
const BINARY: &str = env!("CARGO_BIN_EXE_claviger");

/// How a command ended.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    /// Standard output of a command that succeeded.
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The JSON on standard output of a command that succeeded.
    fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Standard error of a command that ended with `code`.
    fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "a failure prints no data");
        self.stderr
    }
}

/// The binary, with nothing in its environment that concerns it.
fn command() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLAVIGER_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with `stdin` to its end.
fn run(mut command: Command, stdin: &str) -> Said {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut pipe = child.stdin.take().expect("it is piped");
    // A command that does not read its input may be gone already.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a command line that needs no server.
fn alone(line: &str) -> Said {
    let mut command = command();
    command.args(line.split_whitespace());
    run(command, "")
}

/// Runs a command line against `server`, with `stdin`.
async fn ask_with(server: &Claviger, line: &str, stdin: &str) -> Said {
    let mut command = command();
    command.args(line.split_whitespace());
    command.env("CLAVIGER_SERVER", &server.url).env("CLAVIGER_TOKEN", &server.token);
    let stdin = stdin.to_owned();
    tokio::task::spawn_blocking(move || run(command, &stdin)).await.expect("it does not panic")
}

/// Runs a command line against `server`.
async fn ask(server: &Claviger, line: &str) -> Said {
    ask_with(server, line, "").await
}
