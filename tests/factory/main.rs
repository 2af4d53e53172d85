//! Lists from a factory and exports, as their users meet them: the binary against a server, and
//! pyhpke as the other end of the format.

mod lists;
mod peer;
mod readme;

use claviger_tests::{Claviger, Place};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_claviger");

/// How a command ended.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("it is JSON")
    }
}

/// Runs a command line in `folder` with `stdin`, against `server` if there is one.
fn run(folder: &Path, server: Option<&Claviger>, line: &str, stdin: &str) -> Said {
    let mut command = Command::new(BINARY);
    command.args(line.split_whitespace()).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLAVIGER_") {
            command.env_remove(name);
        }
    }
    if let Some(server) = server {
        command.env("CLAVIGER_SERVER", &server.url).env("CLAVIGER_TOKEN", &server.token);
    }
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut pipe = child.stdin.take().expect("it is piped");
    let stdin = stdin.to_owned();
    // Beside the reading of its answer: both pipes are short.
    let writing = std::thread::spawn(move || pipe.write_all(stdin.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    // A command that does not read its input may be gone already.
    let _ = writing.join().expect("it does not panic");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A server in `folder` with the connector `server` and the profile `meters`.
async fn server(folder: &Path) -> Claviger {
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let server = Claviger::start(&Place::new(BINARY, folder)).await;
    run(folder, Some(&server), "connector put server --url http://127.0.0.1:9/", "").ok();
    let line = "profile put meters --server-uri coaps://127.0.0.1:5999 --connector server";
    run(folder, Some(&server), line, "").ok();
    server
}

/// Keeps what a command printed as a file in `folder`.
fn keep(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("the folder can be written to");
}
