//! Each command that asks the API.

use crate::{alone, ask, ask_with, command, run};
use claviger_tests::{Claviger, Place};
use core::time::Duration;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

async fn server(folder: &tempfile::TempDir) -> Claviger {
    Claviger::start(&Place::new(crate::BINARY, folder.path())).await
}

/// Sets the connector `server` and the profile `meters`.
async fn configure(server: &Claviger) {
    ask(server, "connector put server --url http://127.0.0.1:9/").await.ok();
    let line = "profile put meters --server-uri coaps://127.0.0.1:5999 --connector server";
    ask(server, line).await.ok();
}

#[tokio::test]
async fn connectors_and_profiles_are_set_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;

    // A secret that is made is shown once, one that is given never.
    let made = ask(&server, "connector put made --url http://127.0.0.1:9/ -o json").await.json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let line = "connector put given --url https://example.com/x --secret-file -";
    let given = ask_with(&server, line, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    assert!(!given.await.ok().contains("whsec"));
    assert!(!ask(&server, "connector show made").await.ok().contains("whsec"));

    let line = "profile put meters --server-uri coaps://127.0.0.1:5999 --connector made \
                --short-server-id 7";
    assert!(ask(&server, line).await.ok().contains("Short Server ID        7"));
    assert_eq!(ask(&server, "profile show meters -o json").await.json()["short_server_id"], 7);
    assert!(ask(&server, "profile list").await.ok().contains("meters"));
}

#[tokio::test]
async fn a_device_is_enrolled_shown_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;
    let line = "profile put other --server-uri coaps://127.0.0.1:5998 --connector server";
    ask(&server, line).await.ok();

    let line = "device enrol --endpoint urn:dev:1 --profile meters --psk-file -";
    let story = ask_with(&server, line, KEY).await.ok();
    assert!(story.contains("urn:dev:1") && !story.contains(KEY), "{story}");

    assert_eq!(ask(&server, "device show urn:dev:1 -o json").await.json()["profile"], "meters");
    for what in ["timeline", "audit"] {
        let told = ask(&server, &format!("device {what} urn:dev:1 -o json")).await.json();
        assert_eq!(told["entries"][0]["code"], "device.enrolled", "{what}");
        let told = ask(&server, &format!("device {what} urn:dev:1")).await.ok();
        assert!(told.contains("device.enrolled"), "{told}");
    }
    let changed = ask(&server, "device set urn:dev:1 --profile other -o json").await.json();
    assert_eq!(changed["profile"], "other");
    assert!(ask(&server, "device rotate urn:dev:1").await.ok().contains("credential.rotation_due"));

    // Without a terminal there is nobody to ask.
    assert!(ask(&server, "device delete urn:dev:1").await.failed(2).contains("--yes"));
    assert_eq!(ask(&server, "device delete urn:dev:1 --yes").await.ok(), "");
    ask(&server, "device show urn:dev:1").await.failed(3);
}

#[tokio::test]
async fn credentials_are_listed_shown_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;
    let line = "device enrol --endpoint urn:dev:1 --profile meters --psk-file -";
    ask_with(&server, line, KEY).await.ok();

    let all = ask(&server, "credential list urn:dev:1 -o json").await.json();
    let id = all["credentials"][0]["id"].as_str().unwrap();
    assert!(ask(&server, "credential list urn:dev:1").await.ok().contains(id));
    let shown = ask(&server, &format!("credential show urn:dev:1 {id}")).await.ok();
    assert!(shown.contains("16 bytes") && !shown.contains(KEY), "{shown}");

    let revoke = format!("credential revoke urn:dev:1 {id} --reason stolen");
    assert!(ask(&server, &revoke).await.failed(2).contains("--yes"));
    let revoked = ask(&server, &format!("{revoke} --yes -o json")).await.json();
    assert_eq!(revoked["state"], "revoked");
    assert!(ask(&server, "device timeline urn:dev:1").await.ok().contains("stolen"));
}

#[tokio::test]
async fn what_is_used_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;

    assert!(ask(&server, "connector list").await.ok().contains("server"));
    ask(&server, "connector delete server --yes").await.failed(4);
    ask(&server, "profile delete meters --yes").await.ok();
    ask(&server, "connector delete server --yes").await.ok();
    assert!(!ask(&server, "profile list").await.ok().contains("meters"));
    ask(&server, "profile delete meters --yes").await.failed(3);
}

