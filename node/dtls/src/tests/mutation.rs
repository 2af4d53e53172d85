//! Noise into every input: nothing panics, and nothing opens without the key.

use proptest::prelude::*;
use proptest::sample::Index;

use super::pair::{Options, PSK, Pair};
use crate::schedule::{self, Evidence};

/// Flips bits and cuts or appends bytes.
fn mutate(bytes: &[u8], flips: &[Index], cut: Option<Index>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for flip in flips
        .iter()
        .filter(|_| !bytes.is_empty())
        .map(|flip| flip.index(bytes.len() * 8))
        .collect::<Vec<_>>()
    {
        bytes[flip / 8] ^= 1 << (flip % 8);
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len() + 1));
    }
    bytes
}

/// Every datagram of a handshake and some data, by sender.
fn conversation(options: Options) -> (Pair, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut pair = Pair::new(options);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let sent = pair.client_sends();
        sent.iter().for_each(|datagram| pair.tell_server(datagram));
        let mut answers = pair.server_sends();
        pair.answer();
        answers.extend(pair.server_sends());
        answers.iter().for_each(|(_, datagram)| pair.client.receive(pair.now, datagram));
        to_server.extend(sent);
        to_client.extend(answers.into_iter().map(|(_, datagram)| datagram));
    }
    (pair, to_server, to_client)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_mutation_panics_either_end(
        cid in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
        fresh: bool,
        noise in proptest::collection::vec(
            (any::<Index>(), proptest::collection::vec(any::<Index>(), 0..6), proptest::option::of(any::<Index>())),
            1..24,
        ),
        garbage in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let options = Options { cid, ..Options::default() };
        let (established, to_server, to_client) = conversation(options.clone());
        // Either ends that begin, or ends that are open, meet the mutated datagrams.
        let mut pair = if fresh { Pair::new(options) } else { established };
        for (pick, flips, cut) in noise {
            pair.tell_server(&mutate(&to_server[pick.index(to_server.len())], &flips, cut));
            pair.client.receive(pair.now, &mutate(&to_client[pick.index(to_client.len())], &flips, cut));
            pair.server_sends();
            pair.client_sends();
            pair.answer();
            pair.later(1);
            pair.endpoint.handle_timeout(pair.now);
            pair.client.handle_timeout(pair.now);
        }
        pair.tell_server(&garbage);
        pair.client.receive(pair.now, &garbage);

        prop_assert!(pair.endpoint.sessions() <= 1);
        prop_assert!(pair.endpoint.half_open() <= 1);
    }

    #[test]
    fn no_mutated_evidence_opens(
        flips in proptest::collection::vec(any::<Index>(), 1..4),
        cut in proptest::option::of(any::<Index>()),
        in_finished: bool,
    ) {
        let mut pair = Pair::new(Options::default());
        let flight = pair.client_flight();
        pair.tell_server(&flight);
        pair.server_sends();
        let call = pair.calls.remove(0);
        let base = call.evidence();
        let source = if in_finished { base.finished } else { base.transcript };
        let mutated = mutate(source, &flips, cut);
        prop_assume!(mutated != source);
        let evidence = if in_finished {
            Evidence { finished: &mutated, ..base }
        } else {
            Evidence { transcript: &mutated, ..base }
        };

        prop_assert!(schedule::open(PSK, pair.now, &evidence).is_err());
    }

    #[test]
    fn no_bytes_panic_the_schedule(
        transcript in proptest::collection::vec(any::<u8>(), 0..200),
        finished in proptest::collection::vec(any::<u8>(), 0..100),
        suite: u16,
    ) {
        let evidence = Evidence { transcript: &transcript, finished: &finished, suite, cid: None, peer_cid: None, shared: None };

        prop_assert!(schedule::open(PSK, core::time::Duration::ZERO, &evidence).is_err());
        let _ = schedule::identity(&transcript);
    }
}
