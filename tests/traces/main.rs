//! Traces as a collector that is not ours receives them: from datagram to commit, and no secret.

mod receiver;

use claviger_device::DeviceConfig;
use claviger_tests::{Claviger, Place, SeededCrypto, UdpDevice, psk, secrets};
use core::time::Duration;
use data_encoding::{BASE64, HEXLOWER};
use receiver::{Receiver, Span};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::process::Command;

const PLANTED: [u8; 16] = *b"\xc1planted-key-02\xf0";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SILENT: &str = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00";

fn place(folder: &TempDir, env: Vec<(&'static str, String)>) -> Place {
    Place { env, ..Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path()) }
}

/// Runs the built-in device against `claviger`; it must end registered.
async fn simulate(claviger: &Claviger) {
    let simulated = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["simulate", "lwm2m", "--coaps", &claviger.coaps.to_string()])
        .env("CLAVIGER_SERVER", &claviger.url)
        .env("CLAVIGER_TOKEN", &claviger.token)
        .output();
    let simulated = tokio::time::timeout(Duration::from_secs(60), simulated).await;
    let simulated = simulated.expect("it ends in time").expect("the binary runs");
    assert!(simulated.status.success(), "{}", String::from_utf8_lossy(&simulated.stderr));
}

/// The span of this name whose parent is `parent`; there must be one.
fn child<'a>(spans: &'a [Span], parent: &Span, name: &str) -> &'a Span {
    let is = |span: &&Span| span.name == name && span.parent.as_ref() == Some(&parent.id);
    let found = spans.iter().find(is);
    found.unwrap_or_else(|| panic!("no {name} under {}: {spans:#?}", parent.name))
}

fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).expect("the log can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_datagram_to_the_commit_and_to_the_lwm2m_server() {
    // Given a server that exports, and logs as JSON
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let place = place(
        &folder,
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.clone()),
            ("OTEL_SERVICE_NAME", "claviger-under-test".to_owned()),
            ("CLAVIGER_LOG_FORMAT", "json".to_owned()),
        ],
    );
    let claviger = Claviger::start(&place).await;

    // When a device bootstraps and registers, and the server stops
    simulate(&claviger).await;
    assert!(claviger.stop("-TERM").await.success());

    // Then one trace holds the edge, the actor and the ledger, each under what caused it
    let all = receiver.spans();
    assert!(all.iter().all(|span| span.service == "claviger-under-test"));
    let handshake = all.iter().find(|span| span.name == "dtls.handshake").expect("an edge's span");
    assert_eq!(handshake.parent, None);
    let of_trace = |span: &&Span| span.trace == handshake.trace;
    let spans: Vec<Span> = all.iter().filter(of_trace).cloned().collect();
    let open = child(&spans, handshake, "session.open");
    let opened = child(&spans, child(&spans, open, "ledger.propose"), "ledger.commit");
    assert!(opened.attributes["claviger.index"].parse::<u64>().expect("an index") > 0);
    let bootstrap = child(&spans, handshake, "lwm2m.bootstrap");
    assert_eq!(bootstrap.attributes["claviger.outcome"], "delivered");
    for name in ["lwm2m.discover", "lwm2m.delete", "lwm2m.write", "lwm2m.finish"] {
        let operation = child(&spans, bootstrap, name);
        assert!(operation.attributes["coap.response_code"].starts_with("2."), "{operation:?}");
    }
    let commands: Vec<&str> = spans
        .iter()
        .filter(|span| span.name == "ledger.propose" && span.parent.as_ref() == Some(&bootstrap.id))
        .map(|span| {
            child(&spans, span, "ledger.commit");
            span.attributes["claviger.command"].as_str()
        })
        .collect();
    assert_eq!(commands, ["DeliverCredential"]);

    // And the webhook carries on the trace of the session that the credential was staged with: the
    // LwM2M server's report comes back within it
    let deliver = child(&spans, open, "outbox.deliver");
    child(&spans, child(&spans, deliver, "ledger.propose"), "ledger.commit");
    let report = child(&spans, deliver, "http.request");
    assert!(report.attributes["http.route"].ends_with("/use"), "{report:?}");
    assert_eq!(report.attributes["http.response.status_code"], "204");
    child(&spans, child(&spans, report, "ledger.propose"), "ledger.commit");

    // And so does a line of the log
    let trace = HEXLOWER.encode(&BASE64.decode(handshake.trace.as_bytes()).expect("base64"));
    let ended = lines(&place.log).into_iter().find(|line| line["message"] == "bootstrap ended");
    assert_eq!(ended.expect("a line tells of it")["trace_id"], trace.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_trace_and_callers_decide_of_theirs() {
    // Given a server that exports, and a webhook's receiver
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let variables =
        vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", receiver.endpoint))];
    let claviger = Claviger::start(&place(&folder, variables)).await;
    let webhook = claviger_tests::Receiver::start().await;
    claviger.configure(&webhook.url, &webhook.secret, "coaps://127.0.0.1:5999").await;

    // When a device with a planted key bootstraps, a stranger fails, and callers ask with traces
    claviger.enrol("urn:dev:planted", &HEXLOWER.encode(&PLANTED)).await;
    let crypto = Arc::new(SeededCrypto::new(1));
    let stranger = DeviceConfig::new("urn:dev:planted", psk([9; 16]));
    let mut stranger = UdpDevice::switch_on(claviger.coaps, stranger, crypto.clone()).await;
    let fate = tokio::time::timeout(Duration::from_secs(2), stranger.bootstrap()).await;
    assert!(!matches!(fate, Ok(Ok(_))), "a wrong key must fail");
    let config = DeviceConfig::new("urn:dev:planted", psk(PLANTED));
    let mut device = UdpDevice::switch_on(claviger.coaps, config, crypto).await;
    let account = tokio::time::timeout(Duration::from_secs(30), device.bootstrap()).await;
    let account = account.expect("it finishes").expect("it succeeds");
    for caller in [CALLER, SILENT] {
        let url = format!("{}/api/v1/tenants/default/devices", claviger.url);
        let request = reqwest::Client::new().get(url).bearer_auth(&claviger.token);
        let answer = request.header("traceparent", caller).send().await.expect("it answers");
        assert!(answer.status().is_success());
    }
    let token = claviger.token.clone();
    assert!(claviger.stop("-TERM").await.success());

    // Then nothing that was received holds a secret
    let text = receiver.text();
    assert!(text.contains("urn:dev:planted"), "nothing was received");
    let secret = BASE64.decode(webhook.secret.trim_start_matches("whsec_").as_bytes());
    let secret = secret.expect("base64");
    let list = [
        ("planted key", &PLANTED[..]),
        ("made key", account.key.as_slice()),
        ("webhook secret", &secret),
        ("admin token", token.as_bytes()),
    ];
    for (name, secret) in list {
        for form in secrets::forms(secret) {
            assert!(!secrets::find(text.as_bytes(), &form), "the {name} is in a trace");
        }
    }
    // And the stranger has left nothing
    let spans = receiver.spans();
    let opened = spans.iter().filter(|span| span.name == "session.open").count();
    assert_eq!(opened, 1);
    // And a caller's trace is continued if he samples it
    let trace = |caller: &str| {
        BASE64.encode(&HEXLOWER.decode(&caller.as_bytes()[3..35]).expect("hexadecimal"))
    };
    let of = |caller: &str| spans.iter().filter(|span| span.trace == trace(caller)).count();
    assert_eq!((of(CALLER), of(SILENT)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_changes_nothing_but_a_counter() {
    // Given a server whose collector takes connections and never answers
    let folder = tempfile::tempdir().expect("a folder");
    let collector = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = collector.local_addr().expect("it is bound");
    let place = place(
        &folder,
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300".to_owned()),
        ],
    );
    let claviger = Claviger::start(&place).await;

    // When a device bootstraps, then all goes well, and the loss is counted and told once
    simulate(&claviger).await;
    let failed = async {
        loop {
            let metrics = claviger.page("/metrics").await.1;
            let name = "claviger_traces_spans_total{result=\"failed\"} ";
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            if line.expect("the counter is there") != "0" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), failed).await.expect("a span is lost");
    assert!(claviger.stop("-TERM").await.success());
    let log = std::fs::read_to_string(&place.log).expect("the log can be read");
    assert_eq!(log.matches("the collector takes no traces").count(), 1, "{log}");
}