#[tokio::test]
async fn a_file_of_devices_is_enrolled_line_by_line() {
    // Given a list of 2,500 devices, with a line that is wrong and one that repeats a name
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;
    let mut csv = "endpoint,psk\n".to_owned();
    for device in 0..2500 {
        csv += &format!("urn:dev:{device:04},{device:032x}\n");
    }
    csv += "urn:dev:wrong,00\nurn:dev:0007,ffffffffffffffffffffffffffffffff\n";
    let file = folder.path().join("devices.csv");
    std::fs::write(&file, &csv).unwrap();
    let enrol = format!("device enrol --profile meters --file {}", file.display());

    // When it is tried, given, and given again
    let tried = ask(&server, &format!("{enrol} --dry-run")).await;
    assert_eq!(tried.code, Some(7), "{}", tried.stderr);
    // The two lines for one device are far apart: a dry run, which writes nothing, misses that.
    assert!(tried.stdout.contains("Would be enrolled  2501"), "{}", tried.stdout);
    assert!(!ask(&server, "device list").await.ok().contains("urn:dev:"));
    let given = ask(&server, &enrol).await;
    assert_eq!(given.code, Some(7), "{}", given.stderr);
    let again = ask(&server, &format!("{enrol} -o json")).await;
    assert_eq!(again.code, Some(7), "{}", again.stderr);

    // Then each line had its answer, and none was enrolled twice
    for words in [
        "line 2502: urn:dev:wrong: psk.key.value: ",
        "line 2503: urn:dev:0007: ",
        "Enrolled  2500",
        "Refused   2",
    ] {
        assert!(given.stdout.contains(words), "{words} is missing in {}", given.stdout);
    }
    let answers: Vec<Value> =
        again.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 2502);
    assert!(answers.iter().zip(2..).all(|(answer, line)| answer["line"] == line));
    assert_eq!(answers.iter().filter(|answer| answer["status"] == "exists").count(), 2500);

    // And lists have them all, a part, or as many as are asked for
    let all = ask(&server, "device list --all -o json").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2500);
    let part = ask(&server, "device list --endpoint urn:dev:24 --all -o json").await.json();
    assert_eq!(part["items"].as_array().unwrap().len(), 100);
    let first = ask(&server, "device list --limit 7 -o json").await;
    let cursor = first.json()["next"].as_str().unwrap().to_owned();
    let rest = ask(&server, &format!("device list --all -o json --after {cursor}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2493);
}

#[tokio::test]
async fn lines_of_json_come_by_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;
    let lines = format!(
        "{{\"endpoint\":\"a\",\"profile\":\"meters\",\"psk\":{{\"identity\":\"a\",\"key\":\
         {{\"format\":\"hex\",\"value\":\"{KEY}\"}}}}}}\n\nnot json\n"
    );

    let said = ask_with(&server, "device enrol --file - --format ndjson", &lines).await;

    assert_eq!(said.code, Some(7));
    assert!(said.stdout.contains("line 3: ") && said.stdout.contains("Enrolled  1"));
    ask(&server, "device show a").await.ok();
    let vague = ask_with(&server, "device enrol --file -", "").await.failed(2);
    assert!(vague.contains("--format"), "{vague}");
}

#[tokio::test]
async fn events_are_printed_and_followed() {
    // Given a server where something has happened
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;
    let told = ask(&server, "events -o json").await.ok();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(last["code"], "profile.changed");
    assert!(ask(&server, "events").await.ok().contains("connector.changed"));

    // When somebody follows from there, and a device is enrolled
    let mut follow = command();
    follow
        .args(["events", "--follow", "-o", "json", "--after", last["id"].as_str().unwrap()])
        .env("CLAVIGER_SERVER", &server.url)
        .env("CLAVIGER_TOKEN", &server.token);
    let mut follower = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let enrol = "device enrol --endpoint urn:dev:1 --profile meters --psk-file -";
    ask_with(&server, enrol, KEY).await.ok();

    // Then it is told at once
    let next = tokio::task::spawn_blocking(move || lines.next());
    let next = tokio::time::timeout(Duration::from_secs(20), next).await.unwrap().unwrap();
    let event: Value = serde_json::from_str(&next.unwrap().unwrap()).unwrap();
    assert_eq!(
        (&event["code"], &event["device"]),
        (&json!("device.enrolled"), &json!("urn:dev:1"))
    );
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    configure(&server).await;
    let enrol = "device enrol --endpoint urn:dev:1 --profile meters --psk-file -";
    ask_with(&server, enrol, KEY).await.ok();

    assert!(alone("device").code == Some(2));
    assert!(ask(&server, "device show urn:dev:2").await.failed(3).contains("urn:dev:2"));
    ask_with(&server, enrol, KEY).await.failed(4);
    assert!(alone("device list").failed(5).contains("CLAVIGER_TOKEN"));
    let mut wrong = command();
    wrong.args(["device", "list", "--server", &server.url]).env("CLAVIGER_TOKEN", "wrong");
    run(wrong, "").failed(5);
    let nobody = "device list --server http://127.0.0.1:9 --token x";
    assert!(alone(nobody).failed(6).contains("does not answer"));
}
