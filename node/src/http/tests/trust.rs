//! Devices that prove themselves by keys that sign, trust anchors, and the server's own key.

use super::*;

const AUTHORITY: &str = include_str!("../../../curves/tests/pki/ca.pem");
const DEVICE: &str = include_str!("../../../curves/tests/pki/device.pem");
const DEVICE_KEY: &str = include_str!("../../../curves/tests/pki/device.key");
const AUTHORITY_KEY: &str = include_str!("../../../curves/tests/pki/ca.key");
/// The device's public key, in base64.
const PUBLIC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG6tT7Gy8JJpBSVnm5ukNPB3nA7o3ggYATYS3cEocSSF7AFP1SAdM4ugxoPkgFo0AtfTt0+QoLOdNVAzDKkecpg==";

fn keyed(endpoint: &str, proof: Value) -> Value {
    let mut body = json!({ "endpoint": endpoint, "profile": "p" });
    let members = body.as_object_mut().unwrap();
    members.extend(proof.as_object().unwrap().clone());
    body
}

async fn anchored() -> Rig {
    let rig = Rig::ready().await;
    let body = json!({ "certificates": AUTHORITY });
    assert_eq!(rig.put("/trust-anchors/factory", body).await.0, 201);
    rig
}

#[tokio::test]
async fn a_device_is_enrolled_by_its_public_key_which_is_shown_with_its_fingerprint() {
    let rig = Rig::ready().await;
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n");

    let (status, made) = rig.post("/devices", keyed("e", json!({ "public_key": pem }))).await;

    let credential = &made["credentials"][0];
    assert_eq!((status, &credential["type"]), (201, &json!("public_key")), "{made}");
    assert_eq!(credential["public_key"], PUBLIC);
    assert_eq!(credential["fingerprint"].as_str().unwrap().len(), 64);
    assert!(credential.get("identity").is_none() && credential.get("key_length").is_none());
    let again = rig.post("/devices", keyed("f", json!({ "public_key": PUBLIC }))).await;
    assert_eq!((again.0, &again.1["code"]), (409, &json!("taken")), "a key is enrolled once");
}

#[tokio::test]
async fn a_device_is_enrolled_under_a_trust_anchor_that_is_there() {
    let rig = anchored().await;
    let under = |name: &str| keyed("e", json!({ "certificate": { "trust_anchor": name } }));

    assert_eq!(rig.post("/devices", under("none")).await.0, 404);
    let (status, made) = rig.post("/devices", under("factory")).await;

    assert_eq!((status, &made["credentials"][0]["trust_anchor"]), (201, &json!("factory")));
    assert_eq!(made["credentials"][0]["type"], "certificate");
}

#[tokio::test]
async fn a_device_proves_itself_in_one_way_and_by_a_key_that_handshakes_know() {
    let rig = anchored().await;
    let psk = json!({ "identity": "e", "key": { "format": "hex", "value": KEY } });
    let certificate = json!({ "trust_anchor": "factory" });
    let table = [
        (json!({}), "psk"),
        (json!({ "psk": psk, "public_key": PUBLIC }), "psk"),
        (json!({ "public_key": PUBLIC, "certificate": certificate }), "psk"),
        (json!({ "public_key": "AAAA" }), "public_key"),
        (json!({ "public_key": "canary" }), "public_key"),
        (json!({ "public_key": DEVICE }), "public_key"),
        (json!({ "certificate": { "trust_anchor": "" } }), "certificate.trust_anchor"),
    ];
    for (proof, field) in table {
        let (status, problem) = rig.post("/devices", keyed("e", proof.clone())).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 422, "{proof}: {problem}");
        assert!(
            detail.starts_with(&format!("{field}: ")) && !detail.contains("canary"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn a_trust_anchor_shows_its_authority_and_changes_by_its_version() {
    let rig = anchored().await;
    let profile =
        json!({ "certificates": AUTHORITY, "endpoint_in": "uri", "enrol_with_profile": "p" });

    let (_, first) = rig.get("/trust-anchors/factory").await;
    let (status, second) = rig.put("/trust-anchors/factory", profile).await;

    assert_eq!(first["endpoint_in"], "common_name");
    assert_eq!(first["authorities"][0]["subject"], "CN=factory CA,O=Factory");
    assert_eq!(first["certificates"], AUTHORITY);
    assert_eq!((status, &second["enrol_with_profile"]), (200, &json!("p")), "{second}");
    assert!(second["version"].as_u64() > first["version"].as_u64());
    let all = rig.get("/trust-anchors").await.1;
    assert_eq!(all["trust_anchors"], json!([second]));
    assert_eq!(rig.ask("DELETE", "/profiles/p", None).await.0, 409, "the anchor names it");
}

#[tokio::test]
async fn what_is_no_authority_is_refused() {
    let rig = Rig::ready().await;
    let cut = &AUTHORITY[..200];
    for certificates in ["", "x", cut, DEVICE_KEY] {
        let body = json!({ "certificates": certificates });
        assert_eq!(rig.put("/trust-anchors/a", body).await.0, 422, "{certificates}");
    }
    let none = json!({ "certificates": AUTHORITY, "enrol_with_profile": "none" });
    assert_eq!(rig.put("/trust-anchors/a", none).await.0, 404);
}

#[tokio::test]
async fn the_servers_key_is_set_with_its_chain_and_never_shown() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/server-identity").await.0, 404);
    let chain = format!("{DEVICE}{AUTHORITY}");

    let (status, made) =
        rig.put("/server-identity", json!({ "private_key": DEVICE_KEY, "chain": chain })).await;

    assert_eq!((status, &made["public_key"]), (201, &json!(PUBLIC)), "{made}");
    assert_eq!(made["chain"], chain);
    assert!(made["public_key_pem"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert!(!made.to_string().contains("PRIVATE"));
    assert_eq!(rig.get("/server-identity").await.1, made);
    assert_eq!(made["subject"], "CN=urn:dev:1,O=Factory");
    assert_eq!(made["not_after"], "2120-01-01T00:00:00Z");
    // A chain alone is for the key that is held.
    let (status, again) = rig.put("/server-identity", json!({ "chain": DEVICE })).await;
    assert_eq!((status, &again["public_key"]), (200, &json!(PUBLIC)), "{again}");
    assert_eq!(again["chain"], DEVICE);
    let (status, other) = rig.put("/server-identity", json!({ "generate": true })).await;
    assert_eq!((status, other.get("chain")), (200, None));
    assert_ne!(other["public_key"], made["public_key"]);
}

#[tokio::test]
async fn a_server_key_that_is_not_that_of_its_chain_is_refused() {
    let rig = Rig::new().await;
    let table = [
        (json!({}), "private_key"),
        (json!({ "private_key": "canary" }), "private_key"),
        (json!({ "private_key": AUTHORITY }), "private_key"),
        (json!({ "private_key": AUTHORITY_KEY, "chain": DEVICE }), "chain"),
        (json!({ "private_key": AUTHORITY_KEY, "chain": "x" }), "chain"),
        (json!({ "private_key": DEVICE_KEY, "chain": format!("{DEVICE}{DEVICE}") }), "chain"),
        (json!({ "generate": true, "chain": DEVICE }), "generate"),
    ];
    for (body, field) in table {
        let (status, problem) = rig.put("/server-identity", body).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 422, "{problem}");
        assert!(
            detail.starts_with(&format!("{field}: ")) && !detail.contains("canary"),
            "{detail}"
        );
    }
}
