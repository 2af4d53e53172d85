//! Where a session's records go: a new address must prove itself before it is believed.
//!
//! RFC 9146 §6 wants a newer record and a peer that can be reached there. The proof here is a
//! response with a token of ours, or with the cookie of a challenge where the peer has RFC 9853;
//! until then the address gets at most three times what it sent.

use claviger_coap::RequestId;
use core::net::SocketAddr;
use core::time::Duration;

/// How many bytes an unproven address gets for each byte that it sent.
const AMPLIFICATION: usize = 3;
/// How long a challenge stands before another replaces it (RFC 9853, a peer whose round trip
/// nobody knows). It is sent when a record comes; no timer wakes anybody for it.
const CHALLENGE_STANDS: Duration = Duration::from_secs(1);
/// Bytes of a message of RFC 9853.
pub(crate) const CHECK: usize = 9;
/// What comes back of a challenge.
pub(crate) type Cookie = [u8; 8];

/// The peer's address, and perhaps one that it may have moved to.
#[derive(Debug)]
pub(crate) struct Path {
    proven: SocketAddr,
    /// Boxed: few peers move.
    candidate: Option<Box<Candidate>>,
}

/// An address that a newer record came from, proven by nothing.
#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    /// How many bytes it may still get.
    budget: usize,
    /// The request of ours whose response will prove it: one that was sent there first.
    challenge: Option<RequestId>,
    /// The challenge of RFC 9853 whose answer will prove it too, and when it was made.
    check: Option<(Duration, Cookie)>,
}

impl Path {
    /// A path to an address that a cookie proved.
    pub(crate) const fn proven(address: SocketAddr) -> Self {
        Self { proven: address, candidate: None }
    }

    /// The address that is proven.
    pub(crate) const fn known(&self) -> SocketAddr {
        self.proven
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
                    let (address, budget) = (from, credit);
                    let new = Candidate { address, budget, challenge: None, check: None };
                    *candidate = Some(Box::new(new));
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
        if self.candidate.as_deref().is_some_and(proves) {
            self.proven = from;
            self.candidate = None;
        }
    }

    /// A challenge to be sent to an address that is not proven, with a cookie that `draw` gives;
    /// none while another stands.
    pub(crate) fn check(&mut self, now: Duration, draw: impl FnOnce() -> Cookie) -> Option<Cookie> {
        let candidate = self.candidate.as_mut().filter(|candidate| candidate.budget >= CHECK)?;
        if candidate.check.is_some_and(|(made, _)| now < made + CHALLENGE_STANDS) {
            return None;
        }
        let cookie = draw();
        candidate.check = Some((now, cookie));
        Some(cookie)
    }

    /// Where the challenge with this cookie goes: to the address that it asks about, if that is
    /// still the question, and nowhere else.
    pub(crate) fn checked(&mut self, cookie: &Cookie) -> Option<SocketAddr> {
        let candidate = self.candidate.as_mut()?;
        candidate.check.filter(|(_, standing)| standing == cookie)?;
        candidate.budget = candidate.budget.checked_sub(CHECK)?;
        Some(candidate.address)
    }

    /// The answer to a challenge has come: it proves the address if it comes from there. One from
    /// elsewhere may be of a device that somebody has relayed the challenge to.
    pub(crate) fn answered(&mut self, from: SocketAddr, cookie: &Cookie) {
        let proves = |candidate: &Candidate| {
            candidate.address == from && candidate.check.is_some_and(|it| it.1 == *cookie)
        };
        if self.candidate.as_deref().is_some_and(proves) {
            *self = Self::proven(from);
        }
    }

    /// Whether `length` bytes may go to `to`, in answer to what came from there.
    pub(crate) fn back(&mut self, to: SocketAddr, length: usize) -> Option<SocketAddr> {
        if to == self.proven {
            return Some(to);
        }
        let candidate = self.candidate.as_mut().filter(|candidate| candidate.address == to)?;
        candidate.budget = candidate.budget.checked_sub(length)?;
        Some(to)
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
    fn the_answer_to_a_challenge_proves_the_address_that_it_was_sent_to() {
        let (mut path, now) = (Path::proven(address(1)), Duration::ZERO);
        path.received(address(2), true, 4);

        let cookie = path.check(now, || [7; 8]).expect("there is a candidate");
        assert_eq!(path.checked(&cookie), Some(address(2)));
        path.answered(address(2), &[8; 8]);
        assert_eq!(path.target(1000), address(1));
        // Relayed to the device at its old address.
        path.answered(address(1), &cookie);
        path.answered(address(3), &cookie);
        assert_eq!(path.target(1000), address(1));
        path.answered(address(2), &cookie);

        assert_eq!(path.target(1000), address(2));
        assert_eq!(path.check(now, || [9; 8]), None);
    }

    #[test]
    fn a_challenge_stands_for_a_second_and_costs_what_the_address_has_left() {
        let (mut path, now) = (Path::proven(address(1)), Duration::from_secs(5));
        path.received(address(2), true, 3);
        let first = path.check(now, || [1; 8]);
        assert_eq!(first.and_then(|cookie| path.checked(&cookie)), Some(address(2)));

        assert_eq!(path.check(now + CHALLENGE_STANDS, || [2; 8]), None);
        path.received(address(2), true, 6);
        assert_eq!(path.check(now, || [2; 8]), None);
        let second = path.check(now + CHALLENGE_STANDS, || [2; 8]);

        assert_eq!(second, Some([2; 8]));
        path.answered(address(2), &[1; 8]);
        assert_eq!(path.target(1000), address(1));
        path.answered(address(2), &[2; 8]);
        assert_eq!(path.target(1000), address(2));
    }

    #[test]
    fn a_challenge_that_waited_goes_nowhere_once_it_is_not_the_question_any_more() {
        // Answered by the device at its old address, it would prove one that somebody else has.
        let (mut path, now) = (Path::proven(address(1)), Duration::ZERO);
        path.received(address(2), true, 100);
        let cookie = path.check(now, || [7; 8]).expect("there is a candidate");

        path.received(address(3), true, 100);
        assert_eq!(path.checked(&cookie), None);
        path.answered(address(2), &cookie);
        assert_eq!(path.target(1000), address(1));
        path.received(address(1), true, 100);
        assert_eq!(path.checked(&cookie), None);
    }

    #[test]
    fn an_answer_goes_back_where_it_may_be_sent_or_nowhere() {
        let mut path = Path::proven(address(1));
        path.received(address(2), true, 4);

        assert_eq!(path.back(address(1), CHECK), Some(address(1)));
        assert_eq!(path.back(address(2), CHECK), Some(address(2)));
        assert_eq!(path.back(address(2), CHECK), None);
        assert_eq!(path.back(address(3), CHECK), None);
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
