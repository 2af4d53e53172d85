//! The load test against a whole process: its devices go through, and it says which do not.
//!
//! Nothing here is about time. Figures come from `just bench-bootstrap`, on a build for release.

use claviger_loadtest::{
    Api, Credential, Failure, Goal, Hooks, Kind, Load, Lwm2m, Pace, Process, Report, Sessions,
    Site, Tally, drive_foreign, measure, measure_by, measure_moving, measure_remote,
    measure_sessions, scale,
};
use claviger_tests::{Claviger, Place};
use core::time::Duration;
use std::path::Path;

/// How long a bootstrap may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const FINISHED: &str = "claviger_bootstrap_sessions_finished_total{result=\"delivered\"} ";
const OPENED: &str = "claviger_dtls_sessions_opened_total ";

async fn claviger(folder: &tempfile::TempDir) -> Claviger {
    Claviger::start(&Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path())).await
}

/// Of devices from number 0.
fn load(claviger: &Claviger, devices: u32, pace: Pace, goal: Goal) -> Load {
    let (target, first, count) = (claviger.coaps, 0, devices);
    let kind = Kind { cid: true, version: Lwm2m::V1_1, credential: Credential::Psk };
    Load { target, first, devices, count, pace, patience: PATIENCE, kind, goal }
}

/// Enrols `enrolled` devices, and drives `driven` of them; the driver blocks its thread.
async fn drive(claviger: &Claviger, enrolled: u32, driven: u32, pace: Pace) -> (Report, Tally) {
    let (url, token) = (claviger.url.clone(), claviger.token.clone());
    let load = load(claviger, driven, pace, Goal::Bootstrap);
    let process = Process(claviger.pid());
    let run = move || {
        let told = Api::new(&url, &token)?.prepare(0..enrolled)?;
        let mut counted = 0;
        let watch = &mut |done| counted = done;
        let check = &move |_: &str, account: &_| told.take(account);
        let measured = measure(&load, Some(process), &mut Hooks { check, watch });
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
        assert_eq!(counted, tally.took.len());
        Ok::<_, Failure>((report, tally))
    };
    let ran = tokio::task::spawn_blocking(run).await;
    ran.expect("the driver does not panic").expect("it can be measured")
}

/// Enrols `enrolled` devices, opens sessions of `opened` that stay, and lets `probes` ask in them.
async fn hold(
    claviger: &Claviger,
    (enrolled, opened, probes): (u32, u32, usize),
    goal: Goal,
) -> (Sessions, Tally) {
    let (url, token) = (claviger.url.clone(), claviger.token.clone());
    let load = load(claviger, opened, Pace::Closed(8), goal);
    let process = Process(claviger.pid());
    let run = move || {
        let told = Api::new(&url, &token)?.prepare(0..enrolled)?;
        let check = &move |_: &str, account: &_| told.take(account);
        let mut hooks = Hooks { check, watch: &mut |_| {} };
        let measured = measure_sessions(&load, probes, Some(process), &mut hooks);
        measured.map_err(Failure::because("cannot measure"))
    };
    let ran = tokio::task::spawn_blocking(run).await;
    ran.expect("the driver does not panic").expect("it can be measured")
}

