//! The command line as its user meets it: each command against a live server.

mod commands;
mod config;
mod server;
mod trust;

use claviger_tests::{Claviger, Said, run};
use std::process::Command;

/// The binary.
const BINARY: &str = env!("CARGO_BIN_EXE_claviger");

/// The binary, with nothing in its environment that concerns it.
fn command() -> Command {
    claviger_tests::command(BINARY)
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
