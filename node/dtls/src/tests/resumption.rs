//! Abbreviated handshakes, by session id and by ticket.

use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::altered::{strip, with_host_name};
use super::pair::{Options, PSK, Pair, address, assert_same};
use crate::client::Offer as ClientOffer;
use crate::resume::{self, Declined, Derived, LIFETIME, Offer, Resumable};
use crate::schedule::{Evidence, OpenError};
use crate::wire::handshake::kind;
use crate::{
    ClientFailure, ClientOutput, ClusterKeys, Content, Endpoint, EndpointConfig, FailureReason,
    HandshakeEvent, Opened, Refusal, SessionCall, StoredSession,
};

pub(super) fn options(tickets: bool) -> Options {
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    Options { tickets, config, ..Options::default() }
}

fn without_extended_master_secret() -> ClientOffer {
    ClientOffer { extended_master_secret: false, ..ClientOffer::ALL }
}

/// The next client of a server and its ledger.
fn after(first: Pair, options: Options) -> Pair {
    let mut pair = Pair::new(options);
    pair.endpoint = first.endpoint;
    pair.kept = first.kept;
    pair
}

/// A device that has had a session, at a server that still has it, before its next hello leaves.
pub(super) fn returning(options: &Options) -> Pair {
    let (first, _) = Pair::established(options.clone());
    let resumption = first.client.resumption();
    assert!(resumption.is_some(), "the server gave no name");
    let again = Options { seed: options.seed + 1, resumption, ..options.clone() };
    after(first, again)
}

/// The same, with its first step waiting.
pub(super) fn asked(options: &Options) -> (Pair, SessionCall) {
    let mut pair = returning(options);
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    let call = pair.session_calls.remove(0);
    (pair, call)
}

/// The same, with the client's last flight on its way.
pub(super) fn nearly(options: &Options) -> (Pair, Vec<u8>) {
    let (mut pair, call) = asked(options);
    pair.answer_session(&call);
    let flight = pair.server_datagram();
    pair.client.receive(pair.now, &flight);
    let last = pair.client_datagram();
    (pair, last)
}

pub(super) fn resumed(pair: &Pair) -> bool {
    let server = pair
        .events
        .iter()
        .any(|event| matches!(event, HandshakeEvent::Established { resumed: true, .. }));
    let client = pair
        .reports
        .iter()
        .any(|report| matches!(report, ClientOutput::Established { resumed: true, .. }));
    assert_eq!(client, server);
    server
}

#[test]
fn a_session_is_resumed_by_its_id_and_by_its_ticket_in_every_form() {
    for tickets in [false, true] {
        for suite in crate::Suite::psk_defaults() {
            for cid in [None, Some(Vec::new()), Some(vec![1, 2, 3])] {
                let options = Options { cid, suites: vec![suite], ..options(tickets) };
                let mut pair = returning(&options);

                pair.settle();
                assert!(resumed(&pair), "{suite:#06x} {tickets}");
                let session = pair.session();
                pair.client.send(b"there").expect("open");
                pair.settle();
                pair.seal(session, Content::Application(b"and back"));
                pair.settle();

                assert_eq!(pair.records[0].payload, b"there");
                let back = ClientOutput::Data(b"and back".to_vec());
                assert_eq!(pair.reports.last(), Some(&back));
            }
        }
    }
}

#[test]
fn a_resumed_session_is_another_session_with_other_ids() {
    let (first, before) = Pair::established(options(true));
    let resumption = first.client.resumption();
    let again = Options { seed: 2, resumption, ..options(true) };
    let mut pair = Pair::new(again);
    pair.endpoint = first.endpoint;
    pair.kept = first.kept;

    pair.settle();

    let cid = |reports: &[ClientOutput]| match reports.first() {
        Some(ClientOutput::Established { cid, .. }) => cid.clone().expect("it was negotiated"),
        other => panic!("not established: {other:?}"),
    };
    assert_ne!(pair.session(), before);
    assert_ne!(cid(&pair.reports), cid(&first.reports));
}

#[test]
fn what_was_resumed_can_be_resumed_again() {
    let mut pair = returning(&options(true));
    pair.settle();
    let resumption = pair.client.resumption();
    let again = Options { seed: 9, resumption, ..options(true) };
    let mut third = after(pair, again);

    third.settle();

    assert!(resumed(&third));
}

#[test]
fn without_the_option_no_name_is_given_and_none_is_asked_for() {
    let plain = Options { config: EndpointConfig::default(), ..options(true) };
    let (pair, _) = Pair::established(plain.clone());
    assert!(pair.client.resumption().is_none());
    let mut pair = returning(&options(true));
    pair.endpoint = super::takeover::edge(5);

    pair.settle();

    assert!(!resumed(&pair));
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.counters().resumption_calls), (1, 0));
}

