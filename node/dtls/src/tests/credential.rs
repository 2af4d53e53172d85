//! The credential step: what the ledger side checks, and what its answers do.

use core::time::Duration;

use super::pair::{IDENTITY, Options, PSK, Pair};
use crate::client::Offer;
use crate::schedule::{self, OpenError};
use crate::suite::KeyExchange;
use crate::wire::key_exchange::ClientKeyExchange;
use crate::{
    CallId, Claim, ClientFailure, ClientOutput, DropReason, EndpointConfig, FailureReason,
    HandshakeEvent, OpenCall, Refusal,
};

/// A pair whose credential step is waiting.
fn asked(options: Options) -> (Pair, OpenCall) {
    let mut pair = Pair::new(options);
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let call = pair.calls.remove(0);
    (pair, call)
}

/// Lets the client repeat its flight after this many seconds.
fn repeat(pair: &mut Pair, seconds: u64) {
    pair.later(seconds);
    pair.client.handle_timeout(pair.now);
    let flight = pair.client_datagram();
    pair.tell_server(&flight);
    pair.server_sends();
}

#[test]
fn the_call_names_the_identity_and_both_connection_ids() {
    let (pair, call) = asked(Options::default());

    assert_eq!(call.claim, Claim::Psk { identity: IDENTITY.to_vec() });
    assert_eq!((call.peer, call.suite, call.sni.as_deref()), (pair.address, 0xC0A8, None));
    assert_eq!(call.peer_cid, Some(vec![0xC1, 0x1D, 0x01]));
    assert_eq!(schedule::identity(&call.transcript), Ok(IDENTITY));
    let finished_cid = &call.finished[11..19];
    assert_eq!(call.cid.as_ref().map(|cid| &cid[..]), Some(finished_cid));
}

#[test]
fn a_handshake_says_when_it_began() {
    let (pair, call) = asked(Options::default());

    let began = schedule::began(&call.transcript);

    assert_eq!(began, Some(Duration::from_secs(pair.now.as_secs())));
    assert_eq!(schedule::began(&call.transcript[..60]), None);
}

#[test]
fn the_right_key_opens_and_another_does_not() {
    let (pair, call) = asked(Options::default());

    let opened = schedule::open(PSK, pair.now, &call.evidence()).expect("the key is right");
    let wrong = schedule::open(b"sixteen byte kez", pair.now, &call.evidence());

    assert_eq!(wrong.err(), Some(OpenError::BadFinished));
    assert_eq!(format!("{opened:?}"), format!("Opened {{ session: {:?}, .. }}", opened.session));
}

#[test]
fn evidence_older_or_newer_than_two_minutes_is_stale() {
    let (pair, call) = asked(Options::default());
    let at = |seconds: i64| {
        let now = Duration::from_secs((pair.now.as_secs() as i64 + seconds) as u64);
        schedule::open(PSK, now, &call.evidence()).err()
    };

    assert_eq!((at(120), at(-120)), (None, None));
    assert_eq!((at(121), at(-121)), (Some(OpenError::Stale), Some(OpenError::Stale)));
}

#[test]
fn evidence_that_contradicts_its_transcript_is_refused() {
    let (pair, call) = asked(Options::default());
    let (base, other_cid) = (call.evidence(), [9; 8]);
    let longer = [&call.finished[..], &[0]].concat();
    let mut plain_epoch = call.finished.clone();
    plain_epoch[4] = 0;
    let rows = [
        schedule::Evidence { suite: 0xC0A4, ..base },
        schedule::Evidence { suite: 0xC0A9, ..base },
        schedule::Evidence { cid: None, ..base },
        schedule::Evidence { cid: Some(&other_cid), ..base },
        schedule::Evidence { peer_cid: Some(&[]), ..base },
        schedule::Evidence { finished: &longer, ..base },
        schedule::Evidence { finished: &plain_epoch, ..base },
        schedule::Evidence { transcript: &call.transcript[..call.transcript.len() - 1], ..base },
    ];

    for (row, evidence) in rows.iter().enumerate() {
        let refused = schedule::open(PSK, pair.now, evidence).err();
        assert_eq!(refused, Some(OpenError::Malformed), "row {row}");
    }
}

