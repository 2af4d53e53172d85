//! Changes: their conditions and repetitions, bulk enrolment, and the feed that tells of them.

use super::*;
use futures::StreamExt;

/// A request with headers of its own; gives status, headers and body.
async fn ask(
    rig: &Rig,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (u16, Response<()>, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/tenants/default{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token));
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, body) = rig.send(request.body(body.into()).unwrap()).await;
    (head.status().as_u16(), head, String::from_utf8(body).unwrap())
}

fn code(body: &str) -> String {
    let problem: Value = serde_json::from_str(body).unwrap();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_change_is_made_only_at_the_version_that_it_expects() {
    let rig = Rig::ready().await;
    let profile = || json!({ "server_uri": "coaps://b.example", "connector": "c" }).to_string();
    let put = async |condition: &[(&str, &str)]| {
        let (status, head, body) = ask(&rig, "PUT", "/profiles/p", condition, profile()).await;
        let tag = head.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        (status, tag, body)
    };

    let there = put(&[("if-none-match", "*")]).await;
    assert_eq!((there.0, &*code(&there.2)), (412, "changed"));
    let (_, head, _) = ask(&rig, "GET", "/profiles/p", &[], "").await;
    let seen = head.headers()[header::ETAG].to_str().unwrap();
    let changed = put(&[("if-match", seen)]).await;
    let tag = changed.1.unwrap();
    assert_eq!(changed.0, 200);
    assert_ne!(tag, seen);
    let stale = put(&[("if-match", seen)]).await;
    assert_eq!((stale.0, &*code(&stale.2)), (412, "changed"));
    let weak = put(&[("if-match", &format!("W/{tag}"))]).await;
    assert_eq!((weak.0, &*code(&weak.2)), (400, "bad_header"));
    let both = put(&[("if-match", &tag), ("if-none-match", "*")]).await;
    assert_eq!((both.0, &*code(&both.2)), (412, "changed"));
    let delete = [("if-match", "\"7777777\"")];
    let (status, _, body) = ask(&rig, "DELETE", "/devices/d", &delete, "").await;
    assert_eq!((status, &*code(&body)), (412, "changed"));
}

#[tokio::test]
async fn what_is_made_again_does_not_meet_a_condition_on_what_it_was() {
    let rig = Rig::ready().await;
    let connector = json!({ "kind": "webhook", "url": "http://127.0.0.1:9/" }).to_string();
    let put = async |headers: &[(&str, &str)]| {
        let (status, head, body) =
            ask(&rig, "PUT", "/connectors/again", headers, connector.clone()).await;
        let tag = head.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        (status, tag, body)
    };
    let key = [("idempotency-key", "make-it")];

    let made = put(&key).await;
    let repeated = put(&key).await;
    let changed = put(&[]).await;
    ask(&rig, "DELETE", "/connectors/again", &[], "").await;
    let again = put(&[]).await;

    assert_eq!([made.0, repeated.0, changed.0, again.0], [201, 201, 200, 201]);
    for seen in [made.1.unwrap(), changed.1.unwrap()] {
        let stale = put(&[("if-match", &seen)]).await;
        assert_eq!((stale.0, &*code(&stale.2)), (412, "changed"));
    }
}

#[tokio::test]
async fn a_repeated_request_has_the_outcome_of_the_first() {
    let rig = Rig::ready().await;
    let key = [("idempotency-key", "order-66")];
    let enrol = async |body: Value| ask(&rig, "POST", "/devices", &key, body.to_string()).await;

    let first = enrol(device("e", KEY)).await;
    let again = enrol(device("e", KEY)).await;
    let other = enrol(device("f", KEY)).await;

    assert_eq!((first.0, again.0), (201, 201));
    assert_eq!(first.2, again.2);
    assert_eq!((other.0, &*code(&other.2)), (422, "idempotency_key_reused"));
    // However much comes between, and at whichever node: the ledger keeps the key.
    for number in 0..20 {
        let body = device(&format!("n{number}"), KEY).to_string();
        assert_eq!(ask(&rig, "POST", "/devices", &[], body).await.0, 201);
        assert_eq!(rig.ask("POST", "/devices/e/rotate", None).await.0, 200);
    }
    assert_eq!(enrol(device("e", KEY)).await.0, 201);
    let without = ask(&rig, "POST", "/devices", &[], device("e", KEY).to_string()).await;
    assert_eq!((without.0, &*code(&without.2)), (409, "taken"));
}

#[tokio::test]
async fn the_secret_that_was_kept_is_shown_once() {
    let rig = Rig::new().await;
    let key = [("idempotency-key", "a")];
    let body = json!({ "url": "https://a.example/" }).to_string();

    let (_, _, first) = ask(&rig, "PUT", "/connectors/c", &key, body.clone()).await;
    let (status, _, again) = ask(&rig, "PUT", "/connectors/c", &key, body).await;

    assert!(first.contains("whsec_"));
    assert_eq!(status, 201);
    assert!(!again.contains("whsec_"), "a secret that was never kept: {again}");
}

#[tokio::test]
async fn a_revoked_credential_ends_with_all_that_is_open_by_it() {
    let rig = Rig::ready().await;
    rig.stage().await;
    let id = rig.get("/devices/d").await.1["credentials"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/devices/d/credentials/{id}");

    let (status, shown) = rig.post(&format!("{path}/revoke"), json!({ "reason": "lost" })).await;

    assert_eq!((status, shown["state"].as_str()), (200, Some("revoked")));
    assert_eq!(rig.get(&path).await.1["state"], "revoked");
    let again = rig.post(&format!("{path}/revoke"), json!({ "reason": "lost" })).await;
    assert_eq!((again.0, again.1["code"].as_str()), (409, Some("state")));
    let (_, told) = rig.get("/devices/d/timeline").await;
    assert!(told.to_string().contains("lost"), "{told}");
    assert_eq!(rig.get("/devices/d/credentials/00").await.0, 404);
}

#[tokio::test]
async fn a_deleted_device_can_be_enrolled_again() {
    let rig = Rig::ready().await;
    let (status, _, _) = ask(&rig, "DELETE", "/devices/d", &[], "").await;
    assert_eq!(status, 204);
    assert_eq!(rig.get("/devices/d").await.0, 404);
    assert_eq!(ask(&rig, "DELETE", "/devices/d", &[], "").await.0, 404);
    assert_eq!(rig.post("/devices", device("d", KEY)).await.0, 201);
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let rig = Rig::ready().await;
    for path in ["/profiles/p", "/connectors/c"] {
        let (status, _, body) = ask(&rig, "DELETE", path, &[], "").await;
        assert_eq!(status, 409, "{body}");
    }
    for path in ["/devices/d", "/profiles/p", "/connectors/c"] {
        assert_eq!(ask(&rig, "DELETE", path, &[], "").await.0, 204, "{path}");
    }
}

#[tokio::test]
async fn a_device_gets_another_profile() {
    let rig = Rig::ready().await;
    let profile = json!({ "server_uri": "coaps://b.example", "connector": "c" });
    rig.put("/profiles/q", profile).await;
    let (status, shown) = rig.ask("PATCH", "/devices/d", Some(json!({ "profile": "q" }))).await;
    assert_eq!((status, shown["profile"].as_str()), (200, Some("q")));
    let (status, _) = rig.ask("PATCH", "/devices/d", Some(json!({ "profile": "r" }))).await;
    assert_eq!(status, 404);
    assert_eq!(rig.get("/devices?profile=q").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(rig.get("/devices?profile=p").await.1["items"].as_array().unwrap().len(), 0);
    assert_eq!(rig.get("/devices?endpoint=x").await.1["items"].as_array().unwrap().len(), 0);
    assert_eq!(rig.get("/devices?state=delivered").await.1["items"].as_array().unwrap().len(), 1);
}

/// Sends lines to the bulk route; gives the status and problem code of each answer.
async fn bulk(rig: &Rig, query: &str, lines: &str) -> Vec<(u64, String, String)> {
    let path = format!("/devices/bulk{query}");
    let kind = [("content-type", "application/x-ndjson")];
    let (status, _, body) = ask(rig, "POST", &path, &kind, lines.to_owned()).await;
    assert_eq!(status, 200, "{body}");
    let answers = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    answers
        .map(|a| (a["line"].as_u64().unwrap(), text(&a["status"]), text(&a["problem"]["code"])))
        .collect()
}

#[tokio::test]
async fn many_devices_are_enrolled_line_by_line() {
    let rig = Rig::ready().await;
    let other_key = device("d", "00112233445566778899aabbccddeeff");
    let lines = [
        device("e", KEY).to_string(),
        String::new(),
        "{".to_owned(),
        device("d", KEY).to_string(),
        other_key.to_string(),
        "x".repeat(70_000),
        // The last line need not end.
        device("f", KEY).to_string(),
    ]
    .join("\n");
    let answer = |line, status: &str, code: &str| (line, status.to_owned(), code.to_owned());

    let tried = bulk(&rig, "?dry_run=true", &lines).await;
    assert_eq!(tried[0], answer(1, "would_enrol", ""));
    assert_eq!(rig.get("/devices/e").await.0, 404);
    let done = bulk(&rig, "", &lines).await;
    assert_eq!(
        done,
        [
            answer(1, "enrolled", ""),
            answer(3, "refused", "malformed"),
            answer(4, "exists", ""),
            answer(5, "refused", "taken"),
            answer(6, "refused", "too_large"),
            answer(7, "enrolled", ""),
        ]
    );
    let again = bulk(&rig, "", &lines).await;
    assert_eq!(again[0], answer(1, "exists", ""));
    let (status, _, body) = ask(&rig, "POST", "/devices/bulk", &[], lines).await;
    assert_eq!((status, &*code(&body)), (415, "media_type"));
}

#[tokio::test]
async fn a_line_may_have_64_kib_besides_its_end() {
    let rig = Rig::ready().await;
    let line = |name, length| {
        let line = device(name, KEY).to_string();
        format!("{line}{}\n", " ".repeat(length - line.len()))
    };

    let answers = bulk(&rig, "", &(line("e", 65_536) + &line("f", 65_537))).await;

    assert_eq!(answers[0].1, "enrolled");
    assert_eq!(answers[1].2, "too_large");
}

#[tokio::test]
async fn a_device_that_no_path_would_show_is_refused_in_words() {
    let rig = Rig::ready().await;

    let (status, problem) = rig.post("/devices", device("bulk", KEY)).await;

    assert_eq!((status, &problem["code"]), (422, &json!("invalid")));
    assert!(problem["detail"].as_str().unwrap().contains("another id"), "{problem}");
    let mut named = device("bulk", KEY);
    named["id"] = json!("of another id");
    assert_eq!(rig.post("/devices", named).await.0, 201);
}

#[tokio::test]
async fn a_dry_run_sees_lines_that_take_from_each_other() {
    let rig = Rig::ready().await;
    let with = |field: &str, value: &str, name: &str| {
        let mut line = device(name, KEY);
        line[field] = json!(value);
        line
    };
    let mut identity = device("h", KEY);
    identity["psk"]["identity"] = json!("e");
    let lines = [device("e", KEY), with("id", "e", "f"), with("endpoint", "e", "g"), identity];
    let lines = lines.map(|line| line.to_string()).join("\n");

    let tried: Vec<_> =
        bulk(&rig, "?dry_run=true", &lines).await.into_iter().map(|(_, s, c)| (s, c)).collect();

    let refused = || ("refused".to_owned(), "taken".to_owned());
    assert_eq!(tried[0].0, "would_enrol");
    assert_eq!(tried[1..], [refused(), refused(), refused()]);
}

#[tokio::test]
async fn the_feed_is_read_in_pages() {
    let rig = Rig::ready().await;
    let (_, all) = rig.get("/events").await;
    let codes: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|e| e["code"].clone()).collect();
    assert_eq!(codes, ["connector.changed", "profile.changed", "device.enrolled"]);

    let (_, first) = rig.get("/events?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = rig.get(&format!("/events?after={next}")).await;

    assert_eq!(second["items"], json!([all["items"][2]]));
    assert_eq!(second["next"], Value::Null);
    let (status, bad) = rig.get("/events?after=x").await;
    assert_eq!((status, bad["code"].as_str()), (400, Some("bad_cursor")));
}

#[tokio::test]
async fn the_feed_is_told_as_it_happens() {
    // Given a reader that goes on behind the first event
    let rig = Rig::ready().await;
    let first = rig.get("/events").await.1["items"][0]["id"].as_str().unwrap().to_owned();
    let request = Request::builder()
        .uri("/api/v1/tenants/default/events")
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .header(header::ACCEPT, "text/event-stream")
        .header("last-event-id", first)
        .body(Body::empty())
        .unwrap();
    let mut stream =
        rig.router.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    let mut next =
        async || String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();

    // Then it gets what has happened since
    assert!(next().await.contains("event: profile.changed"));
    assert!(next().await.contains("event: device.enrolled"));

    // And what happens now
    let (event, status) =
        tokio::join!(next(), async { rig.post("/devices", device("e", KEY)).await.0 });
    assert_eq!(status, 201);
    assert!(
        event.contains("event: device.enrolled") && event.contains("\"device\":\"e\""),
        "{event}"
    );
}