#[test]
fn never_without_the_cookie() {
    let mut pair = returning(&options(true));
    let hello = pair.client_datagram();

    pair.tell_server(&hello);

    let request = pair.server_datagram();
    assert_eq!(request[13], kind::HELLO_VERIFY_REQUEST);
    assert_eq!((pair.session_calls.len(), pair.endpoint.half_open()), (0, 0));
}

#[test]
fn a_session_without_extended_master_secret_is_not_resumable() {
    let (pair, _) =
        Pair::established(Options { offer: without_extended_master_secret(), ..options(true) });

    assert!(pair.client.resumption().is_none());
    assert!(pair.kept.is_empty());
}

#[test]
fn where_no_pre_shared_key_is_needed_no_handle_is_given() {
    // The master secret would follow from the key agreement, which the edge has made.
    let signed = super::keys::with_keys(0xC0AE, crate::CertificateType::RawPublicKey);
    let anonymous = Options { suites: vec![0xFF00], ..Options::default() };
    let with_a_key = Options { suites: vec![0xC037], ..Options::default() };
    for (mut options, given) in [(signed, false), (anonymous, false), (with_a_key, true)] {
        options.config.resumption = true;
        options.config.suites = options.suites.clone();
        for tickets in [false, true] {
            let (pair, _) = Pair::established(Options { tickets, ..options.clone() });

            assert_eq!(pair.client.resumption().is_some(), given, "{:#x?}", options.suites);
            assert_eq!(pair.kept.len(), usize::from(given));
        }
    }
}

#[test]
fn a_session_of_a_suite_of_another_listener_takes_a_full_handshake() {
    // A session by PIN of an onboarding listener, and a listener that does not take its suite.
    let both = vec![0xC037, 0xC0A8];
    let config = EndpointConfig { suites: both.clone(), ..options(true).config };
    let (first, _) =
        Pair::established(Options { suites: both[..1].to_vec(), config, ..options(true) });
    let resumption = first.client.resumption();
    assert!(resumption.is_some());
    let again = Options { seed: 2, suites: both, resumption, ..options(true) };
    let mut pair = Pair::new(again);
    pair.kept = first.kept;

    pair.settle();

    assert!(!resumed(&pair));
    assert!(matches!(pair.events.last(), Some(HandshakeEvent::Established { suite: 0xC0A8, .. })));
    assert_eq!(pair.endpoint.counters().resumption_calls, 1);
}

#[test]
fn a_hello_that_lost_its_extended_master_secret_is_refused() {
    // RFC 7627 §5.3: the server must abort the handshake.
    let base = returning(&options(false));
    let resumption = Pair::established(options(false)).0.client.resumption();
    let stripped =
        Options { seed: 3, offer: without_extended_master_secret(), resumption, ..options(false) };
    let mut pair = after(base, stripped);

    pair.settle();

    let [ClientOutput::Failed(ClientFailure::Alert(alert))] = pair.reports[..] else {
        panic!("no alert: {:?}", pair.reports);
    };
    assert_eq!(alert.encode(), [2, 40]);
    let reason = FailureReason::Denied;
    assert_eq!(pair.events.last(), Some(&HandshakeEvent::Failed { peer: pair.address, reason }));
}

#[test]
fn a_name_that_nobody_keeps_leads_to_a_full_handshake() {
    for tickets in [false, true] {
        let mut pair = returning(&options(tickets));
        pair.kept.clear();

        pair.settle();

        assert!(!resumed(&pair));
        assert_eq!(pair.endpoint.sessions(), 2);
        assert_eq!(pair.endpoint.counters().cookies_accepted, 2);
        assert!(pair.client.resumption().is_some());
    }
}

#[test]
fn a_name_that_the_cluster_never_made_asks_nobody() {
    let mut pair = returning(&options(false));
    let strangers = ClusterKeys::new([1; 32], [9; 32]);
    let rng = Box::new(ChaCha8Rng::seed_from_u64(6));
    let config = EndpointConfig { resumption: true, ..EndpointConfig::default() };
    pair.endpoint = Endpoint::new(config, strangers, rng);

    pair.settle();

    assert!(!resumed(&pair));
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.counters().resumption_calls), (1, 0));
}

#[test]
fn not_for_longer_than_its_lifetime() {
    let mut pair = returning(&options(true));
    let mut kept = pair.kept.pop_first().expect("one is kept");
    let mut resumable = Resumable::decode(&kept.1).expect("written");
    resumable.created = pair.now - LIFETIME;
    kept.1 = resumable.encode().to_vec();
    pair.kept.insert(kept.0, kept.1);

    pair.settle();

    assert!(!resumed(&pair));
    assert_eq!(pair.endpoint.sessions(), 2);
}

