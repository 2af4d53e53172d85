//! An LwM2M server that asks for keys.

use super::*;
use futures::FutureExt;

/// A rig whose connector `c` is of the kind that asks, and whose device `d` has a staged key.
async fn pulling() -> Rig {
    pulling_for(b"made").await
}

/// The same with this identity.
async fn pulling_for(identity: &[u8]) -> Rig {
    let rig = Rig::new().await;
    let connector = json!({ "kind": "pull", "secret": SECRET });
    assert_eq!(rig.put("/connectors/c", connector).await.0, 201);
    let profile = json!({ "server_uri": "coaps://a.example", "connector": "c" });
    assert_eq!(rig.put("/profiles/p", profile).await.0, 201);
    staged(&rig, identity).await;
    rig
}

/// Enrols the device `d` under the profile `p`, and stages a key of this identity for it.
pub(super) async fn staged(rig: &Rig, identity: &[u8]) -> DeviceRef {
    assert_eq!(rig.post("/devices", device("d", KEY)).await.0, 201);
    let of = DeviceRef { tenant: "default".into(), device: "d".into() };
    let prover = rig.get("/devices/d").await.1["credentials"][0]["id"].clone();
    let prover: CredentialId = prover.as_str().unwrap().parse().unwrap();
    rig.apply(10, open(of.clone(), prover, SessionId([8; 16]))).await;
    let credential = CredentialId([9; 16]);
    let label = claviger_seal::Label::Credential {
        tenant: "default",
        device: "d",
        credential: &credential.0,
    };
    let stage = StageCredential {
        sealed_key: TenantKey::new([2; 32]).seal(label, &[0xab; 16], [4; 16]),
        device: of.clone(),
        session: SessionId([8; 16]),
        highest_read: 1,
        credential,
        identity: identity.to_vec(),
        key_length: 16,
    };
    rig.apply(11, stage).await;
    of
}

async fn asks(rig: &Rig, connector: &str, secret: &SigningSecret, identity: &str) -> (u16, Value) {
    let (head, body) = ask(rig, connector, secret, &json!({ "identity": identity })).await;
    assert_eq!(head.headers()[header::CACHE_CONTROL], "no-store");
    (head.status().as_u16(), body)
}

async fn ask(
    rig: &Rig,
    connector: &str,
    secret: &SigningSecret,
    body: &Value,
) -> (Response<()>, Value) {
    let body = body.to_string();
    let time = NOW.as_secs();
    let request = Request::builder()
        .method("POST")
        .uri(format!("/api/v1/tenants/default/connectors/{connector}/psk"))
        .header(headers::ID, "ask_1")
        .header(headers::TIMESTAMP, time.to_string())
        .header(headers::SIGNATURE, secret.sign("ask_1", time, body.as_bytes()));
    let (head, body) = rig.send(request.body(body.into()).unwrap()).await;
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_server_gets_the_key_of_an_identity_that_is_for_it() {
    let rig = pulling().await;

    let (status, answer) = asks(&rig, "c", &secret(), "made").await;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["key"], "ab".repeat(16));
    assert_eq!((answer["device"].as_str(), answer["endpoint"].as_str()), (Some("d"), Some("d")));
    assert!(answer["not_after"].is_string());
    let credential = rig.get("/devices/d").await.1["credentials"][1].clone();
    assert!(credential["confirmed_at"].is_string(), "nobody is waited for: {credential}");
}

#[tokio::test]
async fn whatever_has_no_valid_key_for_it_is_answered_alike() {
    // Given a manufacturer's identity, an unknown one, and one whose key is revoked
    let rig = pulling().await;
    let path = format!("/devices/d/credentials/{}/revoke", CredentialId([9; 16]));
    assert_eq!(rig.post(&path, json!({ "reason": "lost" })).await.0, 200);

    for identity in ["d", "nobody", "made"] {
        let (status, problem) = asks(&rig, "c", &secret(), identity).await;
        assert_eq!(status, 404, "{identity}");
        let words = "there is no valid credential named \"of that identity\"";
        assert_eq!(problem["detail"], words, "{identity}");
    }
}

#[tokio::test]
async fn who_does_not_sign_with_the_secret_of_a_connector_that_asks_learns_nothing() {
    let rig = pulling().await;
    let webhook = json!({ "url": "https://a.example/", "secret": SECRET });
    assert_eq!(rig.put("/connectors/w", webhook).await.0, 201);
    let other = SigningSecret::new(&[7; 32]);

    for (connector, secret) in [("c", &other), ("w", &secret()), ("nobody", &secret())] {
        let (status, problem) = asks(&rig, connector, secret, "made").await;
        assert_eq!((status, problem["code"].as_str()), (401, Some("unauthorized")), "{connector}");
    }
}

#[tokio::test]
async fn a_connector_that_asks_has_no_url() {
    let rig = Rig::new().await;
    let with = json!({ "kind": "pull", "url": "https://a.example/" });
    assert_eq!(rig.put("/connectors/c", with).await.0, 422);
    assert_eq!(rig.put("/connectors/c", json!({})).await.0, 422);
    let (status, made) = rig.put("/connectors/c", json!({ "kind": "pull" })).await;
    assert_eq!((status, made["kind"].as_str(), made["url"].as_str()), (201, Some("pull"), None));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
}

