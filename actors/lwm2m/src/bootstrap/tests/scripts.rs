//! Sessions as the stacks of the field have them, from the first request to the end.

use super::*;
use crate::objects::{SecurityMode, SecurityObject, ServerObject};

/// Runs a session with a device that answers Discover with `discover`, and gives what was sent.
fn run(query: &[&str], discover: &str) -> Vec<String> {
    let mut session = Session::new().request(1, &post_bs(query)).wants(&["stage"]);
    session = session.give(Input::Staged(grant())).wants(&[
        "respond 1 2.04 Changed",
        "GET / accept 40",
        "await server",
    ]);
    session = session.answer(content(discover)).give(Input::ServerReady);
    let mut log = Vec::new();
    while let Some(Effect::Send(request)) = session.effects.first() {
        log.push(sent(request));
        let answer = if request.method == Method::Delete { Code::DELETED } else { Code::CHANGED };
        session = session.answer(code(answer));
    }
    session
        .wants(&["deliver"])
        .give(Input::Committed)
        .wants(&["record finish delivered", "done delivered"]);
    log
}

#[test]
fn leshan_is_written_beside_its_account_without_a_delete() {
    let discover = r#"</>;lwm2m=1.0,</0>;ver=1.2,</0/0>;uri="coaps://localhost:5684",</1>,</3442/0>,</3>;ver=1.2"#;

    let log = run(&["pct=112", "ep=urn:dev:a1"], discover);

    assert_eq!(log, ["PUT /0/1 as 112", "PUT /1/0 as 112", "POST /bs"]);
}

#[test]
fn anjay_keeps_its_account_at_0_1() {
    let discover =
        r#"lwm2m="1.0",</0>,</0/0>;ssid=101,</0/1>,</1>,</1/0>;ssid=101,</2>,</3>,</3/0>"#;

    let log = run(&["ep=urn:dev:a1"], discover);

    assert_eq!(
        log,
        ["DELETE /0", "DELETE /1", "PUT /0/0 as 11542", "PUT /1/0 as 11542", "POST /bs"]
    );
}

#[test]
fn anjay_1_2_is_written_the_same_way() {
    let discover = r#"</>;lwm2m=1.2,</0>,</0/0>;ssid=101;uri="coap://127.0.0.1:5683",</0/1>;uri="coaps://127.0.0.1:5786",</1>,</1/0>;ssid=101,</2>"#;

    let log = run(&["ep=urn:dev:a1", "pct=112"], discover);

    assert_eq!(log, ["DELETE /0", "DELETE /1", "PUT /0/0 as 112", "PUT /1/0 as 112", "POST /bs"]);
}

#[test]
fn wakaama_loses_its_old_server_only() {
    let discover = "</>;lwm2m=1.1,</0/0>,</1>;ver=1.1,</1/0>;ssid=123,</2/0>,</3/0>";

    let log = run(&["ep=urn:dev:a1", "pct=110"], discover);

    assert_eq!(log, ["DELETE /1", "PUT /0/1 as 110", "PUT /1/0 as 110", "POST /bs"]);
}

#[test]
fn what_is_written_is_the_grant_in_the_format_that_was_asked_for() {
    for format in Format::ALL {
        let session = Session::new().request(1, &post_bs(&[&format!("pct={}", format.number())]));
        let session = session.give(Input::Staged(grant())).answer(content(FRESH));
        let session = session.give(Input::ServerReady);
        let security = SecurityObject::decode(format, 1, session.payload());
        let session = session.answer(code(Code::CHANGED));
        let server = ServerObject::decode(format, 0, session.payload());

        let grant = grant();
        assert_eq!(
            security,
            Ok(SecurityObject {
                uri: grant.server_uri,
                bootstrap: false,
                mode: SecurityMode::Psk,
                identity: grant.identity,
                server_public_key: Vec::new(),
                secret_key: grant.key,
                short_server_id: Some(123),
            })
        );
        assert_eq!(
            server,
            Ok(ServerObject {
                short_server_id: 123,
                lifetime: 300,
                notification_storing: true,
                binding: "U".into(),
            })
        );
    }
}

#[test]
fn discover_on_the_root_has_no_path_and_finish_no_payload() {
    let discovering = discovering();
    let finishing = finishing();

    let Effect::Send(discover) = &discovering.effects[1] else { panic!("a request") };
    assert!(discover.path.is_empty() && discover.query.is_empty() && discover.payload.is_empty());
    let Effect::Send(finish) = &finishing.effects[0] else { panic!("a request") };
    assert!(finish.query.is_empty() && finish.payload.is_empty());
    assert_eq!((finish.content_format, finish.accept), (None, None));
    assert_eq!(discover.accept, Some(content_format::LINK_FORMAT));
}
