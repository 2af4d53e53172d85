//! Scripts of block-wise transfer: the figures of RFC 7959 §3, and what may go wrong.

mod script;

use claviger_coap::{Output, Params, Refusal};
use claviger_machine::{Code, Method, Request, Response, Unanswered};
use core::time::Duration;
use script::*;

/// Block1 (27) alone, or after Uri-Path: its value in one byte.
fn block1(num: u8, more: bool, szx: u8) -> Vec<u8> {
    vec![0xd1, 27 - 13, num << 4 | u8::from(more) << 3 | szx]
}

/// Block2 (23) alone.
fn block2(num: u8, more: bool, szx: u8) -> Vec<u8> {
    vec![0xd1, 23 - 13, num << 4 | u8::from(more) << 3 | szx]
}

/// Uri-Path "o", then Block1 of 16 bytes (delta 16).
fn path_and_block1(num: u8, more: bool) -> Vec<u8> {
    vec![0xb1, b'o', 0xd1, 3, num << 4 | u8::from(more) << 3]
}

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// ```text
/// Client                          Server
///    +-- CON PUT 1:0/1/16 --------->|   a token of its own for each block
///    |<-- ACK 2.31 1:0/1/16 --------+
///    +-- CON PUT 1:1/1/16 --------->|
///    |<-- ACK 2.31 1:1/1/16 --------+
///    +-- CON PUT 1:2/0/16 --------->|
///    |<-- ACK 2.04 1:2/0/16 --------+             (RFC 7959 figure 7)
/// ```
#[test]
fn puts_an_upload_together_whatever_its_tokens() {
    let mut server = Script::new();
    let body = body(40);

    for (num, chunk) in (0u8..).zip(body.chunks(16).take(2)) {
        let put = message(CON, PUT, u16::from(num), &[num], &path_and_block1(num, true), chunk);
        let reply = server.answer(&put);
        assert_eq!(
            reply,
            message(ACK, CONTINUE, u16::from(num), &[num], &block1(num, true, 0), &[])
        );
        assert_eq!(server.answer(&put), reply, "a repetition is no second block");
    }
    let last = message(CON, PUT, 2, &[2], &path_and_block1(2, false), &body[32..]);
    let (exchange, identity, request) = server.asked(&last);
    let reply = server.respond(exchange, Response::new(Code::CHANGED));

    assert_eq!(request, put(&["o"], body));
    assert_eq!((identity.message_id, identity.token.as_bytes()), (2, &[2][..]));
    assert_eq!(reply, message(ACK, CHANGED, 2, &[2], &block1(2, false, 0), &[]));
    assert_eq!(server.coap.counters().blockwise_completed, 1);
}

/// The hash is over the body, however it was cut.
#[test]
fn the_identity_of_a_body_does_not_depend_on_its_blocks() {
    let mut server = Script::new();
    let body = body(20);
    let (_, whole, _) = server.asked(&message(CON, PUT, 1, &[1], &[0xb1, b'o'], &body));

    server.answer(&message(CON, PUT, 2, &[2], &path_and_block1(0, true), &body[..16]));
    let (_, cut, _) =
        server.asked(&message(CON, PUT, 3, &[3], &path_and_block1(1, false), &body[16..]));

    assert_eq!(whole.sha256, cut.sha256);
}

/// Two uploads to one path at a time, told apart by Request-Tag (RFC 9175 §3.3).
#[test]
fn request_tags_keep_uploads_apart() {
    let mut server = Script::new();
    // Request-Tag is 292: after Block1 the delta is 265.
    let tagged = |num, more, tag: u8| [&path_and_block1(num, more)[..], &[0xd1, 252, tag]].concat();

    server.answer(&message(CON, PUT, 1, &[], &tagged(0, true, 1), &[1; 16]));
    server.answer(&message(CON, PUT, 2, &[], &tagged(0, true, 2), &[2; 16]));
    let (_, _, one) = server.asked(&message(CON, PUT, 3, &[], &tagged(1, false, 1), &[1]));
    let (_, _, two) = server.asked(&message(CON, PUT, 4, &[], &tagged(1, false, 2), &[2]));

    assert_eq!((one.payload, two.payload), (vec![1; 17], vec![2; 17]));
}

