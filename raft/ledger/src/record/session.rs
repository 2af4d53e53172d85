//! An established DTLS session.

use crate::{CredentialId, Refusal};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

/// What any node needs to go on with a session.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Session {
    /// The credential that opened it.
    #[n(0)]
    pub credential: CredentialId,
    /// The cipher suite's number.
    #[n(1)]
    pub suite: u16,
    /// The engine's stored session, or the key block alone ([`Session::restorable`]), sealed with the
    /// tenant's key.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// Our connection id, empty if none was negotiated.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub cid: Vec<u8>,
    /// The peer's connection id, empty if it asked for none.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub peer_cid: Vec<u8>,
    /// The listener that it was opened at.
    #[n(5)]
    pub listener: String,
    /// The peer's address and port, as text.
    #[n(6)]
    pub peer: String,
    /// Write sequences are `generation * 2^24 + n`; each incarnation of the actor raises it.
    #[n(7)]
    pub generation: u32,
    /// The highest sequence that was read in epoch 1 when the ledger last heard of it.
    #[n(8)]
    pub highest_read: u64,
    /// Ms since the Unix epoch.
    #[n(9)]
    pub opened_at: u64,
    /// True if what is sealed is a whole stored session, from which any edge goes on; false for
    /// those of before there were such.
    #[cbor(n(10), skip_if = "is_false")]
    pub restorable: bool,
    /// The fingerprint of the trust anchor that its chain was validated by, if it was opened by a
    /// certificate.
    #[n(11)]
    pub anchor: Option<ByteArray<16>>,
    /// The edge that it was opened at: to no other one the same handshake is answered.
    #[n(12)]
    pub edge: Option<u64>,
}

impl Session {
    /// The generation behind the one that it has: never the same one twice, not even at the end of
    /// its range.
    pub(crate) fn next_generation(&self) -> Result<u32, Refusal> {
        let next = self.generation.checked_add(1);
        next.ok_or_else(|| Refusal::taken("generation", u32::MAX))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that minicbor calls")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}
