//! The API against its own document, by Schemathesis: what the document allows is taken, what it
//! does not is refused, and each answer is one that it tells of.
//!
//! The run is bounded and has a seed. The stream of events is no part of it: nothing in the
//! document asks for `text/event-stream`, so that `/events` answers by pages; `node/src/http/tests`
//! reads the stream.

use claviger_tests::{Claviger, Place, Receiver, installed};
use core::time::Duration;
use serde_json::json;
use std::path::PathBuf;
use tokio::process::Command;

/// How long a run may take on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(600);
/// A connector's secret.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The same requests each time.
const SEED: &str = "1104";

#[tokio::test(flavor = "multi_thread")]
async fn the_api_keeps_to_its_document() {
    // Given a server with something in it
    let folder = tempfile::tempdir().expect("a folder");
    let claviger =
        Claviger::start(&Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path())).await;
    let webhook = Receiver::start().await;
    claviger.configure(&webhook.url, &webhook.secret, "coaps://127.0.0.1:5999").await;
    let pull = json!({ "kind": "pull", "secret": webhook.secret });
    let put = claviger.api("PUT", "/connectors/asks", Some(pull)).await;
    assert_eq!(put.0, 201, "{}", put.1);
    for number in 0..20 {
        claviger.enrol(&format!("urn:dev:{number}"), &"5a".repeat(16)).await;
    }

    // When Schemathesis has tried all operations
    let tests = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/contract"));
    let run = Command::new(installed("tools/contract/bin/st"))
        .arg("--config-file")
        .arg(tests.join("schemathesis.toml"))
        .args(["run", "--seed", SEED, "--no-color"])
        .arg(format!("{}/api/v1/openapi.json", claviger.url))
        .env("CLAVIGER_TOKEN", &claviger.token)
        .env("CLAVIGER_CONNECTOR_SECRET", &webhook.secret)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &tests)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(PATIENCE, run).await;
    let run = run.expect("it ends in time").expect("it runs");

    // Then nothing was out of order, and the server is well
    let said = String::from_utf8_lossy(&run.stdout);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("passed") && !log.contains("panicked"), "{said}\n{log}");
    assert_eq!(claviger.page("/readyz").await.0, 200);
    assert!(claviger.stop("-TERM").await.success());
}

/// The commands of the README that begin with `curl`, each in one line.
fn requests() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).expect("the README is there");
    let whole = readme.replace("\\\n", " ");
    whole.lines().filter(|line| line.starts_with("curl ")).map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_readme_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let claviger =
        Claviger::start(&Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path())).await;
    claviger.configure("http://127.0.0.1:9/", SECRET, "coaps://127.0.0.1:5999").await;
    claviger.enrol("urn:dev:meter-1", &"5a".repeat(16)).await;
    let requests = requests();
    assert!(requests.len() >= 4, "{requests:?}");
    for request in requests {
        let request = request.replace("http://127.0.0.1:8080", &claviger.url);
        let request = request.replace("curl ", "curl --silent --show-error --fail-with-body ");
        let done = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &request])
            .env("CLAVIGER_TOKEN", &claviger.token)
            .output();
        let done = done.await.expect("bash runs");
        let said = String::from_utf8_lossy(&done.stdout);
        let json = serde_json::from_str::<serde_json::Value>(&said);
        let words = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && json.is_ok(), "{request}\n{said}\n{words}");
    }
}