#[test]
fn every_changed_byte_of_the_transcript_is_noticed() {
    for extended_master_secret in [true, false] {
        let offer = Offer { extended_master_secret, ..Offer::ALL };
        let options = Options { offer, ..Options::default() };
        let (pair, call) = asked(options);
        for index in 0..call.transcript.len() {
            let mut transcript = call.transcript.clone();
            transcript[index] ^= 1;
            let evidence = schedule::Evidence { transcript: &transcript, ..call.evidence() };
            assert!(schedule::open(PSK, pair.now, &evidence).is_err(), "byte {index}");
        }
    }
}

#[test]
fn an_unknown_identity_gets_alert_115() {
    let (mut pair, call) = asked(Options::default());

    pair.endpoint.refused(pair.now, call.call, Refusal::UnknownIdentity);
    pair.settle();

    let [ClientOutput::Failed(ClientFailure::Alert(alert))] = pair.reports[..] else {
        panic!("no alert: {:?}", pair.reports);
    };
    assert_eq!(alert.encode(), [2, 115]);
    let reason = FailureReason::UnknownIdentity;
    assert_eq!(pair.events.last(), Some(&HandshakeEvent::Failed { peer: pair.address, reason }));
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn a_hidden_unknown_identity_looks_like_a_wrong_key() {
    let config = EndpointConfig { hide_unknown_identity: true, ..EndpointConfig::default() };
    for refusal in [Refusal::UnknownIdentity, Refusal::BadFinished] {
        let (mut pair, call) = asked(Options { config: config.clone(), ..Options::default() });

        pair.endpoint.refused(pair.now, call.call, refusal);

        assert!(pair.server_sends().is_empty(), "{refusal:?}");
        assert_eq!(pair.endpoint.half_open(), 1);
        assert_eq!(pair.endpoint.next_timeout(), Some(pair.now + Duration::from_secs(1)));
    }
}

#[test]
fn a_denied_credential_gets_alert_49() {
    let (mut pair, call) = asked(Options::default());

    pair.endpoint.refused(pair.now, call.call, Refusal::Denied);

    assert_eq!(pair.server_datagram()[13..], [2, 49]);
    assert_eq!(pair.endpoint.half_open(), 0);
}

#[test]
fn when_the_ledger_has_no_answer_the_repetition_asks_again() {
    let (mut pair, call) = asked(Options::default());
    pair.endpoint.refused(pair.now, call.call, Refusal::Unavailable);
    assert!(pair.server_sends().is_empty());

    repeat(&mut pair, 1);

    assert_eq!(pair.calls.len(), 1);
    assert_ne!(pair.calls[0].call, call.call);
    pair.answer();
    pair.settle();
    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_forged_flight_does_not_kill_the_handshake() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    let mut forged = flight.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    pair.tell_server(&forged);
    pair.server_sends();
    pair.answer();
    assert_eq!(pair.endpoint.sessions(), 0);

    repeat(&mut pair, 1);
    pair.answer();

    assert_eq!(pair.endpoint.sessions(), 1);
}

#[test]
fn a_handshake_has_four_credential_steps_and_no_bytes_are_tried_twice() {
    let (mut pair, call) = asked(Options::default());
    pair.endpoint.refused(pair.now, call.call, Refusal::BadFinished);
    pair.tell_server(&call.finished);
    assert_eq!(pair.dropped(DropReason::Waiting), 1);

    for seconds in [1, 2, 4, 8] {
        repeat(&mut pair, seconds);
        for call in core::mem::take(&mut pair.calls) {
            pair.endpoint.refused(pair.now, call.call, Refusal::BadFinished);
        }
    }

    assert_eq!(pair.endpoint.counters().opens, 4);
    assert_eq!(pair.dropped(DropReason::OpenLimit), 1);
}

#[test]
fn an_answer_that_comes_too_late_does_nothing() {
    let (mut pair, call) = asked(Options::default());
    let opened = schedule::open(PSK, pair.now, &call.evidence()).expect("the key is right");
    pair.later(60);
    pair.endpoint.handle_timeout(pair.now);
    pair.server_sends();

    assert!(!pair.endpoint.opened(pair.now, call.call, opened));
    pair.endpoint.refused(pair.now, CallId(99), Refusal::Denied);

    assert!(pair.server_sends().is_empty());
    assert_eq!(pair.endpoint.counters().late_answers, 2);
    assert_eq!(pair.endpoint.sessions(), 0);
}

#[test]
fn an_identity_is_any_bytes_and_may_be_empty() {
    for identity in [&[][..], &[0xFF, 0, 0xFE], &[b'x'; 4096]] {
        let mut body = (identity.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(identity);

        assert_eq!(decode_identity(&body), Some(identity));
        assert_eq!(decode_identity(&body[..body.len() - 1]), None);
        body.push(0);
        assert_eq!(decode_identity(&body), None);
    }
}

#[test]
fn a_refused_finished_does_not_quicken_our_repetitions() {
    // Given a handshake whose flight has been repeated, and whose Finished is then refused
    let (mut pair, call) = asked(Options::default());
    pair.endpoint.refused(pair.now, call.call, Refusal::BadFinished);
    pair.later(1);
    pair.endpoint.handle_timeout(pair.now);
    assert_eq!(pair.server_sends().len(), 1);
    repeat(&mut pair, 1);
    let call = pair.calls.remove(0);

    // When the client has to try again
    pair.endpoint.refused(pair.now, call.call, Refusal::BadFinished);

    // Then the timer goes on at the wait that it had reached
    let due = pair.endpoint.next_timeout().expect("the handshake is under way");
    assert_eq!(due, pair.now + Duration::from_secs(2));
}

#[test]
fn a_credential_step_without_an_answer_is_asked_for_again_with_the_same_bytes() {
    let (mut pair, call) = asked(Options::default());
    assert_eq!(pair.endpoint.next_timeout(), Some(pair.now + Duration::from_secs(10)));

    pair.later(10);
    pair.endpoint.handle_timeout(pair.now);

    pair.server_sends();
    assert_eq!(pair.calls, [call]);
    pair.answer();
    pair.settle();
    assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]));
}

