//! What a device can do that has proven its key. The messages are written by hand (RFC 7252 §3).

use super::*;
use claviger_machine::Code;

const CON: u8 = 0x40;
const URI_PATH: u8 = 11;
const URI_QUERY: u8 = 15;

/// A ping: an empty confirmable message.
pub(crate) fn ping(message_id: u8) -> Vec<u8> {
    vec![CON, 0, 0, message_id]
}

/// What answers it.
pub(crate) fn reset(message_id: u8) -> Vec<u8> {
    vec![0x70, 0, 0, message_id]
}

/// A confirmable POST with the token 7 and these options, in the order of their numbers.
fn post(message_id: u8, options: &[(u8, &str)]) -> Vec<u8> {
    let mut message = vec![CON | 1, 2, 0, message_id, 7];
    let mut before = 0;
    for (number, value) in options {
        let delta = number - before;
        before = *number;
        let length = value.len() as u8;
        assert!(delta < 13 && value.len() < 256, "too long to be written by hand");
        if length < 13 {
            message.push(delta << 4 | length);
        } else {
            message.extend([delta << 4 | 13, length - 13]);
        }
        message.extend(value.as_bytes());
    }
    message
}

/// A Bootstrap-Request with this query.
fn bootstrap_request(message_id: u8, query: &[&str]) -> Vec<u8> {
    let query = query.iter().map(|value| (URI_QUERY, *value));
    let options: Vec<_> = [(URI_PATH, "bs")].into_iter().chain(query).collect();
    post(message_id, &options)
}

/// The code and diagnostic text of a response that comes with its acknowledgement.
fn refusal(message: &[u8], message_id: u8) -> (Code, String) {
    assert_eq!(message[0], 0x61, "an acknowledgement with a token of one byte");
    assert_eq!(message[2..5], [0, message_id, 7]);
    let text =
        message.iter().position(|byte| *byte == 0xff).map_or(&[][..], |at| &message[at + 1..]);
    (Code(message[1]), String::from_utf8_lossy(text).into_owned())
}

async fn open(rig: &Rig) -> RawSession {
    let mut session = rig.raw(BAD, KEY).await;
    session.open().await.expect("a session");
    session
}

/// The counter of bootstraps that failed for `reason`.
fn failed(reason: &str) -> String {
    format!("claviger_bootstrap_failures_total{{reason=\"{reason}\"}}")
}

/// The counter of CoAP messages refused for `reason`.
fn refused(reason: &str) -> String {
    format!("claviger_coap_refused_total{{reason=\"{reason}\"}}")
}

/// A Bootstrap-Request that is refused: what the device hears, and what the operator reads.
async fn refused_request(query: &[&str], code: Code, reason: &str, words: &str) {
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;

    session.send(&bootstrap_request(9, query)).await;

    let answer = session.receive(PATIENCE).await.expect("an answer");
    let (is, text) = refusal(&answer, 9);
    assert_eq!(is, code, "{text}");
    rig.moved(&before, &[(&failed(reason), 1)]).await;
    rig.on_the_timeline(words).await;
}

#[tokio::test]
async fn an_unknown_endpoint_is_refused() {
    let query = ["ep=urn:dev:nobody"];
    refused_request(&query, Code::BAD_REQUEST, "foreign_endpoint", "Correct the name").await;
}

#[tokio::test]
async fn the_endpoint_of_another_device_is_refused() {
    let mut rig = Rig::start().await;
    rig.witness().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;

    session.send(&bootstrap_request(9, &["ep=urn:dev:good-1"])).await;

    let answer = session.receive(PATIENCE).await.expect("an answer");
    assert_eq!(refusal(&answer, 9).0, Code::BAD_REQUEST);
    rig.moved(&before, &[(&failed("foreign_endpoint"), 1)]).await;
    rig.on_the_timeline("Correct the name").await;
}

#[tokio::test]
async fn a_preferred_format_that_is_no_number_is_refused() {
    refused_request(&["ep=urn:dev:bad", "pct=tlv"], Code::BAD_REQUEST, "bad_format", "pct").await;
}

