//! Calls that are being checked and committed: so many at a time, and the others in a queue.
//!
//! Each one under way holds its handshake, its proposal and the tenant's key; one that waits holds
//! its frame. What a storm brings at once is therefore looked at little by little, and no sooner
//! would any of it be committed.

use std::collections::VecDeque;

/// How many are under way at a time: more than one sync of the log takes with it.
const UNDER_WAY: usize = 256;
/// How many wait. An edge asks again for what is dropped.
const WAITING: usize = 16_384;

/// Calls of this form.
pub(crate) struct Calls<C> {
    under_way: usize,
    waiting: VecDeque<C>,
}

/// There are too many: the call is dropped.
pub(crate) struct TooMany;

impl<C> Calls<C> {
    pub(crate) fn new() -> Self {
        Self { under_way: 0, waiting: VecDeque::new() }
    }

    /// A call has come. It is given back if it is to go its way now.
    pub(crate) fn come(&mut self, call: C) -> Result<Option<C>, TooMany> {
        if self.under_way < UNDER_WAY {
            self.under_way += 1;
            return Ok(Some(call));
        }
        if self.waiting.len() == WAITING {
            return Err(TooMany);
        }
        self.waiting.push_back(call);
        Ok(None)
    }

    /// A call has ended: the next one, which goes its way now.
    pub(crate) fn ended(&mut self) -> Option<C> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.under_way -= 1;
            // After a storm the queue gives its memory back.
            self.waiting.shrink_to(64);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_go_their_way_and_each_that_ends_lets_the_oldest_follow() {
        let mut calls = Calls::new();
        for nth in 0..UNDER_WAY {
            assert!(matches!(calls.come(nth), Ok(Some(it)) if it == nth));
        }
        assert!(matches!(calls.come(1000), Ok(None)));
        assert!(matches!(calls.come(1001), Ok(None)));

        assert_eq!([calls.ended(), calls.ended(), calls.ended()], [Some(1000), Some(1001), None]);
        assert!(matches!(calls.come(1002), Ok(Some(1002))));
    }

    #[test]
    fn what_is_too_much_is_dropped() {
        let mut calls = Calls::new();
        for nth in 0..UNDER_WAY + WAITING {
            assert!(calls.come(nth).is_ok());
        }

        assert!(matches!(calls.come(0), Err(TooMany)));
        assert_eq!(calls.ended(), Some(UNDER_WAY));
        assert!(calls.come(0).is_ok());
    }
}
