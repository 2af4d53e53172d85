//! Scripts of the message layer: RFC 7252 §4, §5.2 and the figures of its appendix A.

mod script;

use claviger_coap::{Output, Params, Refusal};
use claviger_machine::{Code, Method, Request, Response, Unanswered};
use core::time::Duration;
use script::*;

const TEMPERATURE: &[u8] = b"\xbbtemperature";

fn content(payload: &str) -> Response {
    Response { payload: payload.into(), ..Response::new(Code::CONTENT) }
}

/// ```text
/// Client              Server
///    +-- CON GET -------->|   MID=0x7d35, token 0x20, Uri-Path: temperature
///    |<-- ACK 2.05 -------+   MID=0x7d35, token 0x20, "22.3 C"       (RFC 7252 figure 17)
/// ```
#[test]
fn answers_in_the_acknowledgement() {
    let mut server = Script::new();

    let (exchange, identity, request) =
        server.asked(&message(CON, GET, 0x7d35, &[0x20], TEMPERATURE, &[]));
    let answer = server.respond(exchange, content("22.3 C"));

    assert_eq!(request, Request::new(Method::Get, &["temperature"]));
    assert!(
        identity.confirmable
            && identity.message_id == 0x7d35
            && identity.token.as_bytes() == [0x20]
    );
    assert_eq!(answer, message(ACK, CONTENT, 0x7d35, &[0x20], &[], b"22.3 C"));
    assert!(server.coap.is_idle());
}

/// ```text
///    +-- CON GET -------->|   MID=0x7d35
///    |<-- (lost) ---------+
///    +-- CON GET -------->|   MID=0x7d35, again
///    |<-- ACK 2.05 -------+   the same bytes, and no second request    (RFC 7252 figure 19)
/// ```
#[test]
fn a_repeated_request_gets_the_same_bytes() {
    let mut server = Script::new();
    let get = message(CON, GET, 0x7d35, &[0x20], TEMPERATURE, &[]);
    let (exchange, ..) = server.asked(&get);

    assert_eq!(server.hear(&get), [], "while it is open");
    let answer = server.respond(exchange, content("22.3 C"));

    assert_eq!(server.answer(&get), answer);
    server.sleep(Duration::from_secs(246));
    assert_eq!(server.answer(&get), answer);
    assert_eq!(server.coap.counters().duplicates, 3);
    server.sleep(Duration::from_secs(1));
    server.asked(&get);
}

/// ```text
///    +-- CON GET -------->|   MID=0x7d35
///    |<-- ACK ------------+   1 s later
///    +-- CON GET -------->|   again
///    |<-- ACK ------------+   again
///    |<-- CON 2.05 -------+   MID=0x7d34, token 0x20
///    |<-- CON 2.05 -------+   again
///    +-- ACK ------------>|   MID=0x7d34                       (RFC 7252 figure 20)
/// ```
#[test]
fn a_late_answer_comes_apart_until_it_is_acknowledged() {
    let mut server = Script::new();
    let get = message(CON, GET, 0x7d35, &[0x20], TEMPERATURE, &[]);
    let (exchange, ..) = server.asked(&get);
    let asked_at = server.now;

    assert_eq!(one_sent(server.wait()), empty(ACK, 0x7d35));
    assert_eq!(server.now - asked_at, Duration::from_secs(1));
    assert_eq!(server.answer(&get), empty(ACK, 0x7d35));
    let separate = server.respond(exchange, content("22.3 C"));
    assert_eq!(separate, message(CON, CONTENT, FIRST, &[0x20], &[], b"22.3 C"));
    assert_eq!(one_sent(server.wait()), separate);
    assert_eq!(server.hear(&empty(ACK, FIRST)), []);

    assert!(server.coap.is_idle());
    assert_eq!(server.coap.counters().retransmissions, 1);
}

/// ```text
///    +-- NON GET -------->|   MID=0x7d40, token 0x75
///    |<-- NON 2.05 -------+   MID=0x7d34, token 0x75               (RFC 7252 figure 22)
///    +-- NON GET -------->|   again: nothing
/// ```
#[test]
fn a_non_confirmable_request_is_answered_once_and_alike() {
    let mut server = Script::new();
    let get = message(NON, GET, 0x7d40, &[0x75], TEMPERATURE, &[]);
    let (exchange, identity, _) = server.asked(&get);

    let answer = server.respond(exchange, content("22.3 C"));

    assert!(!identity.confirmable);
    assert_eq!(answer, message(NON, CONTENT, FIRST, &[0x75], &[], b"22.3 C"));
    assert_eq!(server.hear(&get), []);
}

