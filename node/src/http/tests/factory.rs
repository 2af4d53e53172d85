//! Import keys, encrypted keys in enrolments, and exports.

use super::*;
use claviger_api::{ExportLine, ExportedDevice};
use claviger_factory::{Binding, PrivateKey, PublicKey, Purpose};
use claviger_machine::Draw;

const SECRET: &[u8] = b"canary-canary-01";

fn draw() -> Draw {
    Draw(Arc::new(Counting::default()))
}

/// A key as the API shows it, as a manufacturer reads it.
fn public(shown: &Value) -> PublicKey {
    serde_json::from_value(shown.clone()).unwrap()
}

/// An enrolment of `endpoint` whose key is encrypted to `key` for `bound`.
fn encrypted(key: &PublicKey, endpoint: &str, bound: &str) -> Value {
    let identity = endpoint.as_bytes();
    let binding = Binding { purpose: Purpose::Manufacturer, endpoint: bound, identity };
    let value = key.seal(binding, SECRET, &mut draw()).unwrap().to_string();
    let psk = json!({ "identity": endpoint, "key": { "format": "hpke", "value": value } });
    json!({ "endpoint": endpoint, "profile": "p", "psk": psk })
}

async fn text(rig: &Rig, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/tenants/default{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .header(header::CONTENT_TYPE, "application/json");
    let body = body.map_or(Body::empty(), |body| body.to_string().into());
    let (head, body) = rig.send(request.body(body).unwrap()).await;
    (head.status().as_u16(), String::from_utf8(body).unwrap())
}

fn lines(text: &str) -> Vec<ExportLine> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn devices(lines: &[ExportLine]) -> Vec<&ExportedDevice> {
    let mut devices = Vec::new();
    for line in lines {
        if let ExportLine::Device(of) = line {
            devices.push(of);
        }
    }
    devices
}

/// The codes of the tenant's audit entries.
fn audit(rig: &Rig) -> Vec<String> {
    let mut codes = Vec::new();
    rig.ledger.read(&mut |rows| {
        let entries = View::new(rows).tenant_audit("default", None, 99);
        codes = entries.into_iter().map(|entry| entry.code.to_string()).collect();
    });
    codes
}

#[tokio::test]
async fn the_newest_import_key_is_first_and_older_ones_stay_until_they_are_deleted() {
    let rig = Rig::ready().await;
    let (status, first) = rig.ask("POST", "/import-keys", None).await;
    assert_eq!(
        (status, &first["current"], &first["tenant"]),
        (201, &json!(true), &json!("default"))
    );
    let (_, second) = rig.ask("POST", "/import-keys", None).await;

    let (_, all) = rig.get("/import-keys").await;
    let kids: Vec<_> =
        all["import_keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert_eq!(kids, [&second["kid"], &first["kid"]]);
    let path = format!("/import-keys/{}", first["kid"].as_str().unwrap());
    let (_, shown) = rig.get(&path).await;
    assert_eq!((&shown["x"], &shown["current"]), (&first["x"], &json!(false)));
    assert_eq!(rig.ask("DELETE", &path, None).await.0, 204);
    assert_eq!(rig.get(&path).await.0, 404);
    assert_eq!(rig.ask("DELETE", &path, None).await.0, 404);
    assert_eq!(rig.get("/import-keys").await.1["import_keys"].as_array().unwrap().len(), 1);
    assert_eq!(audit(&rig), ["import_key.changed"; 3]);
}

#[tokio::test]
async fn a_key_that_is_deleted_twice_by_one_request_is_gone_both_times() {
    let rig = Rig::ready().await;
    let (_, made) = rig.ask("POST", "/import-keys", None).await;
    let path = format!("/import-keys/{}", made["kid"].as_str().unwrap());
    let delete = async |path: &str, key: &str| {
        let request = Request::delete(format!("/api/v1/tenants/default{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
            .header("idempotency-key", key);
        rig.send(request.body(Body::empty()).unwrap()).await.0.status().as_u16()
    };

    assert_eq!(delete(&path, "once").await, 204);

    assert_eq!(delete(&path, "once").await, 204);
    assert_eq!(delete(&path, "another").await, 404);
    assert_eq!(delete("/import-keys/none", "once").await, 422);
}

#[tokio::test]
async fn an_encrypted_key_opens_by_every_import_key_that_is_there() {
    // Given two keys, and a list that was encrypted to the older one
    let rig = Rig::ready().await;
    let (_, older) = rig.ask("POST", "/import-keys", None).await;
    let (_, newer) = rig.ask("POST", "/import-keys", None).await;

    for (key, endpoint) in [(&older, "a"), (&newer, "b")] {
        assert_eq!(rig.post("/devices", encrypted(&public(key), endpoint, endpoint)).await.0, 201);
    }

    // Then it is the same key as one in the clear
    let hex = data_encoding::HEXLOWER.encode(SECRET);
    let line = device("a", &hex).to_string();
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/tenants/default/devices/bulk")
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .header(header::CONTENT_TYPE, "application/x-ndjson");
    let (_, body) = rig.send(request.body(line.into()).unwrap()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["status"], "exists", "{answer}");
}

#[tokio::test]
async fn a_key_that_does_not_open_is_refused_by_its_reason_and_counted() {
    let rig = Rig::ready().await;
    let (_, key) = rig.ask("POST", "/import-keys", None).await;
    let key = public(&key);
    let stranger = PrivateKey::make("default", &mut draw());
    let mut malformed = encrypted(&key, "a", "a");
    malformed["psk"]["key"]["value"] = json!("1.canary");
    let elsewhere = PublicKey::new(*key.bytes(), "other");
    let table = [
        (encrypted(&key, "a", "b"), "does not open"),
        (encrypted(&elsewhere, "a", "a"), "does not open"),
        (encrypted(stranger.public(), "a", "a"), "is no import key of the tenant"),
        (malformed, "is written as"),
    ];
    for (new, words) in table {
        let (status, problem) = rig.post("/devices", new).await;
        assert_eq!(status, 422);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("psk.key.value: ") && detail.contains(words), "{detail}");
    }
    let (_, body) = rig.send(Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let metrics = String::from_utf8(body).unwrap();
    for (result, count) in
        [("does_not_open", 2), ("unknown_key", 1), ("malformed", 1), ("opened", 0)]
    {
        let series = format!("claviger_factory_keys_total{{result=\"{result}\"}} {count}\n");
        assert!(metrics.contains(&series), "{series}");
    }
}

#[tokio::test]
async fn an_export_has_all_but_secrets_and_goes_on_behind_a_device() {
    let rig = Rig::ready().await;
    for name in ["a", "b", "e"] {
        let key = data_encoding::HEXLOWER.encode(format!("canary-key-{name:>5}").as_bytes());
        assert_eq!(rig.post("/devices", device(name, &key)).await.0, 201);
    }

    let (status, whole) = text(&rig, "GET", "/export", None).await;

    assert_eq!(status, 200);
    assert!(!whole.contains("\"key\"") && !whole.contains("whsec"), "{whole}");
    let read = lines(&whole);
    let ExportLine::Export(head) = &read[0] else { panic!("{whole}") };
    assert_eq!((head.version, &*head.tenant, &head.secrets_to), (1, "default", &None));
    assert!(matches!(&read[1], ExportLine::Profile(profile) if profile.name == "p"));
    assert!(matches!(&read[2], ExportLine::Connector(connector) if connector.name == "c"));
    assert!(matches!(read.last(), Some(ExportLine::End(end)) if end.devices == 4));
    let all: Vec<_> = devices(&read).iter().map(|of| of.device.id.clone()).collect();
    assert_eq!(all.len(), 4);
    assert_eq!(audit(&rig), [""; 0]);

    // Nothing has happened behind the event that the head names; what happens then, has.
    let path = format!("/events?after={}", head.events_after.as_ref().unwrap());
    assert_eq!(rig.get(&path).await.1["items"], json!([]));
    assert_eq!(rig.ask("DELETE", &format!("/devices/{}", all[1]), None).await.0, 204);
    let told = rig.get(&path).await.1["items"].as_array().unwrap().last().cloned();
    assert_eq!(told.unwrap()["code"], "device.deleted");
    let (_, rest) = text(&rig, "GET", &format!("/export?after={}", all[1]), None).await;
    let read = lines(&rest);
    let ids: Vec<_> = devices(&read).iter().map(|of| of.device.id.clone()).collect();
    assert_eq!(ids, all[2..]);
    assert!(matches!(&read[0], ExportLine::Export(head) if head.after.as_ref() == Some(&all[1])));
    assert!(!read.iter().any(|line| matches!(line, ExportLine::Profile(_))));
}

#[tokio::test]
async fn keys_are_exported_to_the_recipient_alone_and_noted_before_they_leave() {
    // Given a device, and one whose key was revoked
    let rig = Rig::ready().await;
    assert_eq!(rig.post("/devices", device("gone", &"11".repeat(16))).await.0, 201);
    let (_, gone) = rig.get("/devices/gone").await;
    let id = gone["credentials"][0]["id"].as_str().unwrap();
    let revoke = format!("/devices/gone/credentials/{id}/revoke");
    assert_eq!(rig.post(&revoke, json!({ "reason": "lost" })).await.0, 200);
    let recipient = PrivateKey::make("", &mut draw());

    // When the keys are exported, twice by one request that is repeated
    let body = json!({ "recipient": serde_json::to_value(recipient.public()).unwrap() });
    let mut exports = Vec::new();
    for _ in 0..2 {
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/tenants/default/export")
            .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "same");
        let (head, text) = rig.send(request.body(body.to_string().into()).unwrap()).await;
        assert_eq!(head.status(), 200);
        exports.push(String::from_utf8(text).unwrap());
    }

    // Then each time is noted, and the recipient reads what has not ended
    assert_eq!(audit(&rig), ["secrets.exported"; 2]);
    assert!(!exports[0].contains(KEY), "{}", exports[0]);
    let read = lines(&exports[0]);
    let of = devices(&read).into_iter().find(|of| of.device.id == "d").unwrap();
    let key = of.credentials[0].key.as_ref().unwrap();
    let binding = Binding { purpose: Purpose::Manufacturer, endpoint: "d", identity: b"d" };
    let sealed = key.value.expose().parse().unwrap();
    let opened = recipient.open(binding, &sealed).unwrap();
    assert_eq!(data_encoding::HEXLOWER.encode(&opened), KEY);
    let gone = devices(&read).into_iter().find(|of| of.device.id == "gone").unwrap();
    assert_eq!(
        (&*gone.credentials[0].credential.state, &gone.credentials[0].key),
        ("revoked", &None)
    );
}

#[tokio::test]
async fn nothing_is_noted_for_a_recipient_that_is_none() {
    let rig = Rig::ready().await;
    let good = serde_json::to_value(PrivateKey::make("", &mut draw()).public()).unwrap();
    let table = [
        ("crv", json!("P-256")),
        ("x", json!("AAAA")),
        // The point 0, with the thumbprint left out.
        ("x", json!("A".repeat(43))),
        ("tenant", json!("a\nb")),
        ("tenant", json!("")),
    ];
    for (member, value) in table {
        let mut recipient = good.clone();
        recipient[member] = value;
        if member == "x" {
            recipient.as_object_mut().unwrap().remove("kid");
        }
        let (status, problem) = rig.post("/export", json!({ "recipient": recipient })).await;
        assert_eq!((status, &problem["code"]), (422, &json!("invalid")), "{member}");
    }
    let nobody = Request::post("/api/v1/tenants/default/export").body(Body::empty()).unwrap();
    assert_eq!(rig.send(nobody).await.0.status(), 401);
    assert_eq!(audit(&rig), [""; 0]);
}
