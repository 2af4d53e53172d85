//! What an edge may tell the ledger's side: transcripts with every message of a handshake in them,
//! records, and offers to resume.
#![no_main]

use claviger_dtls::resume::{self, Offer, Resumable};
use claviger_dtls::schedule::{self, Evidence};
use claviger_dtls::{PathMessage, SharedSecret};
use claviger_fuzz::{KEY, START};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|bytes: &[u8]| {
    let [suite, cut, rest @ ..] = bytes else { return };
    let (transcript, finished) = rest.split_at((usize::from(*cut) * 8).min(rest.len()));
    let suites = claviger_dtls::SUITES.len();
    let shared = SharedSecret::new(Zeroizing::new(vec![7; 32]));
    for shared in [None, shared.as_ref()] {
        let evidence = Evidence {
            transcript,
            finished,
            suite: claviger_dtls::SUITES[usize::from(*suite) % suites].id,
            cid: None,
            peer_cid: None,
            shared,
        };
        let opened = schedule::open(KEY, START, &evidence);
        assert!(opened.is_err() || shared.is_none(), "a Finished under a key that nobody has");
        let _ = schedule::open_shared(START, &evidence);
        let _ = schedule::claim(transcript);
        let _ = schedule::identity(transcript);
        if let Some(kept) = Resumable::decode(finished) {
            let offer = Offer { hello: transcript, random: &[0; 32], cid: None, sequence: 0 };
            let _ = resume::accept(&kept, START, &offer);
            let _ = resume::open(&kept, START, &evidence);
        }
    }
    if let Some(message) = PathMessage::decode(rest) {
        assert_eq!(message.encode()[..], *rest);
    }
});
