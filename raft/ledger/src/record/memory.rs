//! What was asked before, so that a repetition gets the same answer.

use crate::RequestId;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// The last proposals for a device and their outcomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Recent {
    #[n(0)]
    entries: Vec<(RequestId, ByteVec)>,
}

impl Recent {
    /// How many are kept of a device: an actor has few proposals on their way at once.
    pub(crate) const OF_DEVICE: usize = 8;
    /// How many are kept of a tenant: operators' programs send many at once.
    pub(crate) const OF_TENANT: usize = 64;

    pub(crate) fn outcome(&self, request: RequestId) -> Option<&[u8]> {
        let found = self.entries.iter().find(|(id, _)| *id == request);
        found.map(|(_, outcome)| outcome.as_slice())
    }

    /// Keeps `outcome` as one of the newest `kept`.
    pub(crate) fn remember(&mut self, request: RequestId, outcome: &[u8], kept: usize) {
        let over = (self.entries.len() + 1).saturating_sub(kept);
        self.entries.drain(..over);
        self.entries.push((request, outcome.to_vec().into()));
    }
}
