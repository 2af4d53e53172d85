//! The load test against a whole process: its devices go through, and it says which do not.
//!
//! Nothing here is about time. Figures come from `just bench-bootstrap`, on a build for release.

use claviger_loadtest::{Api, Kind, Load, Lwm2m, Pace, Process, Report, Tally, measure};
use claviger_tests::{Claviger, Place};
use core::time::Duration;

/// How long a bootstrap may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const FINISHED: &str = "claviger_bootstrap_sessions_finished_total{result=\"delivered\"} ";

async fn claviger(folder: &tempfile::TempDir) -> Claviger {
    Claviger::start(&Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path())).await
}

/// Enrols `enrolled` devices, and drives `driven` of them; the driver blocks its thread.
async fn drive(claviger: &Claviger, enrolled: u32, driven: u32, pace: Pace) -> (Report, Tally) {
    let (url, token) = (claviger.url.clone(), claviger.token.clone());
    let (target, process) = (claviger.coaps, Process(claviger.pid()));
    let run = move || {
        let told = Api::new(&url, &token)?.prepare(0..enrolled)?;
        let kind = Kind { cid: true, version: Lwm2m::V1_1 };
        let (first, devices, count) = (0, driven, driven);
        let load = Load { target, first, devices, count, pace, patience: PATIENCE, kind };
        let measured = measure(&load, Some(process), &move |_, account| told.take(account));
        measured.map_err(claviger_loadtest::Failure::because("cannot measure"))
    };
    let ran = tokio::task::spawn_blocking(run).await;
    ran.expect("the driver does not panic").expect("it can be measured")
}

/// How many bootstraps Claviger counts as delivered, when it has counted so many or time is up.
async fn delivered(claviger: &Claviger, expected: u64) -> u64 {
    let mut counted = 0;
    for _ in 0..100 {
        let (_, metrics) = claviger.page("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(FINISHED));
        counted = line.and_then(|number| number.parse().ok()).unwrap_or(0);
        if counted >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    counted
}

#[tokio::test]
async fn fifty_devices_are_bootstrapped_eight_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = drive(&claviger, 50, 50, Pace::Closed(8)).await;

    assert_eq!(tally.failures, []);
    assert_eq!((report.bootstraps, tally.took.len()), (50, 50));
    assert_eq!(delivered(&claviger, 50).await, 50);
    assert!(tally.up.datagrams >= 50 * 8 && tally.down.bytes > 50 * 500, "{tally:?}");
    let server = report.server.unwrap();
    assert!(server.cpu > 0.0 && server.peak_rss_mib >= server.rss_mib, "{server:?}");
}

#[tokio::test]
async fn fifty_devices_are_bootstrapped_in_a_storm() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = drive(&claviger, 50, 50, Pace::Storm(Duration::ZERO)).await;

    assert_eq!(tally.failures, []);
    assert_eq!(report.bootstraps, 50);
    assert_eq!(delivered(&claviger, 50).await, 50);
}

#[tokio::test]
async fn a_device_that_fails_is_named_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = drive(&claviger, 2, 3, Pace::Closed(1)).await;

    assert_eq!(report.bootstraps, 2);
    let said = tally.all_succeeded().unwrap_err().to_string();
    assert!(said.starts_with("1 bootstraps failed:\n  load-00000002: "), "{said}");
    assert!(said.contains("unknown_psk_identity"), "{said}");
}
