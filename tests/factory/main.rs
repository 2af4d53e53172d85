//! Lists from a factory and exports, as their users meet them: the binary against a server, and
//! pyhpke as the other end of the format.

mod lists;
mod peer;
mod readme;

use claviger_tests::{Claviger, Place, Said};
use std::path::Path;

const BINARY: &str = env!("CARGO_BIN_EXE_claviger");

/// Runs a command line in `folder` with `stdin`, against `server` if there is one.
fn run(folder: &Path, server: Option<&Claviger>, line: &str, stdin: &str) -> Said {
    let mut command = claviger_tests::command(BINARY);
    command.args(line.split_whitespace()).current_dir(folder);
    if let Some(server) = server {
        command.env("CLAVIGER_SERVER", &server.url).env("CLAVIGER_TOKEN", &server.token);
    }
    claviger_tests::run(command, stdin)
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