#[test]
fn refuses_an_upload_with_a_gap_with_4_08() {
    let mut server = Script::new();

    server.answer(&message(CON, PUT, 1, &[], &path_and_block1(0, true), &[0; 16]));
    let reply = server.answer(&message(CON, PUT, 2, &[], &path_and_block1(2, true), &[0; 16]));

    assert_eq!(reply, message(ACK, 0x88, 2, &[], &block1(2, true, 0), &[]));
    assert_eq!(server.coap.counters().blockwise_failed, 1);
    assert_eq!(server.refused, [Refusal::BadBlock]);
}

#[test]
fn refuses_a_body_too_large_with_4_13_and_its_limit() {
    let mut server = Script::with(Params { max_request_body: 31, ..Params::default() });

    server.answer(&message(CON, PUT, 1, &[], &path_and_block1(0, true), &[0; 16]));
    let in_blocks = server.answer(&message(CON, PUT, 2, &[], &path_and_block1(1, true), &[0; 16]));
    let at_once = server.answer(&message(CON, PUT, 3, &[], &[0xb1, b'o'], &[0; 32]));

    // Block1, then Size1 (60, delta 33) of 31.
    let options = [&block1(1, true, 0)[..], &[0xd1, 20, 31]].concat();
    assert_eq!(in_blocks, message(ACK, 0x8d, 2, &[], &options, &[]));
    assert_eq!(at_once, message(ACK, 0x8d, 3, &[], &[0xd1, 47, 31], &[]));
    assert_eq!(server.refused, [Refusal::BodyTooLarge; 2]);
}

#[test]
fn an_upload_that_stops_is_dropped() {
    let mut server = Script::new();
    server.answer(&message(CON, PUT, 1, &[], &path_and_block1(0, true), &[0; 16]));

    server.sleep(Duration::from_secs(247));

    assert_eq!(server.coap.counters().blockwise_failed, 1);
    let reply = server.answer(&message(CON, PUT, 2, &[], &path_and_block1(1, true), &[0; 16]));
    assert_eq!(reply[1], 0x88);
}

/// ```text
/// Server (client now)             Device
///    +-- CON PUT 1:0/1/512 -------->|   Size1
///    |<-- ACK 2.31 1:0/1/128 -------+   wants less
///    +-- CON PUT 1:4/1/128 -------->|   goes on where the first block ended
///    |<-- ACK 2.31 1:4/1/128 -------+
///    +-- CON PUT 1:5/0/128 -------->|
///    |<-- ACK 2.04 1:5/0/128 -------+             (RFC 7959 figure 8)
/// ```
#[test]
fn an_upload_of_ours_goes_on_in_smaller_blocks_if_asked_to() {
    let mut client = Script::new();
    let body = body(700);
    let (request, first) = client.request(put(&["o"], body.clone()));
    // Uri-Path, Block1, Size1 of 700 (delta 33).
    let options = |byte| vec![0xb1, b'o', 0xd1, 3, byte];
    let sized = [&options(0x0d)[..], &[0xd2, 20, 0x02, 0xbc, 0xff], &body[..512]].concat();
    assert_eq!(rest(&first), sized);

    let second = client.answer(&message(ACK, CONTINUE, FIRST, &TOKEN, &block1(0, true, 3), &[]));
    assert_eq!(rest(&second), [&options(0x4b)[..], &[0xff], &body[512..640]].concat());
    assert_ne!(token(&second), TOKEN, "a token of its own");

    let third = client.answer(&message(
        ACK,
        CONTINUE,
        id(&second),
        token(&second),
        &block1(4, true, 3),
        &[],
    ));
    assert_eq!(rest(&third), [&options(0x53)[..], &[0xff], &body[640..]].concat());
    let (_, ended, result) =
        client.ended(&message(ACK, CHANGED, id(&third), token(&third), &block1(5, false, 3), &[]));

    assert_eq!((ended, result), (request, Ok(Response::new(Code::CHANGED))));
    assert_eq!(client.coap.counters().blockwise_completed, 1);
}

