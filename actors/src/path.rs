//! Where a session's records go: a new address must prove itself before it is believed.
//!
//! RFC 9146 §6 wants a newer record and a peer that can be reached there. The proof here is a
//! response with a token of ours; until then the address gets at most three times what it sent.

use claviger_coap::RequestId;
use core::net::SocketAddr;

/// How many bytes an unproven address gets for each byte that it sent.
const AMPLIFICATION: usize = 3;

/// The peer's address, and perhaps one that it may have moved to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    proven: SocketAddr,
    candidate: Option<Candidate>,
}

/// An address that a newer record came from, proven by nothing.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    address: SocketAddr,
    /// How many bytes it may still get.
    budget: usize,
    /// The request of ours whose response will prove it: one that was sent there first.
    challenge: Option<RequestId>,
}

impl Path {
    /// A path to an address that a cookie proved.
    pub(crate) const fn proven(address: SocketAddr) -> Self {
        Self { proven: address, candidate: None }
    }

    /// A record of `length` bytes came from `from`; `newest` if above all that were read before.
    pub(crate) fn received(&mut self, from: SocketAddr, newest: bool, length: usize) {
        let credit = length.saturating_mul(AMPLIFICATION);
        match &mut self.candidate {
            Some(candidate) if candidate.address == from => {
                candidate.budget = candidate.budget.saturating_add(credit);
            }
            _ if from == self.proven => {
                if newest {
                    self.candidate = None;
                }
            }
            candidate => {
                if newest {
                    *candidate = Some(Candidate { address: from, budget: credit, challenge: None });
                }
            }
        }
    }

    /// A request of ours with a payload of `length` bytes is about to be sent for the first time.
    pub(crate) fn challenge(&mut self, request: RequestId, length: usize) {
        /// What options, token and record add to a payload, with room to spare.
        const AROUND: usize = 96;
        if let Some(candidate) = &mut self.candidate
            && candidate.budget >= length + AROUND
        {
            candidate.challenge.get_or_insert(request);
        }
    }

    /// The response to `request` came from `from`: if it was sent there, it can be reached there.
    pub(crate) fn proved(&mut self, from: SocketAddr, request: RequestId) {
        let proves = |candidate: &Candidate| {
            candidate.address == from && candidate.challenge == Some(request)
        };
        if self.candidate.as_ref().is_some_and(proves) {
            self.proven = from;
            self.candidate = None;
        }
    }

    /// Where `length` bytes go.
    pub(crate) fn target(&mut self, length: usize) -> SocketAddr {
        match &mut self.candidate {
            Some(candidate) if candidate.budget >= length => {
                candidate.budget -= length;
                candidate.address
            }
            _ => self.proven,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn an_unproven_address_gets_three_times_what_it_sent() {
        let mut path = Path::proven(address(1));
        path.received(address(2), true, 10);

        assert_eq!(path.target(20), address(2));
        assert_eq!(path.target(20), address(1));
        assert_eq!(path.target(10), address(2));
        assert_eq!(path.target(1), address(1));
    }

    #[test]
    fn a_response_to_what_was_sent_there_proves_it() {
        let mut path = Path::proven(address(1));
        path.received(address(2), true, 100);
        path.challenge(RequestId(7), 10);
        path.proved(address(3), RequestId(7));
        assert_eq!(path.target(1000), address(1));

        path.proved(address(2), RequestId(7));
        assert_eq!(path.target(1000), address(2));
    }

    #[test]
    fn a_response_to_what_was_sent_elsewhere_proves_nothing() {
        // Somebody on the way holds a response back and sends it from another address.
        let mut path = Path::proven(address(1));
        path.challenge(RequestId(6), 10);
        path.received(address(2), true, 100);
        path.proved(address(2), RequestId(6));
        assert_eq!(path.target(1000), address(1));
    }

    #[test]
    fn an_old_record_from_elsewhere_changes_nothing() {
        let mut path = Path::proven(address(1));
        path.received(address(2), false, 1000);
        assert_eq!(path.target(1), address(1));
    }

    #[test]
    fn a_newer_record_from_the_proven_address_ends_the_candidate() {
        let mut path = Path::proven(address(1));
        path.received(address(2), true, 1000);
        path.received(address(1), true, 1000);
        assert_eq!(path.target(1), address(1));
    }
}