#[test]
fn not_with_a_suite_that_the_hello_does_not_offer_nor_under_another_host_name() {
    let (pair, call) = asked(&options(true));
    let kept = Resumable::decode(&pair.kept[&call.handle]).expect("written");
    let offer = call.offer().expect("the first step");
    let mut other = kept.clone();
    other.suite = 0x00A8;
    assert!(resume::accept(&kept, pair.now, &offer).is_ok());

    // The client offers all suites, of which one is taken out.
    let without = strip(offer.hello, &[0x00, 0xA8]);
    let declined = resume::accept(&other, pair.now, &Offer { hello: &without, ..offer });
    assert_eq!(declined.err(), Some(Declined::FullHandshake));

    let named = with_host_name(offer.hello, b"another.example");
    let declined = resume::accept(&kept, pair.now, &Offer { hello: &named, ..offer });
    assert_eq!(declined.err(), Some(Declined::FullHandshake));
}

#[test]
fn offers_that_contradict_the_hello_are_malformed_and_old_ones_stale() {
    let (pair, call) = asked(&options(true));
    let kept = Resumable::decode(&pair.kept[&call.handle]).expect("written");
    let offer = call.offer().expect("the first step");
    let mut other = kept.clone();
    other.handle = [0; 16];
    let longer = [offer.hello, &[0]].concat();
    let malformed = [
        (&other, offer),
        (&kept, Offer { cid: None, ..offer }),
        (&kept, Offer { hello: &longer, ..offer }),
        (&kept, Offer { hello: &offer.hello[..60], ..offer }),
        (&kept, Offer { sequence: 1 << 24, ..offer }),
    ];
    for (row, (kept, offer)) in malformed.into_iter().enumerate() {
        let refused = resume::accept(kept, pair.now, &offer).err();
        assert_eq!(refused, Some(Declined::Malformed), "row {row}");
    }
    let later = pair.now + Duration::from_secs(121);
    assert_eq!(resume::accept(&kept, later, &offer).err(), Some(Declined::Stale));
}

#[test]
fn an_edge_that_asks_with_anything_changed_gets_other_keys() {
    // Else two Finished messages could stand under one nonce.
    let (pair, call) = asked(&options(true));
    let kept = Resumable::decode(&pair.kept[&call.handle]).expect("written");
    let offer = call.offer().expect("the first step");
    let random = |offer: &Offer<'_>| {
        let (accepted, _) = resume::accept(&kept, pair.now, offer).expect("acceptable");
        accepted.server_hello[2..34].to_vec()
    };
    let mut hello = offer.hello.to_vec();
    hello[12 + 2 + 5] ^= 1;
    let mut edges = *offer.random;
    edges[31] ^= 1;
    let base = random(&offer);

    assert_eq!(random(&Offer { sequence: 7, ..offer }), base);
    assert_ne!(random(&Offer { hello: &hello, ..offer }), base);
    assert_ne!(random(&Offer { cid: Some(&[9; 8]), ..offer }), base);
    assert_ne!(random(&Offer { random: &edges, ..offer }), base);
    assert_eq!(base[..4], offer.random[..4]);
}

/// What the second step says, derived anew and as the first step left it.
fn both_ways(
    kept: &Resumable,
    now: Duration,
    derived: &Derived,
    evidence: &Evidence<'_>,
) -> Option<Opened> {
    let (anew, left) = (resume::open(kept, now, evidence), derived.open(now, evidence));
    assert_same(&anew, &left);
    anew.ok()
}

#[test]
fn every_flipped_bit_of_either_step_is_noticed() {
    let (mut pair, last) = nearly(&options(true));
    pair.tell_server(&last);
    pair.server_sends();
    let call = pair.session_calls.remove(0);
    let kept = Resumable::decode(&pair.kept[&call.handle]).expect("written");
    let derived = &pair.derived[&call.handle];
    let evidence = call.evidence().expect("the second step");
    assert!(both_ways(&kept, pair.now, derived, &evidence).is_some());
    for bit in 0..evidence.finished.len() * 8 {
        let mut finished = evidence.finished.to_vec();
        finished[bit / 8] ^= 1 << (bit % 8);
        let changed = Evidence { finished: &finished, ..evidence };
        assert!(both_ways(&kept, pair.now, derived, &changed).is_none(), "{bit}");
    }
    for byte in 0..evidence.transcript.len() {
        let mut transcript = evidence.transcript.to_vec();
        transcript[byte] ^= 1;
        let changed = Evidence { transcript: &transcript, ..evidence };
        assert!(resume::open(&kept, pair.now, &changed).is_err(), "{byte}");
        assert!(!derived.is_of(&changed), "{byte}");
    }
    let of_others = [
        Evidence { suite: 0x00A8, ..evidence },
        Evidence { cid: Some(&[9; 8]), ..evidence },
        Evidence { peer_cid: None, ..evidence },
    ];
    for (row, other) in of_others.iter().enumerate() {
        assert!(both_ways(&kept, pair.now, derived, other).is_none(), "row {row}");
    }
    let later = pair.now + Duration::from_secs(121);
    assert!(both_ways(&kept, later, derived, &evidence).is_none());
}