/// A forgotten exchange comes out anew when the peer sends it again; an answer to the old one
/// goes nowhere.
#[test]
fn a_forgotten_request_may_come_again() {
    let mut server = Script::new();
    let get = message(CON, GET, 0x7d35, &[0x20], TEMPERATURE, &[]);
    let (first, identity, _) = server.asked(&get);

    server.coap.forget(first);
    let (second, again, _) = server.asked(&get);
    server.coap.respond(server.now, first, content("stale"));

    assert_eq!(server.outputs(), []);
    assert_ne!(first, second);
    assert_eq!(identity, again, "the ledger recognizes it");
}

#[test]
fn a_ping_gets_a_reset() {
    assert_eq!(Script::new().answer(&empty(CON, 7)), empty(RST, 7));
}

/// RFC 7252 §4.2, §4.3, §5.4.1, §5.8: what each kind of wrong message gets.
#[test]
fn refuses_as_the_kind_of_message_allows() {
    let bad_option = message(ACK, 0x82, 9, &[1], &[], &[]);
    let bad_method = message(ACK, 0x85, 9, &[1], &[], &[]);
    let (reset, nothing) = (empty(RST, 9), Vec::new());
    let malformed = Refusal::Malformed;
    let (oscore, unmatched) = (Refusal::BadOption(9), Refusal::Unmatched);
    for (why, datagram, reply, refusal) in [
        ("format error, CON", message(CON, GET, 9, &[1], &[0xf0], &[]), &reset, malformed),
        ("format error, NON", message(NON, GET, 9, &[1], &[0xf0], &[]), &nothing, malformed),
        ("format error, ACK", message(ACK, CONTENT, 9, &[1], &[0xf0], &[]), &nothing, malformed),
        ("reserved class, CON", message(CON, 0x21, 9, &[1], &[], &[]), &reset, malformed),
        ("version 2", message(CON | 0xc0, GET, 9, &[], &[], &[]), &nothing, malformed),
        ("three bytes", vec![0x40, 1, 9], &nothing, malformed),
        ("request in an ACK", message(ACK, GET, 9, &[1], &[], &[]), &nothing, malformed),
        ("request in a RST", message(RST, GET, 9, &[1], &[], &[]), &nothing, malformed),
        ("empty NON", empty(NON, 9), &nothing, malformed),
        ("empty, and more", message(CON, 0, 9, &[1], &[], &[]), &reset, malformed),
        ("critical option, CON", message(CON, GET, 9, &[1], &[0x90], &[]), &bad_option, oscore),
        ("critical option, NON", message(NON, GET, 9, &[1], &[0x90], &[]), &nothing, oscore),
        (
            "unknown method",
            message(CON, 0x08, 9, &[1], &[], &[]),
            &bad_method,
            Refusal::UnknownMethod,
        ),
        ("response to nothing", message(CON, CONTENT, 9, &[1], &[], &[]), &reset, unmatched),
        ("response to nothing, NON", message(NON, CONTENT, 9, &[1], &[], &[]), &nothing, unmatched),
        ("acknowledgement of nothing", empty(ACK, 9), &nothing, unmatched),
        ("reset of nothing", empty(RST, 9), &nothing, unmatched),
    ] {
        let mut server = Script::new();

        let replies: Vec<Vec<u8>> = server.hear(&datagram).into_iter().map(sent).collect();

        assert_eq!(replies.concat(), *reply, "{why}");
        let counters = server.coap.counters();
        assert_eq!(counters.refused(refusal), 1, "{why}");
        assert_eq!(counters.refused.iter().sum::<u64>(), 1, "{why}");
        // What matches nothing may as well be late as wrong: nobody is told.
        let told: &[Refusal] = if refusal == unmatched { &[] } else { &[refusal] };
        assert_eq!(server.refused, told, "{why}");
    }
}

#[test]
fn refuses_more_open_requests_than_its_limit() {
    let mut server = Script::with(Params { max_open: 1, ..Params::default() });
    server.asked(&message(CON, GET, 1, &[1], &[], &[]));

    let reply = server.answer(&message(CON, GET, 2, &[2], &[], &[]));

    assert_eq!(reply, message(ACK, 0xa3, 2, &[2], &IN_FIVE_SECONDS, &[]));
    assert_eq!(server.refused, [Refusal::Overloaded]);
}