/// ```text
///    +-- CON PUT ------------------>|   100 bytes at once
///    |<-- ACK 4.13 1:0/0/64 --------+   64 would do
///    +-- CON PUT 1:0/1/64 --------->|   Size1
///    |<-- ACK 2.31 1:0/1/64 --------+
///    +-- CON PUT 1:1/0/64 --------->|
///    |<-- ACK 2.04 1:1/0/64 --------+             (RFC 7959 §2.9.3)
/// ```
#[test]
fn begins_again_in_smaller_blocks_after_4_13() {
    let mut client = Script::new();
    let (request, whole) = client.request(put(&["o"], body(100)));
    assert_eq!(rest(&whole)[..3], [0xb1, b'o', 0xff]);

    let first = client.answer(&message(ACK, 0x8d, FIRST, &TOKEN, &block1(0, false, 2), &[]));
    let cont = message(ACK, CONTINUE, id(&first), token(&first), &block1(0, true, 2), &[]);
    let second = client.answer(&cont);
    let done = message(ACK, CHANGED, id(&second), token(&second), &block1(1, false, 2), &[]);
    let (_, ended, result) = client.ended(&done);

    assert_eq!(rest(&first)[..5], [0xb1, b'o', 0xd1, 3, 0x0a]);
    assert_eq!(first[first.len() - 64..], body(64));
    assert_eq!(rest(&second)[..5], [0xb1, b'o', 0xd1, 3, 0x12]);
    assert_eq!(second[second.len() - 36..], body(100)[64..]);
    assert_eq!((ended, result), (request, Ok(Response::new(Code::CHANGED))));
}

/// A device that has said how much it takes is not asked again: the next body begins so.
#[test]
fn remembers_the_size_that_a_peer_takes() {
    for (code, size) in [(0x8d, block1(0, false, 2)), (CONTINUE, block1(0, true, 2))] {
        let mut client = Script::new();
        let length = if code == CONTINUE { 600 } else { 100 };
        let (request, _) = client.request(put(&["o"], body(length)));
        client.hear(&message(ACK, code, FIRST, &TOKEN, &size, &[]));
        client.coap.cancel(client.now, request);

        let (_, next) = client.request(put(&["o"], body(65)));

        assert_eq!(rest(&next)[..5], [0xb1, b'o', 0xd1, 3, 0x0a], "the first 64 of 65");
        assert_eq!(client.coap.counters().refused, [0; 7]);
    }
}

/// A 4.13 that offers nothing smaller, or comes in the middle, is the answer.
#[test]
fn a_4_13_that_offers_nothing_smaller_ends_an_upload() {
    for (why, hint) in [
        ("no hint", vec![]),
        ("the same size", block1(0, false, 5)),
        ("a larger one", block1(0, false, 6)),
        ("only Size1", vec![0xd1, 47, 31]),
    ] {
        let mut client = Script::new();
        client.request(put(&["o"], body(700)));

        let (_, _, result) = client.ended(&message(ACK, 0x8d, FIRST, &TOKEN, &hint, &[]));

        assert_eq!(result, Ok(Response::new(Code::REQUEST_ENTITY_TOO_LARGE)), "{why}");
    }
}

#[test]
fn an_upload_of_ours_ends_with_the_refusal_of_a_block() {
    for code in [0x88, 0x8d, 0x80] {
        let mut client = Script::new();
        client.request(put(&["o"], body(700)));

        let (_, _, result) =
            client.ended(&message(ACK, code, FIRST, &TOKEN, &block1(0, true, 5), &[]));

        assert_eq!(result, Ok(Response::new(Code(code))));
        assert_eq!(client.coap.counters().blockwise_failed, 1);
    }
}