/// What Claviger counts on this line of its metrics, when it has counted so many or time is up.
async fn counted(claviger: &Claviger, line: &str, expected: u64) -> u64 {
    let mut counted = 0;
    for _ in 0..100 {
        let (_, metrics) = claviger.page("/metrics").await;
        let line = metrics.lines().find_map(|text| text.strip_prefix(line));
        counted = line.and_then(|number| number.parse().ok()).unwrap_or(0);
        if counted >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_bootstrap_by_keys_and_certificates_too() {
    for credential in [Credential::Rpk, Credential::X509] {
        let folder = tempfile::tempdir().expect("a folder");
        let claviger = claviger(&folder).await;
        let mut load = load(&claviger, 6, Pace::Closed(3), Goal::Bootstrap);
        load.kind.credential = credential;
        let (url, token) = (claviger.url.clone(), claviger.token.clone());

        let driven = tokio::task::spawn_blocking(move || {
            let told = Api::new(&url, &token)?.proving(credential).prepare(0..6)?;
            let check = move |_: &str, account: &_| told.take(account);
            let watch = &mut |_| {};
            let measured = measure(&load, None, &mut Hooks { check: &check, watch });
            let (_, tally) = measured.map_err(Failure::because("cannot measure"))?;
            tally.all_succeeded()
        });

        assert!(matches!(driven.await, Ok(Ok(()))), "{credential}");
    }
}

#[tokio::test]
async fn fifty_devices_are_bootstrapped_eight_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = drive(&claviger, 50, 50, Pace::Closed(8)).await;

    assert_eq!(tally.failures, []);
    assert_eq!((report.done, tally.took.len()), (50, 50));
    assert_eq!(counted(&claviger, FINISHED, 50).await, 50);
    assert!(tally.up.datagrams >= 50 * 8 && tally.down.bytes > 50 * 500, "{tally:?}");
    assert!(report.worst_stall.ms > 0.0 && tally.lost == 0, "{report:?}");
    let server = report.server.unwrap();
    assert!(server.cpu > 0.0 && server.peak_rss_mib >= server.rss_mib, "{server:?}");
    assert!(report.others.is_some_and(|others| others.processes >= 0.0), "{report:?}");
}

#[tokio::test]
async fn forty_clients_of_another_library_open_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;
    let (url, token) = (claviger.url.clone(), claviger.token.clone());
    let load = load(&claviger, 40, Pace::Closed(8), Goal::Handshake);
    let process = Process(claviger.pid());
    let run = move || {
        Api::new(&url, &token)?.prepare(0..40)?;
        let mut hooks = Hooks { check: &|_, _| Ok(()), watch: &mut |_| {} };
        let measured = measure_by(&load, Some(process), || drive_foreign(&load, &mut hooks));
        measured.map_err(Failure::because("cannot measure"))
    };

    let ran = tokio::task::spawn_blocking(run).await;

    let (report, tally) = ran.expect("it does not panic").expect("it can be measured");
    assert_eq!(tally.failures, []);
    assert_eq!((report.done, tally.ended.len()), (40, 40));
    assert_eq!(counted(&claviger, OPENED, 40).await, 40);
    assert!(!report.table().contains("up, each"), "{}", report.table());
}

#[tokio::test]
async fn fifty_devices_are_bootstrapped_in_a_storm() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = drive(&claviger, 50, 50, Pace::Storm(Duration::ZERO)).await;

    assert_eq!(tally.failures, []);
    assert_eq!(report.done, 50);
    assert_eq!(counted(&claviger, FINISHED, 50).await, 50);
}

#[tokio::test]
async fn sessions_that_are_kept_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = hold(&claviger, (40, 40, 5), Goal::Handshake).await;

    assert_eq!(tally.failures, []);
    assert_eq!((report.run.done, report.probes.asked, report.probes.bootstrapped), (40, 5, 5));
    // Nobody made a second handshake to be bootstrapped.
    assert_eq!(counted(&claviger, FINISHED, 5).await, 5);
    assert_eq!(counted(&claviger, OPENED, 40).await, 40);
    assert_eq!(report.steps.iter().map(|step| step.sessions).collect::<Vec<_>>(), [40]);
    assert!(report.rss_each.is_some(), "{report:?}");
}

#[tokio::test]
async fn devices_that_were_bootstrapped_ask_again_in_their_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = hold(&claviger, (20, 20, 20), Goal::Bootstrap).await;

    assert_eq!(tally.failures, []);
    assert_eq!((report.run.done, report.probes.bootstrapped), (20, 20));
    assert_eq!(counted(&claviger, FINISHED, 40).await, 40);
    assert_eq!(counted(&claviger, OPENED, 20).await, 20);
}

#[tokio::test]
async fn a_device_that_fails_is_named_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = drive(&claviger, 2, 3, Pace::Closed(1)).await;

    assert_eq!((report.done, report.failed), (2, 1));
    let said = tally.all_succeeded().unwrap_err().to_string();
    assert!(said.starts_with("1 device failed:\n  load-00000002: "), "{said}");
    assert!(said.contains("unknown_psk_identity"), "{said}");
}

#[tokio::test]
async fn a_session_that_does_not_open_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;

    let (report, tally) = hold(&claviger, (1, 2, 1), Goal::Handshake).await;

    assert_eq!((report.run.done, report.run.failed, report.probes.bootstrapped), (1, 1, 0));
    assert!(tally.all_succeeded().is_err());
}

#[tokio::test]
async fn devices_are_enrolled_again_where_their_keys_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;
    let last = load(&claviger, 1, Pace::Closed(1), Goal::Bootstrap);
    let (url, token) = (claviger.url.clone(), claviger.token.clone());

    // More than one request, and then devices of which some are enrolled.
    let run = move || {
        let api = Api::new(&url, &token)?;
        api.prepare_pull(0..2_100)?;
        api.prepare_pull(1_000..2_200)?;
        let (check, watch) = (&|_: &str, _: &_| Ok(()), &mut |_| {});
        let measured = measure(&Load { first: 2_199, ..last }, None, &mut Hooks { check, watch });
        measured.map_err(Failure::because("cannot measure"))
    };
    let ran = tokio::task::spawn_blocking(run).await.expect("it does not panic");

    let (report, tally) = ran.expect("all are enrolled");
    assert_eq!((report.done, tally.failures), (1, vec![]));
}