/// Max-Age.
const IN_FIVE_SECONDS: [u8; 3] = [0xd1, 1, 5];

#[test]
fn turns_away_a_request_once_and_nothing_else() {
    let mut server = Script::new();
    let (get, other) = (message(CON, GET, 7, &[1], TEMPERATURE, &[]), empty(ACK, 8));
    let non = message(NON, GET, 9, &[1], TEMPERATURE, &[]);

    let is_request = [&get, &other, &non].map(|it| claviger_coap::Association::is_request(it));
    for datagram in [&get, &get, &other, &non] {
        server.coap.turn_away(server.now, datagram);
    }

    assert_eq!(is_request, [true, false, false]);
    let reply = message(ACK, 0xa3, 7, &[1], &IN_FIVE_SECONDS, &[]);
    let sent: Vec<_> = server.outputs().into_iter().map(sent).collect();
    // The second time as a duplicate of the first.
    assert_eq!(sent, [reply.clone(), reply]);
    assert_eq!(server.refused, [Refusal::Overloaded]);
}

/// ```text
///    +-- CON GET -------->|   MID=0x7d34
///    |<-- ACK 2.05 -------+   with another token: not ours
///    |<-- ACK 2.05 -------+   with ours
/// ```
#[test]
fn takes_an_acknowledgement_only_with_its_token() {
    let mut client = Script::new();
    let (request, get) = client.request(Request::new(Method::Get, &["temperature"]));
    assert_eq!(get, message(CON, GET, FIRST, &TOKEN, TEMPERATURE, &[]));

    assert_eq!(
        client.hear(&message(ACK, CONTENT, FIRST, b"elsewhere"[..8].as_ref(), &[], b"x")),
        []
    );
    let (sent, ended, result) = client.ended(&message(ACK, CONTENT, FIRST, &TOKEN, &[], b"22.3 C"));

    assert_eq!((sent.len(), ended, result), (0, request, Ok(content("22.3 C"))));
    assert!(client.coap.is_idle());
}

/// ```text
///    +-- CON POST ------->|   MID=0x7d34
///    |<-- ACK ------------+   MID=0x7d34
///    |<-- CON 2.04 -------+   MID=0x23bb, our token
///    +-- ACK ------------>|   MID=0x23bb
///    |<-- CON 2.04 -------+   again
///    +-- ACK ------------>|   again
/// ```
#[test]
fn takes_a_separate_response_and_acknowledges_it_each_time() {
    let mut client = Script::new();
    let (request, _) = client.request(Request::new(Method::Post, &["bs"]));
    let separate = message(CON, CHANGED, 0x23bb, &TOKEN, &[], &[]);

    assert_eq!(client.hear(&empty(ACK, FIRST)), []);
    let (sent, ended, result) = client.ended(&separate);

    assert_eq!(sent, [empty(ACK, 0x23bb)]);
    assert_eq!((ended, result), (request, Ok(Response::new(Code::CHANGED))));
    assert_eq!(client.answer(&separate), empty(ACK, 0x23bb));
}

/// ```text
///    +-- CON GET -------->|   MID=0x7d34
///    |<-- ACK 2.05 -------+   "22.3 C"
///    |<-- ACK 2.05 -------+   again: nothing
///    |<-- CON 2.05 -------+   and with other words: RST
/// ```
#[test]
fn a_device_that_answers_twice_is_heard_once() {
    let mut client = Script::new();
    let (_, get) = client.request(Request::new(Method::Get, &["x"]));
    let first = message(ACK, CONTENT, id(&get), &TOKEN, &[], b"22.3 C");
    let (_, _, result) = client.ended(&first);

    let again = client.hear(&first);
    let other = client.answer(&message(CON, CONTENT, 0x23bb, &TOKEN, &[], b"9 C"));

    assert_eq!(result, Ok(content("22.3 C")));
    assert_eq!(again, []);
    assert_eq!(other, empty(RST, 0x23bb));
    assert_eq!(client.coap.counters().refused(Refusal::Unmatched), 2);
}

/// The acknowledgement was overtaken: the response stands for it, and it changes nothing more.
#[test]
fn a_separate_response_may_overtake_the_acknowledgement() {
    let mut client = Script::new();
    client.request(Request::new(Method::Post, &["bs"]));

    let (_, _, result) = client.ended(&message(CON, CHANGED, 0x23bb, &TOKEN, &[], &[]));

    assert_eq!(result, Ok(Response::new(Code::CHANGED)));
    assert_eq!(client.hear(&empty(ACK, FIRST)), []);
    assert!(client.coap.is_idle());
}

