//! Attacks whose tests belong nowhere else; [`super::attack_table`] says which test stands for which.

use core::time::Duration;

use super::pair::{Options, Pair, forged};
use super::takeover::stored;
use crate::wire::handshake::{self, kind};
use crate::wire::record::ContentType;
use crate::{
    Alert, AlertDescription, ClientFailure, ClientOutput, Content, Curves, DropReason,
    EndpointConfig, Ephemeral, Group, Presented, SUITES, SignatureScheme, StoredSession, Suite,
};

/// Curves that nobody may need.
struct NoCurves;

impl Curves for NoCurves {
    fn ephemeral(&self, _: Group) -> Option<Box<dyn Ephemeral>> {
        panic!("a key pair that nobody needs");
    }

    fn verify(&self, _: &Presented, _: SignatureScheme, _: &[u8], _: &[u8]) -> bool {
        panic!("a signature that nobody has made");
    }
}

#[test]
fn a_handshake_with_a_pre_shared_key_computes_on_no_curve() {
    for suite in Suite::psk_defaults() {
        let mut pair = Pair::new(Options { suites: vec![suite], ..Options::default() });
        let blank = super::takeover::edge(1);
        let endpoint = core::mem::replace(&mut pair.endpoint, blank);
        pair.endpoint = endpoint.with_curves(Box::new(NoCurves));

        pair.settle();

        assert_eq!(pair.endpoint.sessions(), 1, "{suite:#06x}");
    }
}

#[test]
fn a_device_that_lost_its_session_opens_another_from_the_same_address() {
    for cid in [None, Some(vec![1, 2, 3])] {
        let (mut pair, _) = Pair::established(Options { cid: cid.clone(), ..Options::default() });
        for seed in 2..12 {
            let mut rebooted = Pair::new(Options { seed, cid: cid.clone(), ..Options::default() });
            pair.swap_client(&mut rebooted);
            pair.settle();
            pair.later(300);
            pair.endpoint.handle_timeout(pair.now);
        }

        assert_eq!(pair.endpoint.counters().established, 11);
        assert_eq!((pair.endpoint.half_open(), pair.endpoint.next_timeout()), (0, None));
        // Without an id the newest one has the address; those with one are ended by their owner.
        assert_eq!(pair.endpoint.sessions(), if cid.is_none() { 1 } else { 11 });
    }
}

#[test]
fn forgeries_are_counted_and_close_nothing() {
    let (mut pair, session) = Pair::established(Options::default());
    pair.client.send(b"genuine").expect("open");
    let genuine = pair.client_datagram();
    let mut forgery = genuine.clone();
    for n in 0..10_000_u32 {
        let at = forgery.len() - 4;
        forgery[at..].copy_from_slice(&n.to_be_bytes());
        if forgery != genuine {
            pair.tell_server(&forgery);
        }
    }

    pair.tell_server(&genuine);

    assert!(pair.server_sends().is_empty());
    assert_eq!(pair.records.iter().map(|r| r.session).collect::<Vec<_>>(), [session]);
    assert!(pair.dropped(DropReason::BadMac) >= 9_999);
}

#[test]
fn an_id_that_a_session_here_has_is_not_given_out_again() {
    // Two edges of one seed draw the same ids; the second holds the first one's session.
    let (_, call, bytes) = stored(Options::default());
    let taken = call.cid.expect("it was negotiated");
    let stored = StoredSession::decode(&bytes).expect("written");
    let (mut other, mut device) =
        (Pair::new(Options::default()), Pair::new(Options { seed: 2, ..Options::default() }));
    assert!(other.endpoint.restore(other.now, &stored));
    other.swap_client(&mut device);

    other.settle();

    let Some(ClientOutput::Established { cid: Some(cid), .. }) = other.reports.first() else {
        panic!("not open: {:?}", other.reports);
    };
    assert_ne!(cid[..], taken);
    assert_eq!(other.endpoint.sessions(), 2);
}

#[test]
fn the_first_wait_can_be_nine_seconds() {
    // RFC 7925 §11.
    let config = EndpointConfig { retransmit: Duration::from_secs(9), ..EndpointConfig::default() };
    let mut pair = Pair::new(Options { config, ..Options::default() });
    let hello = pair.cookied_hello();
    let begin = pair.now;
    pair.tell_server(&hello);
    pair.server_sends();
    let mut waits = Vec::new();
    while let Some(at) = pair.endpoint.next_timeout() {
        waits.push((at - begin).as_secs());
        pair.now = at;
        pair.endpoint.handle_timeout(at);
    }

    assert_eq!(waits, [9, 27, 60]);
}

#[test]
fn after_its_end_the_client_reads_nothing() {
    let fatal = Alert::fatal(AlertDescription(20));
    for (alert, last) in [
        (Alert::CLOSE_NOTIFY, ClientOutput::Closed),
        (fatal, ClientOutput::Failed(ClientFailure::Alert(fatal))),
    ] {
        let (mut pair, session) = Pair::established(Options::default());
        pair.seal(session, Content::Alert(alert));
        pair.seal(session, Content::Application(b"more"));

        pair.settle();

        assert_eq!(pair.reports.last(), Some(&last));
        assert_eq!(pair.client.next_timeout(), None);
    }
}

#[test]
fn the_client_takes_no_message_that_has_no_place() {
    const HELLO_REQUEST: u8 = 0;
    const CERTIFICATE: u8 = 11;
    const CERTIFICATE_REQUEST: u8 = 13;
    let kinds = [
        HELLO_REQUEST,
        kind::CLIENT_HELLO,
        CERTIFICATE,
        CERTIFICATE_REQUEST,
        kind::CLIENT_KEY_EXCHANGE,
        kind::NEW_SESSION_TICKET,
        kind::FINISHED,
    ];
    for kind in kinds {
        for number in 0..4 {
            let suites = vec![SUITES[0].id];
            let mut pair = Pair::new(Options { suites, ..Options::default() });
            let hello = pair.cookied_hello();
            pair.tell_server(&hello);
            let flight = pair.server_datagram();
            let mut message = Vec::new();
            handshake::put_message(&mut message, kind, number, &[0; 4]);

            pair.client.receive(pair.now, &forged(ContentType::Handshake, 90, &message));
            assert!(pair.client_sends().is_empty(), "answered {kind}");
            pair.client.receive(pair.now, &flight);
            pair.client.receive(pair.now, &forged(ContentType::Handshake, 91, &message));
            pair.settle();

            assert!(matches!(pair.reports[..], [ClientOutput::Established { .. }]), "{kind}");
        }
    }
}
