//! Connectors of the kind that speaks a Leshan server's own API.

use super::*;

const TOKEN: &str = "Bearer canary-token";

#[tokio::test]
async fn a_leshan_connector_says_that_it_holds_one_credential_and_makes_no_secret() {
    let rig = Rig::new().await;
    let body = json!({ "kind": "leshan", "url": "http://127.0.0.1:8081/" });

    let (status, made) = rig.put("/connectors/l", body).await;

    assert_eq!((status, &made["kind"]), (201, &json!("leshan")), "{made}");
    assert_eq!((&made["overlap"], made["secret"].as_str()), (&json!(false), None));
    let webhook = json!({ "url": "https://a.example/", "secret": SECRET });
    assert_eq!(rig.put("/connectors/w", webhook).await.1["overlap"], true);
}

#[tokio::test]
async fn what_a_proxy_wants_is_taken_and_never_shown() {
    let rig = Rig::new().await;
    let body = json!({ "kind": "leshan", "url": "https://a.example/", "secret": TOKEN });

    let (status, made) = rig.put("/connectors/l", body).await;

    assert_eq!((status, made["secret"].as_str()), (201, None), "{made}");
    assert!(!rig.get("/connectors/l").await.1.to_string().contains("canary"));
}

#[tokio::test]
async fn a_leshan_connector_has_a_bare_url_and_an_authorization_with_its_scheme() {
    let rig = Rig::new().await;
    let good = json!({ "kind": "leshan", "url": "https://a.example/", "secret": TOKEN });
    let table = [
        ("url", json!("http://a.example/")),
        ("url", json!("https://a.example/?x")),
        ("url", json!("")),
        ("secret", json!("canary-token")),
        ("secret", json!(SECRET)),
    ];
    for (field, value) in table {
        let mut body = good.clone();
        body[field] = value;
        let (status, problem) = rig.put("/connectors/l", body).await;
        assert_eq!(status, 422, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(field) && !detail.contains("canary"), "{detail}");
    }
    assert_eq!(rig.put("/connectors/l", good).await.0, 201);
}

#[tokio::test]
async fn nobody_reports_a_use_in_the_name_of_a_server_that_signs_nothing() {
    // Given a credential of a Leshan connector without a secret
    let rig = Rig::new().await;
    let leshan = json!({ "kind": "leshan", "url": "http://127.0.0.1:8081/" });
    assert_eq!(rig.put("/connectors/c", leshan).await.0, 201);
    let profile = json!({ "server_uri": "coaps://a.example", "connector": "c" });
    assert_eq!(rig.put("/profiles/p", profile).await.0, 201);
    let of = pull::staged(&rig, b"made").await;

    // When somebody signs with the empty secret
    let body = json!({ "used_at": "2026-11-24T18:00:00Z" }).to_string();
    let time = NOW.as_secs();
    let path = format!("/devices/{}/credentials/{}/use", of.device, CredentialId([9; 16]));
    let request = Request::builder()
        .method("POST")
        .uri(format!("/api/v1/tenants/default{path}"))
        .header(headers::ID, "use_1")
        .header(headers::TIMESTAMP, time.to_string())
        .header(headers::SIGNATURE, SigningSecret::new(&[]).sign("use_1", time, body.as_bytes()));
    let (head, _) = rig.send(request.body(body.into()).unwrap()).await;

    assert_eq!(head.status(), 401);
    assert_eq!(rig.get("/devices/d").await.1["credentials"][1]["state"], "staged");
}