#[tokio::test]
async fn a_preferred_format_that_is_not_written_is_refused() {
    let code = Code::UNSUPPORTED_CONTENT_FORMAT;
    for pct in ["pct=60", "pct=11544"] {
        refused_request(&["ep=urn:dev:bad", pct], code, "unsupported_format", "pct").await;
    }
}

#[tokio::test]
async fn a_request_that_is_not_confirmable_is_refused() {
    const NON: u8 = 0x10;
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;
    let mut request = bootstrap_request(9, &["ep=urn:dev:bad"]);
    request[0] |= NON;

    session.send(&request).await;

    let answer = session.receive(PATIENCE).await.expect("an answer");
    assert_eq!((answer[0], Code(answer[1])), (CON | NON | 1, Code::BAD_REQUEST));
    rig.moved(&before, &[(&failed("not_confirmable"), 1)]).await;
    rig.on_the_timeline("confirmable").await;
}

#[tokio::test]
async fn a_device_that_takes_this_for_an_lwm2m_server_is_told_so() {
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;

    for message_id in [9, 10] {
        session.send(&post(message_id, &[(URI_PATH, "rd"), (URI_QUERY, "ep=urn:dev:bad")])).await;
        let answer = session.receive(PATIENCE).await.expect("an answer");
        assert_eq!(refusal(&answer, message_id).0, Code::NOT_FOUND);
    }

    rig.moved(&before, &[(&failed("not_served"), 2)]).await;
    rig.on_the_timeline("POST /rd").await;
}

#[tokio::test]
async fn malformed_coap_is_counted_and_ends_nothing() {
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;

    // A token length of 15 is reserved (RFC 7252 §3).
    session.send(&[0x4f, 2, 0, 9]).await;
    // A payload marker without a payload.
    session.send(&[CON, 2, 0, 10, 0xff]).await;

    rig.moved(&before, &[(&refused("malformed"), 2)]).await;
    rig.on_the_timeline("no CoAP message").await;
    session.send(&ping(11)).await;
    let mut answers = Vec::new();
    while let Some(answer) = session.receive(PATIENCE).await {
        answers.push(answer);
        if answers.last() == Some(&reset(11)) {
            break;
        }
    }
    assert_eq!(answers.last(), Some(&reset(11)));
}

#[tokio::test]
async fn an_unknown_critical_option_is_refused() {
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;

    // Option 9 is unassigned, and odd, hence critical (RFC 7252 §5.4.1).
    session.send(&post(9, &[(9, ""), (URI_PATH, "bs"), (URI_QUERY, "ep=urn:dev:bad")])).await;

    let answer = session.receive(PATIENCE).await.expect("an answer");
    assert_eq!(refusal(&answer, 9).0, Code::BAD_OPTION);
    rig.moved(&before, &[(&refused("bad_option"), 1)]).await;
    rig.on_the_timeline("CoAP option 9").await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;

    // Blocks of 1,024 bytes, always with more to come (RFC 7959 §2.2); 8 KiB are taken.
    let mut codes = Vec::new();
    for number in 0..9_u8 {
        let mut message = bootstrap_request(number, &["ep=urn:dev:bad"]);
        message.extend([(27 - URI_QUERY) << 4 | 1, number << 4 | 8 | 6, 0xff]);
        message.extend([0x55; 1024]);
        session.send(&message).await;
        let answer = session.receive(PATIENCE).await.expect("an answer");
        codes.push(refusal(&answer, number).0);
    }

    assert_eq!(codes.pop(), Some(Code::REQUEST_ENTITY_TOO_LARGE));
    assert_eq!(codes, [Code::CONTINUE; 8]);
    rig.moved(&before, &[(&refused("body_too_large"), 1)]).await;
    rig.on_the_timeline("too large").await;
}