#[tokio::test]
async fn an_identity_that_is_not_utf_8_is_asked_for_in_base64() {
    let rig = pulling_for(&[0xff, 0x00, b'i']).await;

    let (head, answer) = ask(&rig, "c", &secret(), &json!({ "identity_base64": "/wBp" })).await;

    assert_eq!(head.status(), 200, "{answer}");
    assert_eq!(answer["identity_base64"], "/wBp");
    assert_eq!((answer["identity"].as_str(), &answer["key"]), (None, &json!("ab".repeat(16))));
}

#[tokio::test]
async fn an_identity_is_given_in_one_way_and_readable() {
    let rig = pulling().await;
    let table = [
        json!({}),
        json!({ "identity": "made", "identity_base64": "bWFkZQ==" }),
        json!({ "identity_base64": "bWFkZQ" }),
        json!({ "identity_base64": "_w==" }),
    ];
    for body in table {
        let (head, problem) = ask(&rig, "c", &secret(), &body).await;
        assert_eq!((head.status().as_u16(), &problem["code"]), (422, &json!("invalid")), "{body}");
    }
    let (head, _) = ask(&rig, "c", &secret(), &json!({ "identity_base64": "bWFkZQ==" })).await;
    assert_eq!(head.status(), 200, "text may be written so, too");
}

#[tokio::test]
async fn a_server_that_asks_too_often_is_told_when_to_come_again_and_others_are_not_disturbed() {
    let rig = pulling().await;
    let other = json!({ "kind": "pull", "secret": SECRET });
    assert_eq!(rig.put("/connectors/other", other).await.0, 201);
    let stranger = SigningSecret::new(&[7; 32]);
    for _ in 0..20 {
        assert_eq!(asks(&rig, "c", &stranger, "made").await.0, 401);
    }
    let mut answered = 0;
    let limited = loop {
        let (head, problem) = ask(&rig, "c", &secret(), &json!({ "identity": "made" })).await;
        match head.status().as_u16() {
            200 => answered += 1,
            _ => break (head, problem),
        }
        assert!(answered < 5000, "there is a limit");
    };

    // A stranger's requests took nothing of its share.
    assert_eq!(answered, 1000);
    let (head, problem) = limited;
    assert_eq!((head.status().as_u16(), &problem["code"]), (429, &json!("too_many_requests")));
    assert_eq!(head.headers()[header::RETRY_AFTER], "1");
    assert_eq!(asks(&rig, "other", &secret(), "made").await.0, 404);
}

#[tokio::test]
async fn look_ups_are_counted_by_what_came_of_them() {
    let rig = pulling().await;
    asks(&rig, "c", &secret(), "made").await;
    asks(&rig, "c", &secret(), "nobody").await;
    asks(&rig, "c", &secret(), "nobody").await;
    asks(&rig, "c", &SigningSecret::new(&[7; 32]), "made").await;
    ask(&rig, "c", &secret(), &json!({})).await;

    let counted = Lookup::ALL.map(|lookup| rig.lookups.counted(lookup));

    assert_eq!(counted, [1, 2, 1, 0, 1]);
}

/// A request for a key whose body does not come.
fn bodiless(path: &str, time: u64) -> Request<Body> {
    let request = Request::post(format!("/api/v1/tenants/default{path}"))
        .header(headers::ID, "ask_1")
        .header(headers::TIMESTAMP, time.to_string())
        .header(headers::SIGNATURE, "v1,AAAA");
    let never = futures::stream::pending::<Result<Vec<u8>, io::Error>>();
    request.body(Body::from_stream(never)).unwrap()
}

#[tokio::test]
async fn who_cannot_have_signed_is_refused_before_the_body_comes() {
    let rig = pulling().await;
    let used = format!("/devices/d/credentials/{}/use", CredentialId([9; 16]));
    for path in ["/connectors/c/psk", &used] {
        let late = bodiless(path, NOW.as_secs() - 301);
        let mut unsigned = bodiless(path, NOW.as_secs());
        unsigned.headers_mut().remove(headers::SIGNATURE);
        for request in [late, unsigned] {
            // Without a clock that runs, only what waits for nothing ends.
            let (head, _) = rig.send(request).now_or_never().expect("it is answered at once");
            assert_eq!(head.status(), 401, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_strangers_are_so_many_and_no_more() {
    let rig = pulling().await;
    let begin = || rig.router.clone().oneshot(bodiless("/connectors/c/psk", NOW.as_secs()));
    let mut waiting: Vec<_> = (0..claim::CLAIMS).map(|_| Box::pin(begin())).collect();
    for request in &mut waiting {
        assert!(request.now_or_never().is_none());
    }

    let (head, problem) = ask(&rig, "c", &secret(), &json!({ "identity": "made" })).await;

    assert_eq!((head.status().as_u16(), &problem["code"]), (503, &json!("busy")));
    for request in waiting {
        assert_eq!(request.await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
    }
    assert_eq!(asks(&rig, "c", &secret(), "made").await.0, 200);
}
