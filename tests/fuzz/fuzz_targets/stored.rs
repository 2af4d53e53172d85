//! What the ledger keeps: a session, and what resumes one. What is read is written as it was.
#![no_main]

use claviger_dtls::resume::Resumable;
use claviger_dtls::{Alert, Content, SealError, StoredSession};
use claviger_fuzz::{START, Server};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(kept) = Resumable::decode(bytes) {
        assert_eq!(kept.encode()[..], *bytes);
    }
    let Some(stored) = StoredSession::decode(bytes) else { return };
    assert_eq!(stored.encode().expect("it was as long")[..], *bytes);
    let mut server = Server::default();
    assert!(server.endpoint.restore(START, &stored));
    assert!(!server.endpoint.restore(START, &stored));
    for sequence in [0, 1 << 24, (1 << 48) - 1] {
        let _ = server.endpoint.seal(stored.session, sequence, None, Content::Finished);
    }
    let last = (1 << 48) - 1;
    let again =
        server.endpoint.seal(stored.session, last, None, Content::Alert(Alert::CLOSE_NOTIFY));
    assert!(again.is_ok() || again == Err(SealError::SequenceUsed));
});