#[tokio::test]
async fn a_device_with_another_key_is_not_enrolled_and_not_bootstrapped() {
    let folder = tempfile::tempdir().unwrap();
    let claviger = claviger(&folder).await;
    // Devices are told of by nobody here.
    let kind = serde_json::json!({ "kind": "pull", "url": "" });
    assert_eq!(claviger.api("PUT", "/connectors/server", Some(kind)).await.0, 201);
    let profile =
        serde_json::json!({ "server_uri": "coaps://127.0.0.1:5683", "connector": "server" });
    assert_eq!(claviger.api("PUT", "/profiles/profile", Some(profile)).await.0, 201);
    claviger.enrol("load-00000000", "00112233445566778899aabbccddeeff").await;
    let (url, token) = (claviger.url.clone(), claviger.token.clone());
    let patience = Duration::from_secs(1);
    let load = Load { patience, ..load(&claviger, 1, Pace::Closed(1), Goal::Bootstrap) };

    let run = move || {
        let enrolled = Api::new(&url, &token)?.prepare(0..1);
        let (check, watch) = (&|_: &str, _: &_| Ok(()), &mut |_| {});
        let measured = measure(&load, None, &mut Hooks { check, watch });
        let (_, tally) = measured.map_err(Failure::because("cannot measure"))?;
        Ok::<_, Failure>((enrolled.map(drop), tally.all_succeeded()))
    };
    let ran = tokio::task::spawn_blocking(run).await.expect("it does not panic");

    let (enrolled, driven) = ran.expect("it can be measured");
    let words = enrolled.unwrap_err().to_string();
    assert!(words.starts_with("load-00000000 is not enrolled: "), "{words}");
    let words = driven.unwrap_err().to_string();
    let expected =
        "1 device failed:\n  load-00000000: not bootstrapped after 1s: it has no session, ";
    assert!(words.starts_with(expected), "{words}");
}

#[tokio::test]
async fn a_fleet_is_enrolled_wakes_sleeps_and_outlives_a_kill() {
    let data = tempfile::tempdir().expect("a folder");
    let plan = scale::Plan {
        binary: env!("CARGO_BIN_EXE_claviger").into(),
        data: data.path().to_owned(),
        devices: 120,
        beside: 20,
        rounds: 1,
        bootstraps: 10,
        concurrency: 4,
        sleep_after: 45,
        fill: false,
    };

    let ran = tokio::task::spawn_blocking(move || scale::run(&plan, &mut |_| {})).await;

    let report = ran.expect("it does not panic").expect("it can be measured");
    // Those of the round before are awake too.
    assert_eq!((report.enrolled.actors, report.awake.actors), (0, 120));
    assert_eq!(report.asleep.actors, 0);
    // A new leader wakes those whose bootstrap may have been under way.
    assert!(report.restarted.actors <= 120, "{report:?}");
    assert_eq!((report.before.len(), report.after.len()), (1, 1));
    assert!(report.ready_in > 0.0 && report.log_mib > 0.0, "{report:?}");
    assert!(report.table().contains("120 actors"), "{}", report.table());
}

#[test]
fn devices_bootstrap_through_the_edges_of_a_cluster_and_go_on_at_another() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_claviger"));
    let site = Site::start(binary, folder.path(), 2).expect("a cluster starts");
    site.api().unwrap().prepare_pull(0..46).expect("all are enrolled");
    let kind = Kind { cid: true, version: Lwm2m::V1_1, credential: Credential::Psk };

    let remote = measure_remote(&site, 0..40, 4, kind, &|_, _| Ok(())).expect("all succeed");
    let edges = [site.edges()[0], site.edges()[1]];
    let moving = measure_moving(edges, 40..46, kind, &|_, _| Ok(())).expect("all succeed");

    assert_eq!((remote.edges, remote.done), (2, 40));
    assert!(remote.leader_ms > 0.0 && remote.edges_ms > 0.0, "{remote:?}");
    assert!(remote.followers_ms > 0.0 && remote.per_cpu() > 0.0, "{remote:?}");
    assert_eq!(moving.devices, 6);
    assert!(moving.first.p50 > 0.0 && moving.next.p50 > 0.0, "{moving:?}");
}
