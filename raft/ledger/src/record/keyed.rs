//! Requests that operators' programs name themselves, so that a repetition acts once.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// What a request is known by: a key that its sender chose, and the request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Keyed {
    /// A hash of the key, within the tenant.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub key: [u8; 16],
    /// A hash of all that the request says, under a secret: bodies hold keys of devices.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub fingerprint: [u8; 16],
}

/// A request that was done under a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DoneOnce {
    /// Its fingerprint.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) fingerprint: [u8; 16],
    /// Ms since the Unix epoch, after which it is forgotten.
    #[n(1)]
    pub(crate) until: u64,
    /// Its number among the tenant's, by which its place in the ring is known.
    #[n(2)]
    pub(crate) number: u64,
    /// What it came to.
    #[n(3)]
    pub(crate) outcome: ByteVec,
}

/// Which numbers of a tenant's requests are remembered: those from `oldest` on, before `next`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DoneSpan {
    #[n(0)]
    pub(crate) oldest: u64,
    #[n(1)]
    pub(crate) next: u64,
}