#[tokio::test]
async fn a_device_that_refuses_a_write_stops_its_bootstrap_there() {
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let config =
        DeviceConfig { refuse: Some("/0/1".to_owned()), ..DeviceConfig::new(BAD, psk(KEY)) };

    let mut device = rig.device(config).await;
    let waiting = tokio::time::timeout(Duration::from_secs(3), device.bootstrap()).await;

    assert!(waiting.is_err(), "it ended: {waiting:?}");
    rig.moved(&before, &[(&failed("operation_refused"), 1)]).await;
    rig.on_the_timeline("/0/1").await;
}

#[tokio::test]
async fn a_device_that_answers_twice_is_served_all_the_same() {
    // Given a device whose network doubles each datagram
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let mut device = rig.device(DeviceConfig::new(BAD, psk(KEY))).await;
    device.doubles = true;

    let account = tokio::time::timeout(PATIENCE, device.bootstrap()).await.expect("in time");

    account.expect("it is served");
    let moved = moves(&before, &rig.failures().await);
    // The copy of the last flight comes while its credential is looked up, or once the session is open.
    let doubled = ["replayed", "waiting", "repeated_hello", "plaintext_record"].map(dropped);
    assert!(moved.keys().all(|name| doubled.contains(name)), "{moved:#?}");
    rig.witness().await;
}

#[tokio::test]
async fn a_second_request_in_the_middle_begins_anew_with_the_same_credential() {
    // Given a bootstrap in the middle: the server has sent its first command
    let mut rig = Rig::start().await;
    let mut session = open(&rig).await;
    let before = rig.failures().await;
    session.send(&bootstrap_request(9, &["ep=urn:dev:bad"])).await;
    let answer = session.receive(PATIENCE).await.expect("an answer");
    assert_eq!(refusal(&answer, 9).0, Code::CHANGED);
    let command = session.receive(PATIENCE).await.expect("a command");
    assert_eq!(command[1], 1, "Discover is a GET");

    // When the device asks again
    session.send(&bootstrap_request(10, &["ep=urn:dev:bad"])).await;

    // Then the first attempt is superseded, the second goes on, and one credential is staged
    rig.moved(&before, &[(&failed("began_again"), 1)]).await;
    rig.on_the_timeline("again").await;
    let (_, device) = rig.claviger.api("GET", &format!("/devices/{BAD}"), None).await;
    let staged = device["credentials"].as_array().expect("credentials").iter();
    assert_eq!(
        staged.filter(|credential| credential["state"] == "staged").count(),
        1,
        "{device:#}"
    );
}

#[tokio::test]
async fn a_missing_endpoint_is_the_identitys_where_they_are_equal() {
    let rig = Rig::start().await;
    let mut session = open(&rig).await;

    session.send(&bootstrap_request(9, &[])).await;

    let answer = session.receive(PATIENCE).await.expect("an answer");
    assert_eq!(refusal(&answer, 9).0, Code::CHANGED);
}

#[tokio::test]
async fn a_missing_endpoint_is_refused_where_the_identity_is_another_name() {
    let mut rig = Rig::start().await;
    let key = serde_json::json!({ "format": "hex", "value": KEY_HEX });
    let psk = serde_json::json!({ "identity": "another name", "key": key });
    let device =
        serde_json::json!({ "endpoint": "urn:dev:named", "profile": "profile", "psk": psk });
    let (status, body) = rig.claviger.api("POST", "/devices", Some(device)).await;
    assert_eq!(status, 201, "{body}");
    let mut session = rig.raw("another name", KEY).await;
    session.open().await.expect("a session");
    let before = rig.failures().await;

    session.send(&bootstrap_request(9, &[])).await;

    let answer = session.receive(PATIENCE).await.expect("an answer");
    assert_eq!(refusal(&answer, 9).0, Code::BAD_REQUEST);
    rig.moved(&before, &[(&failed("no_endpoint"), 1)]).await;
    let (_, device) = rig.claviger.api("GET", "/devices/urn:dev:named", None).await;
    assert!(device["timeline"].to_string().contains("(ep)"), "{device:#}");
}
