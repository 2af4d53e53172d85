//! An LwM2M server that asks for keys.

use super::*;

/// A rig whose connector `c` is of the kind that asks, and whose device `d` has a staged key.
async fn pulling() -> Rig {
    let rig = Rig::new().await;
    let connector = json!({ "kind": "pull", "secret": SECRET });
    assert_eq!(rig.put("/connectors/c", connector).await.0, 201);
    let profile = json!({ "server_uri": "coaps://a.example", "connector": "c" });
    assert_eq!(rig.put("/profiles/p", profile).await.0, 201);
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
        device: of,
        session: SessionId([8; 16]),
        highest_read: 1,
        credential,
        identity: b"made".to_vec(),
        key_length: 16,
        asked: [1; 16],
        sealed_response: vec![0],
        remember: 247_000,
    };
    rig.apply(11, stage).await;
    rig
}

async fn asks(rig: &Rig, connector: &str, secret: &SigningSecret, identity: &str) -> (u16, Value) {
    let body = json!({ "identity": identity }).to_string();
    let time = NOW.as_secs();
    let request = Request::builder()
        .method("POST")
        .uri(format!("/api/v1/tenants/default/connectors/{connector}/psk"))
        .header(headers::ID, "ask_1")
        .header(headers::TIMESTAMP, time.to_string())
        .header(headers::SIGNATURE, secret.sign("ask_1", time, body.as_bytes()));
    let (head, body) = rig.send(request.body(body.into()).unwrap()).await;
    assert_eq!(head.headers()[header::CACHE_CONTROL], "no-store");
    (head.status().as_u16(), serde_json::from_slice(&body).unwrap())
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