#[test]
fn an_unanswered_credential_step_is_asked_for_five_times_more_and_then_given_up() {
    let (mut pair, _) = asked(Options::default());
    while let Some(at) = pair.endpoint.next_timeout() {
        pair.now = at;
        pair.endpoint.handle_timeout(at);
    }

    pair.server_sends();
    assert_eq!(pair.calls.len(), 5);
    assert_eq!(pair.endpoint.half_open(), 0);
    assert_eq!(pair.endpoint.counters().timed_out, 1);
}

#[test]
fn of_two_answers_to_one_credential_step_the_second_comes_too_late() {
    let (mut pair, call) = asked(Options::default());
    let opened = schedule::open(PSK, pair.now, &call.evidence()).expect("the key is right");
    pair.later(10);
    pair.endpoint.handle_timeout(pair.now);

    assert!(pair.endpoint.opened(pair.now, call.call, opened.clone()));
    assert!(!pair.endpoint.opened(pair.now, call.call, opened));

    assert_eq!(pair.endpoint.sessions(), 1);
    assert_eq!(pair.server_sends().len(), 1);
}

#[test]
fn after_no_answer_could_be_had_the_same_bytes_are_worth_another_call() {
    let mut pair = Pair::new(Options::default());
    let flight = pair.client_flight();
    pair.tell_server(&flight);
    pair.server_sends();
    let call = pair.calls.remove(0);
    pair.endpoint.refused(pair.now, call.call, Refusal::Unavailable);

    pair.tell_server(&flight);

    pair.server_sends();
    assert_eq!(pair.calls.len(), 1);
    assert_eq!(pair.calls[0].finished, call.finished);
}

/// The identity in the body of a ClientKeyExchange.
fn decode_identity(body: &[u8]) -> Option<&[u8]> {
    ClientKeyExchange::decode(KeyExchange::Psk, body).map(|read| read.identity)
}