#[test]
fn an_upload_of_ours_ends_with_an_answer_out_of_place() {
    for (why, code, options) in [
        ("another block's", CONTINUE, block1(1, true, 5)),
        ("no block", CONTINUE, vec![]),
        ("done, says who?", CHANGED, vec![]),
    ] {
        let mut client = Script::new();
        client.request(put(&["o"], body(700)));

        let (_, _, result) = client.ended(&message(ACK, code, FIRST, &TOKEN, &options, &[]));

        assert_eq!(result, Err(Unanswered::Garbled), "{why}");
    }
}

#[test]
fn does_not_begin_with_a_body_past_the_limit() {
    let mut client = Script::with(Params { max_body: 600, ..Params::default() });

    let request = client.coap.request(client.now, put(&["o"], body(601)), TOKEN);

    assert_eq!(client.outputs(), [Output::Response { request, result: Err(Unanswered::Garbled) }]);
}

/// ```text
///    +-- CON GET ------------------>|
///    |<-- ACK 2.05 2:0/1/16 --------+   ETag 7
///    +-- CON GET 2:1/0/16 --------->|   a token of its own
///    |<-- ACK 2.05 2:1/0/16 --------+   ETag 7              (RFC 7959 figure 2)
/// ```
#[test]
fn fetches_a_response_block_by_block() {
    let mut client = Script::new();
    let (request, _) =
        client.request(Request { accept: Some(40), ..Request::new(Method::Get, &[]) });
    // ETag (4), Content-Format 40 (12), Block2 (23).
    let options = |byte| vec![0x41, 7, 0x81, 40, 0xb1, byte];

    let second = client.answer(&message(ACK, CONTENT, FIRST, &TOKEN, &options(0x08), &[1; 16]));
    // Accept (17), Block2 (delta 6).
    assert_eq!(rest(&second), [0xd1, 4, 40, 0x61, 0x10]);
    assert_ne!(token(&second), TOKEN);
    let (_, ended, result) =
        client.ended(&message(ACK, CONTENT, id(&second), token(&second), &options(0x10), &[2; 3]));

    let payload = [&[1; 16][..], &[2; 3]].concat();
    let whole = Response { content_format: Some(40), payload, ..Response::new(Code::CONTENT) };
    assert_eq!((ended, result), (request, Ok(whole)));
}

#[test]
fn gives_up_a_response_that_does_not_fit_together() {
    for (why, code, options, len, expected) in [
        ("another ETag", CONTENT, vec![0x41, 8, 0xd1, 6, 0x10], 3, Err(Unanswered::Garbled)),
        ("another number", CONTENT, vec![0x41, 7, 0xd1, 6, 0x20], 3, Err(Unanswered::Garbled)),
        ("a short block", CONTENT, vec![0x41, 7, 0xd1, 6, 0x18], 3, Err(Unanswered::Garbled)),
        ("no block", CONTENT, vec![0x41, 7], 3, Err(Unanswered::Garbled)),
        ("too large", CONTENT, vec![0x41, 7, 0xd1, 6, 0x18], 16, Err(Unanswered::Garbled)),
        ("gone", 0x84, vec![], 0, Ok(Response::new(Code::NOT_FOUND))),
    ] {
        let mut client = Script::with(Params { max_body: 31, ..Params::default() });
        client.request(Request::new(Method::Get, &[]));
        let second = client.answer(&message(
            ACK,
            CONTENT,
            FIRST,
            &TOKEN,
            &[0x41, 7, 0xd1, 6, 0x08],
            &[1; 16],
        ));

        let reply = message(ACK, code, id(&second), token(&second), &options, &vec![2; len]);
        let (_, _, result) = client.ended(&reply);

        assert_eq!(result, expected, "{why}");
        assert_eq!(client.coap.counters().blockwise_failed, 1, "{why}");
    }
}