#[test]
fn the_second_step_is_refused_when_it_is_stale_or_of_another_session() {
    let (mut pair, last) = nearly(&options(true));
    pair.tell_server(&last);
    pair.server_sends();
    let call = pair.session_calls.remove(0);
    let kept = Resumable::decode(&pair.kept[&call.handle]).expect("written");
    let evidence = call.evidence().expect("the second step");
    let mut other = kept.clone();
    other.handle = [7; 16];

    let later = pair.now + Duration::from_secs(121);
    assert_eq!(resume::open(&kept, later, &evidence).err(), Some(OpenError::Stale));
    assert_eq!(resume::open(&other, pair.now, &evidence).err(), Some(OpenError::Malformed));
}

#[test]
fn a_credential_that_is_no_longer_good_ends_it_with_alert_49() {
    let (mut pair, last) = nearly(&options(true));
    pair.tell_server(&last);
    pair.server_sends();
    let call = pair.session_calls.remove(0);

    pair.endpoint.refused(pair.now, call.call, Refusal::Denied);

    assert_eq!(pair.server_datagram()[13..], [2, 49]);
    assert_eq!((pair.endpoint.sessions(), pair.endpoint.half_open()), (1, 0));
}

#[test]
fn a_resumption_leaves_the_session_of_its_address_alone_until_it_is_proven() {
    let (first, session) = Pair::established(Options { cid: None, ..options(false) });
    let resumption = first.client.resumption();
    let again = Options { seed: 2, cid: None, resumption, ..options(false) };
    let mut pair = Pair::new(again);
    pair.endpoint = first.endpoint;
    pair.kept = first.kept;
    let hello = pair.cookied_hello();
    pair.tell_server(&hello);
    pair.server_sends();
    let mut old = first.client;
    old.send(b"still here").expect("open");
    if let Some(ClientOutput::Datagram(datagram)) = old.poll() {
        pair.tell_server(&datagram);
    }
    pair.server_sends();
    assert_eq!(pair.records[0].session, session);

    pair.answer();
    pair.settle();

    assert!(resumed(&pair));
    assert_eq!(pair.displaced, [session]);
}

#[test]
fn resumptions_are_bounded_and_the_oldest_gives_way() {
    let config = EndpointConfig { half_open: 3, resumption: true, ..EndpointConfig::default() };
    let (first, _) = Pair::established(Options { config, ..options(false) });
    let resumption = first.client.resumption();
    let mut endpoint = first.endpoint;
    for seed in 2..7 {
        let again = Options { seed, resumption: resumption.clone(), ..options(false) };
        let mut pair = Pair::new(again);
        pair.endpoint = endpoint;
        pair.address = address(&format!("192.0.2.1:{seed}"));
        pair.later(seed);
        let hello = pair.cookied_hello();
        pair.tell_server(&hello);
        pair.server_sends();
        assert_eq!(pair.session_calls.len(), 1);
        endpoint = pair.endpoint;
    }

    assert_eq!((endpoint.half_open(), endpoint.counters().evicted), (3, 2));
}

#[test]
fn what_another_edge_stores_of_a_resumed_session_goes_on_too() {
    let (mut pair, last) = nearly(&options(true));
    pair.tell_server(&last);
    pair.server_sends();
    let call = pair.session_calls.remove(0);
    let kept = Resumable::decode(&pair.kept[&call.handle]).expect("written");
    let evidence = call.evidence().expect("the second step");
    let opened = resume::open(&kept, pair.now, &evidence).expect("it verifies");
    let stored = StoredSession::at_open(&evidence, &opened, call.peer, pair.now).expect("parses");
    assert!(stored.flight.is_none() && stored.extended_master_secret);

    pair.endpoint = super::takeover::edge(8);
    assert!(pair.endpoint.restore(pair.now, &stored));
    pair.next_sequence.insert(stored.session, super::takeover::generation(1));
    pair.seal(stored.session, Content::Application(b"from b"));
    pair.settle();

    assert_eq!(pair.reports.last(), Some(&ClientOutput::Data(b"from b".to_vec())));
}

#[test]
fn the_ledgers_bytes_hold_no_key_of_the_device_and_an_edge_hears_no_secret() {
    let (pair, call) = asked(&options(true));
    let kept = &pair.kept[&call.handle];

    assert!(!kept.windows(PSK.len()).any(|window| window == PSK));
    let printed = format!("{call:?}");
    let master: Vec<String> = kept[41..].iter().map(u8::to_string).collect();
    assert!(!printed.contains(&master.join(", ")));
}