/// A critical option in a response: it is rejected, and the request has no answer.
#[test]
fn rejects_a_response_that_it_does_not_understand() {
    let mut client = Script::new();
    client.request(Request::new(Method::Post, &["bs"]));

    let (sent, _, result) = client.ended(&message(CON, CHANGED, 0x23bb, &TOKEN, &[0x90], &[]));

    assert_eq!(sent, [empty(RST, 0x23bb)]);
    assert_eq!(result, Err(Unanswered::Garbled));
}

#[test]
fn sends_again_four_times_and_gives_up_within_max_transmit_wait() {
    let mut client = Script::new();
    let (request, get) = client.request(Request::new(Method::Get, &["x"]));
    let begin = client.now;

    for _ in 0..4 {
        assert_eq!(one_sent(client.wait()), get);
    }
    let end = client.wait();

    assert_eq!(end, [Output::Response { request, result: Err(Unanswered::TimedOut) }]);
    let took = client.now - begin;
    assert!((62..=93).contains(&took.as_secs()), "{took:?}");
    assert_eq!(client.coap.counters().timeouts, 1);
}

#[test]
fn a_separate_response_that_never_comes_times_out() {
    let mut client = Script::new();
    let (request, _) = client.request(Request::new(Method::Get, &["x"]));
    client.hear(&empty(ACK, FIRST));

    let before = client.sleep(Duration::from_secs(246));
    let after = client.wait();

    assert_eq!(before, []);
    assert_eq!(after, [Output::Response { request, result: Err(Unanswered::TimedOut) }]);
}

#[test]
fn a_reset_ends_a_request() {
    let mut client = Script::new();
    let (request, _) = client.request(Request::new(Method::Get, &["x"]));

    let (_, ended, result) = client.ended(&empty(RST, FIRST));

    assert_eq!((ended, result), (request, Err(Unanswered::Reset)));
    assert_eq!(client.coap.counters().resets, 1);
}

/// NSTART = 1: the second request leaves when the first is answered, or cancelled.
#[test]
fn one_request_is_under_way_at_a_time() {
    let mut client = Script::new();
    let (first, _) = client.request(Request::new(Method::Get, &["1"]));
    client.coap.request(client.now, Request::new(Method::Get, &["2"]), [2; 8]);
    client.coap.request(client.now, Request::new(Method::Get, &["3"]), [3; 8]);
    assert_eq!(client.outputs(), []);

    client.coap.cancel(client.now, first);
    let second = one_sent(client.outputs());
    let outputs = client.hear(&message(ACK, CONTENT, FIRST + 1, &[2; 8], &[], b"2"));

    assert_eq!(token(&second), [2; 8]);
    assert!(matches!(&outputs[0], Output::Response { result: Ok(_), .. }));
    assert!(matches!(&outputs[1], Output::Send(bytes) if token(bytes) == [3; 8]));
}

/// It is under way until it is answered, not only until it is acknowledged.
#[test]
fn a_separate_response_holds_the_next_request_back() {
    let mut client = Script::new();
    client.request(Request::new(Method::Get, &["1"]));
    client.coap.request(client.now, Request::new(Method::Get, &["2"]), [2; 8]);

    assert_eq!(client.hear(&empty(ACK, FIRST)), []);
    let outputs = client.hear(&message(NON, CONTENT, 5, &TOKEN, &[], b"1"));

    assert!(matches!(&outputs[1], Output::Send(bytes) if token(bytes) == [2; 8]), "{outputs:?}");
}

/// Who has cancelled does not know the token any more (RFC 7252 §4.2).
#[test]
fn rejects_the_response_to_a_cancelled_request() {
    let mut client = Script::new();
    let (request, _) = client.request(Request::new(Method::Get, &["1"]));

    client.coap.cancel(client.now, request);

    assert_eq!(client.answer(&message(CON, CONTENT, 5, &TOKEN, &[], &[])), empty(RST, 5));
    assert!(client.coap.is_idle());
}

/// An idle association holds nothing but its numbers once the message ids are stale.
#[test]
fn an_idle_association_is_small_and_asks_for_no_timer() {
    let mut server = Script::new();
    let (exchange, ..) = server.asked(&message(CON, GET, 1, &[1], &[], &[]));
    server.respond(exchange, content("x"));

    server.wait();

    assert_eq!(server.coap.next_timeout(), None);
    assert!(size_of_val(&server.coap) < 700, "{}", size_of_val(&server.coap));
}
