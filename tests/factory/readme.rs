//! The commands of the README's section on lists and exports are run as they stand there.

use crate::{BINARY, keep, server};
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");

/// The commands below the heading.
fn commands(heading: &str) -> String {
    let section = README.split_once(heading).expect("the section is there").1;
    let section = section.split("\n## ").next().expect("it has an end");
    let blocks = section.split("```sh\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}

#[tokio::test]
async fn the_readmes_commands_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = server(&at.join("server")).await;
    keep(at, "devices.csv", "endpoint,psk\nurn:dev:1,000102030405060708090a0b0c0d0e0f\n");
    let script = commands("\n## Lists from a factory, and exports\n");
    assert!(script.contains("factory encrypt") && script.contains("export"), "{script}");

    let path = std::env::var("PATH").unwrap();
    let binaries = Path::new(BINARY).parent().unwrap().display();
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(at);
    command.env("PATH", format!("{binaries}:{path}"));
    command.env("CLAVIGER_SERVER", &server.url).env("CLAVIGER_TOKEN", &server.token);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();

    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let clear = std::fs::read_to_string(at.join("clear.ndjson")).unwrap();
    assert!(clear.contains("000102030405060708090a0b0c0d0e0f"), "{clear}");
}
