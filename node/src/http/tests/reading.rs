//! What is read again, in pages, or from the document.

use super::*;

/// The answer to a GET with this If-None-Match: its status, its ETag, and its body.
async fn unless(rig: &Rig, path: &str, seen: &str) -> (u16, String, Vec<u8>) {
    let request = Request::get(format!("/api/v1/tenants/default{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .header(header::IF_NONE_MATCH, seen);
    let (head, body) = rig.send(request.body(Body::empty()).unwrap()).await;
    let tag = head.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
    (head.status().as_u16(), tag.unwrap_or_default(), body)
}

#[tokio::test]
async fn what_was_seen_is_not_sent_again() {
    let rig = Rig::ready().await;
    for path in ["/devices/d", "/profiles/p", "/connectors/c"] {
        let (status, seen, body) = unless(&rig, path, "\"777\"").await;
        assert!(status == 200 && !body.is_empty(), "{path}");
        let (status, tag, body) = unless(&rig, path, &seen).await;
        assert_eq!((status, tag, &*body), (304, seen, &b""[..]), "{path}");
    }
    let (status, ..) = unless(&rig, "/devices/none", "\"1\"").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn audit_and_timeline_are_read_in_pages() {
    let rig = Rig::ready().await;
    for _ in 0..4 {
        assert_eq!(rig.ask("POST", "/devices/d/rotate", None).await.0, 200);
    }
    for path in ["/devices/d/timeline", "/devices/d/audit"] {
        let all = rig.get(path).await.1["entries"].clone();
        assert!(all.as_array().unwrap().len() > 2, "{path}: {all}");
        let (mut read, mut query) = (Vec::new(), "?limit=2".to_owned());
        loop {
            let (status, page) = rig.get(&format!("{path}{query}")).await;
            assert_eq!(status, 200, "{page}");
            let entries = page["entries"].as_array().unwrap();
            assert!(entries.len() <= 2);
            read.extend(entries.clone());
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?limit=2&after={next}");
        }
        assert_eq!(json!(read), all, "{path}");
        // A device that never was has neither, wherever one begins.
        let none = path.replace("/d/", "/none/");
        assert_eq!(rig.get(&format!("{none}?after=AAE")).await.0, 404, "{path}");
        let (status, problem) = rig.get(&format!("{path}?after=*")).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("bad_cursor")));
    }
}

#[tokio::test]
async fn a_page_longer_than_a_step_has_each_device_once() {
    let rig = Rig::ready().await;
    for number in 0..250 {
        let lines = device(&format!("n{number}"), KEY);
        assert_eq!(rig.post("/devices", lines).await.0, 201);
    }
    let (_, page) = rig.get("/devices?limit=240").await;
    let (_, rest) = rig.get(&format!("/devices?after={}", page["next"].as_str().unwrap())).await;
    let items = |page: &Value| page["items"].as_array().unwrap().clone();
    assert_eq!((items(&page).len(), items(&rest).len()), (240, 11));
    let ids = items(&page).into_iter().chain(items(&rest)).map(|device| device["id"].to_string());
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 251);
    assert_eq!(rig.get("/devices?state=lost").await.0, 422);
}

#[tokio::test]
async fn the_document_is_there_for_everybody() {
    let rig = Rig::new().await;
    let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
    let (head, body) = rig.send(request).await;
    assert_eq!(head.status(), StatusCode::OK);
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, serde_json::from_str::<Value>(&super::document()).unwrap());
}

#[test]
fn every_operation_says_who_may_ask_and_what_may_go_wrong() {
    let document: Value = serde_json::from_str(&super::document()).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(operation["security"].is_array(), "{method} {path}");
            if path.contains("{tenant}") {
                for status in ["400", "401", "404", "500", "503"] {
                    let words = &operation["responses"][status]["description"];
                    assert!(words.as_str().is_some_and(|w| w.contains('`')), "{method} {path}");
                }
            }
        }
    }
    assert!(ids.len() > 20);
    let text = document.to_string();
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        let named = text.contains(&format!("#/components/schemas/{schema}\""));
        assert!(
            named || text.contains(&format!("{schema} in JSON")),
            "{schema} is used by nothing"
        );
    }
}
