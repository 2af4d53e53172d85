//! The command line against Leshan's bootstrap server: devices of ours at a server that is not.
//!
//! `tests/setup` builds the server; without it these tests fail.

use claviger_loadtest::{Credential, Leshan};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(arguments)
        .env_remove("CLAVIGER_SERVER")
        .output()
        .expect("the binary runs")
}

fn bootstrap(leshan: &Leshan, more: &[&str]) -> Output {
    let (target, pid) = (leshan.target().to_string(), leshan.process().0.to_string());
    let which = ["bootstrap", "--target", &target, "--server-pid", &pid, "-o", "json"];
    loadtest(&[&which, more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn figures(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("figures are JSON")
}

#[test]
fn devices_are_bootstrapped_and_what_it_cost_is_told() {
    let leshan = Leshan::start(20, true, Credential::Psk).expect("it starts");
    for more in [&["--devices", "20"][..], &["--devices", "20", "--cid", "--concurrency", "4"]] {
        let output = bootstrap(&leshan, more);

        assert!(output.status.success(), "{}", said(&output));
        let figures = figures(&output);
        assert_eq!(figures["done"], 20, "{figures}");
        assert!(figures["up"]["datagrams"].as_f64() >= Some(8.0), "{figures}");
        assert!(figures["server"]["cpu"].as_f64() > Some(0.0), "{figures}");
    }
}

#[test]
fn devices_are_bootstrapped_by_their_certificates() {
    let leshan = Leshan::start(10, false, Credential::X509).expect("it starts");

    let output = bootstrap(&leshan, &["--devices", "10", "--credential", "x509"]);

    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(figures(&output)["done"], 10);
}

#[test]
fn a_device_that_the_server_does_not_know_fails_the_run() {
    let leshan = Leshan::start(1, false, Credential::Psk).expect("it starts");

    // It does not answer to an identity that it does not know.
    let output = bootstrap(&leshan, &["--first", "1", "--devices", "1", "--patience", "1"]);

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(figures(&output)["done"], 0);
    let said = said(&output);
    assert!(said.contains("load-00000001: not bootstrapped after 1s"), "{said}");
}

#[test]
fn sessions_of_a_server_that_is_started_are_kept_and_used_again() {
    let arguments = ["sessions", "--start", "leshan", "--sessions", "30", "--probes", "7"];

    let output = loadtest(&[&arguments[..], &["-o", "json"]].concat());

    assert!(output.status.success(), "{}", said(&output));
    let figures = figures(&output);
    assert_eq!((&figures["done"], &figures["scenario"]["goal"]), (&30.into(), &"handshake".into()));
    assert_eq!(figures["probes"]["bootstrapped"], 7, "{figures}");
    assert_eq!(figures["steps"][0]["sessions"], 30, "{figures}");
}

#[test]
fn what_is_warmed_up_with_is_not_counted() {
    let which = ["bootstrap", "--start", "leshan", "--devices", "3", "--warm-up", "20"];

    let output = loadtest(&[&which[..], &["-o", "json"]].concat());

    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(figures(&output)["done"], 3);
}

#[test]
fn a_process_that_is_not_there_is_told_before_anything_is_driven() {
    let which = ["--target", "127.0.0.1:9", "--server-pid", "4194304"];

    let output = loadtest(&[&["sessions", "--sessions", "1"], &which[..]].concat());

    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.starts_with("loadtest: cannot measure the process 4194304: "), "{said}");
}

#[test]
fn a_comparison_without_claviger_says_so() {
    let which = ["compare", "bootstrap", "--quick", "--claviger", "/nowhere/claviger"];

    let output = loadtest(&which);

    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("loadtest: /nowhere/claviger cannot be started: "), "{said}");
}

#[test]
fn a_server_that_was_started_ends_with_the_one_that_started_it() {
    let mut peer = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    peer.args(["peer", "leshan", "--devices", "1"]).stdout(Stdio::piped());
    let mut peer = peer.spawn().expect("the binary runs");
    let mut line = String::new();
    BufReader::new(peer.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid = line.trim().rsplit_once(' ').expect("it ends with the process id").1.to_owned();
    assert!(std::path::Path::new("/proc").join(&pid).exists(), "{line}");

    let id = peer.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());

    assert_eq!(peer.wait().unwrap().code(), Some(130));
    assert!(!std::path::Path::new("/proc").join(&pid).exists(), "{line}");
}