/// The first block comes by itself; the rest is served to whoever asks by number, in the size
/// asked for, without a new request.
#[test]
fn serves_a_large_response_in_blocks() {
    let mut server = Script::new();
    let whole = body(1100);
    let (exchange, ..) = server.asked(&message(CON, GET, 1, &[1], &[], &[]));
    let response = Response { payload: whole.clone(), ..Response::new(Code::CONTENT) };

    let first = server.respond(exchange, response);
    let second = server.answer(&message(CON, GET, 2, &[2], &block2(1, false, 5), &[]));
    let third = server.answer(&message(CON, GET, 3, &[3], &block2(4, false, 4), &[]));
    let past = server.answer(&message(CON, GET, 4, &[4], &block2(3, false, 5), &[]));

    assert_eq!(first[first.len() - 512..], whole[..512]);
    assert_eq!(second[second.len() - 512..], whole[512..1024]);
    assert_eq!(third[third.len() - 76..], whole[1024..]);
    assert_eq!(past[1], 0x80, "4.00 past the end");
    assert_eq!(first[5..10], second[5..10], "the same ETag");
}

/// ```text
/// Device                          Server
///    +-- CON GET 2:0/0/64 --------->|   asks for little at once (early negotiation)
///    |<-- ACK 2.05 2:0/1/64 --------+   Size2
///    +-- CON GET 2:1/0/32 --------->|   and for less later (late negotiation)
///    |<-- ACK 2.05 2:1/1/32 --------+             (RFC 7959 figures 3 and 4)
/// ```
#[test]
fn serves_blocks_of_the_size_that_is_asked_for() {
    let mut server = Script::new();
    let whole = body(700);
    let (exchange, ..) = server.asked(&message(CON, GET, 1, &[1], &block2(0, false, 2), &[]));

    let first = server
        .respond(exchange, Response { payload: whole.clone(), ..Response::new(Code::CONTENT) });
    let second = server.answer(&message(CON, GET, 2, &[2], &block2(1, false, 1), &[]));

    assert_eq!(first[first.len() - 65..], [&[0xff][..], &whole[..64]].concat());
    assert_eq!(second[second.len() - 33..], [&[0xff][..], &whole[32..64]].concat());
}

/// However much a device would take at once, blocks have 512 bytes.
#[test]
fn serves_no_block_larger_than_its_own_size() {
    let mut server = Script::new();
    let (exchange, ..) = server.asked(&message(CON, GET, 1, &[1], &block2(0, false, 6), &[]));

    let first =
        server.respond(exchange, Response { payload: body(700), ..Response::new(Code::CONTENT) });

    assert_eq!(first[first.len() - 513..], [&[0xff][..], &body(512)].concat());
}

/// A GET of a later block whose body is gone is asked anew; a POST must not be.
#[test]
fn a_block_of_a_body_that_is_gone() {
    let mut server = Script::new();
    let (exchange, ..) = server.asked(&message(CON, GET, 1, &[1], &block2(1, false, 0), &[]));

    let block =
        server.respond(exchange, Response { payload: body(20), ..Response::new(Code::CONTENT) });
    let refused = server.answer(&message(CON, POST, 2, &[2], &block2(1, false, 0), &[]));

    assert_eq!(block[block.len() - 5..], [0xff, 16, 17, 18, 19]);
    assert_eq!(refused, message(ACK, 0x88, 2, &[2], &[], &[]));
}

#[test]
fn blocks_fit_into_what_the_peer_takes_in_a_message() {
    for (longest, block) in [(16_384, 512), (512, 256), (300, 128), (64, 16)] {
        let mut server = Script::new();
        server.coap.keep_within(longest);
        let (exchange, ..) = server.asked(&message(CON, GET, 1, &[1], &[0xb1, b'o'], &[]));

        let response = Response { payload: body(600), ..Response::new(Code::CONTENT) };
        let reply = server.respond(exchange, response);

        let marker = reply.iter().position(|byte| *byte == 0xff).expect("there is a payload");
        assert_eq!(reply.len() - marker - 1, block);
        assert!(reply.len() <= longest);
    }
}
