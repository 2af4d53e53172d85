//! The command line against Leshan's bootstrap server: devices of ours at a server that is not.
//!
//! `tests/setup` builds the server; without it these tests fail.

use claviger_loadtest::Leshan;
use std::process::{Command, Output};

fn bootstrap(leshan: &Leshan, more: &[&str]) -> Output {
    let (target, pid) = (leshan.target().to_string(), leshan.process().0.to_string());
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["bootstrap", "--target", &target, "--server-pid", &pid, "-o", "json"])
        .args(more)
        .env_remove("CLAVIGER_SERVER")
        .output()
        .expect("the binary runs")
}

fn figures(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("figures are JSON")
}

#[test]
fn devices_are_bootstrapped_and_what_it_cost_is_told() {
    let leshan = Leshan::start(20, true).expect("it starts");
    for more in [&["--devices", "20"][..], &["--devices", "20", "--cid", "--concurrency", "4"]] {
        let output = bootstrap(&leshan, more);

        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let figures = figures(&output);
        assert_eq!(figures["bootstraps"], 20, "{figures}");
        assert!(figures["up"]["datagrams"].as_f64() >= Some(8.0), "{figures}");
        assert!(figures["server"]["cpu"].as_f64() > Some(0.0), "{figures}");
    }
}

#[test]
fn a_device_that_the_server_does_not_know_fails_the_run() {
    let leshan = Leshan::start(1, false).expect("it starts");

    // It does not answer to an identity that it does not know.
    let output = bootstrap(&leshan, &["--first", "1", "--devices", "1", "--patience", "1"]);

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(figures(&output)["bootstraps"], 0);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("load-00000001: not bootstrapped after 1s"), "{said}");
}
