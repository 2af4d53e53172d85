//! `claviger dev` as its user meets it: it starts, says where it is, keeps what it is told, stops.

use claviger_tests::{Claviger, Place, Receiver};
use std::process::Command;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn place(folder: &tempfile::TempDir) -> Place {
    Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path())
}

#[tokio::test]
async fn stops_cleanly_and_keeps_what_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let receiver = Receiver::start().await;
    for (round, signal) in ["-TERM", "-INT", "-TERM"].into_iter().enumerate() {
        // Given a start with what earlier rounds left
        let claviger = Claviger::start(&place).await;
        if round == 0 {
            claviger.configure(&receiver.url, &receiver.secret, "coaps://127.0.0.1:5999").await;
        }
        for earlier in 0..round {
            let path = format!("/devices/urn:dev:{earlier}");
            let (status, device) = claviger.api("GET", &path, None).await;
            assert_eq!(status, 200, "{device}");
        }

        // When a device is enrolled and a signal comes, then it stops with success
        claviger.enrol(&format!("urn:dev:{round}"), KEY).await;
        assert!(claviger.stop(signal).await.success(), "{signal}");
    }
}

#[tokio::test]
async fn says_that_it_lives_is_ready_and_what_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = Claviger::start(&place(&folder)).await;

    assert_eq!(claviger.page("/livez").await.0, 200);
    assert_eq!(claviger.page("/readyz").await.0, 200);
    let (status, metrics) = claviger.page("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "claviger_bootstrap_sessions_finished_total{result=\"delivered\"} 0",
        "claviger_bootstrap_stage_total{outcome=\"failed\",stage=\"write_security\"} 0",
        "claviger_dtls_handshakes_total{result=\"ok\"} 0",
        "claviger_raft_is_leader 1",
        "claviger_actors{kind=\"device\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn the_data_folder_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let _claviger = Claviger::start(&place).await;

    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&place.data) & 0o777, 0o700);
    assert_eq!(mode(&place.data.join("kek")) & 0o777, 0o600);
}

/// Runs `claviger dev` where it cannot start; gives its exit code and what it said.
fn refused(place: &Place, http: &str) -> (Option<i32>, String) {
    let output = Command::new(&place.binary)
        .args(["dev", "--coaps", "127.0.0.1:0", "--http", http, "--data"])
        .arg(&place.data)
        .output()
        .expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn says_what_keeps_it_from_starting() {
    // Given a port that is taken, and a data folder whose key file is another's
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (place, elsewhere) = (place(&folder), place(&other));
    let running = Claviger::start(&place).await;
    let taken = running.url.trim_start_matches("http://").to_owned();

    let (code, said) = refused(&elsewhere, &taken);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&taken) && said.contains("listen"), "{said}");

    assert!(running.stop("-TERM").await.success());
    Claviger::start(&elsewhere).await.stop("-TERM").await;
    std::fs::copy(elsewhere.data.join("kek"), place.data.join("kek")).unwrap();
    let (code, said) = refused(&place, "127.0.0.1:0");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("KEK"), "{said}");
}
