//! Calls that are being checked and committed: so many at a time, and the others in queues.
//!
//! Each one under way holds its handshake, its proposal and the tenant's key; one that waits holds
//! its frame. What a storm brings at once is therefore looked at little by little, and no sooner
//! would any of it be committed. Each edge has a queue of its own, and they are served in turn: an
//! edge that asks for too much keeps nobody waiting but its own devices.

use crate::EdgeId;
use core::ops::Bound;
use std::collections::{BTreeMap, VecDeque};

/// How many are under way at a time: more than one sync of the log takes with it.
const UNDER_WAY: usize = 256;
/// How many wait. An edge asks again for what is dropped.
const WAITING: usize = 16_384;

/// Calls of this form.
pub(crate) struct Calls<C> {
    under_way: usize,
    waiting: BTreeMap<EdgeId, VecDeque<C>>,
    count: usize,
    /// The edge whose call went its way last.
    last: EdgeId,
}

/// There are too many: a call is dropped, this one or one of an edge that has more.
pub(crate) struct TooMany;

impl<C> Calls<C> {
    pub(crate) const fn new() -> Self {
        Self { under_way: 0, waiting: BTreeMap::new(), count: 0, last: EdgeId(0) }
    }

    /// A call has come. It is given back if it is to go its way now.
    pub(crate) fn come(&mut self, edge: EdgeId, call: C) -> Result<Option<C>, TooMany> {
        if self.under_way < UNDER_WAY {
            self.under_way += 1;
            return Ok(Some(call));
        }
        let full = self.count == WAITING;
        if full && !self.drop_of_another(edge) {
            return Err(TooMany);
        }
        self.waiting.entry(edge).or_default().push_back(call);
        self.count += 1;
        if full { Err(TooMany) } else { Ok(None) }
    }

    /// Drops the newest call of the edge that has most, unless `edge` has as many.
    fn drop_of_another(&mut self, edge: EdgeId) -> bool {
        let own = self.waiting.get(&edge).map_or(0, VecDeque::len);
        let most = self.waiting.values_mut().max_by_key(|queue| queue.len());
        let Some(queue) = most.filter(|queue| queue.len() > own) else { return false };
        queue.pop_back();
        self.count -= 1;
        true
    }

    /// A call has ended: the next one, which goes its way now.
    pub(crate) fn ended(&mut self) -> Option<(EdgeId, C)> {
        let behind = (Bound::Excluded(self.last), Bound::Unbounded);
        let next = self.waiting.range(behind).next().or_else(|| self.waiting.iter().next());
        let Some(edge) = next.map(|(edge, _)| *edge) else {
            self.under_way -= 1;
            return None;
        };
        self.last = edge;
        self.count -= 1;
        let queue = self.waiting.get_mut(&edge)?;
        let call = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&edge);
        }
        Some((edge, call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: EdgeId = EdgeId(1);
    const OTHER: EdgeId = EdgeId(2);

    /// With as many under way as may be.
    fn busy() -> Calls<usize> {
        let mut calls = Calls::new();
        for nth in 0..UNDER_WAY {
            assert!(matches!(calls.come(ONE, nth), Ok(Some(it)) if it == nth));
        }
        calls
    }

    #[test]
    fn so_many_go_their_way_and_each_that_ends_lets_the_oldest_follow() {
        let mut calls = busy();
        assert!(matches!(calls.come(ONE, 1000), Ok(None)));
        assert!(matches!(calls.come(ONE, 1001), Ok(None)));

        let ended = [calls.ended(), calls.ended(), calls.ended()];

        assert_eq!(ended, [Some((ONE, 1000)), Some((ONE, 1001)), None]);
        assert!(matches!(calls.come(ONE, 1002), Ok(Some(1002))));
    }

    #[test]
    fn edges_are_served_in_turn() {
        let mut calls = busy();
        for nth in 0..3 {
            assert!(calls.come(ONE, nth).is_ok());
        }
        assert!(calls.come(OTHER, 100).is_ok());

        let ended: Vec<_> = core::iter::from_fn(|| calls.ended()).collect();

        assert_eq!(ended, [(ONE, 0), (OTHER, 100), (ONE, 1), (ONE, 2)]);
    }

    #[test]
    fn what_is_too_much_is_dropped_of_the_edge_that_asks_for_most() {
        let mut calls = busy();
        for nth in 0..WAITING {
            assert!(calls.come(ONE, nth).is_ok());
        }

        // One more of that edge is not kept, one of another is, and the newest of the first is not.
        assert!(matches!(calls.come(ONE, 77), Err(TooMany)));
        assert!(matches!(calls.come(OTHER, 100), Err(TooMany)));

        assert_eq!(calls.count, WAITING);
        assert_eq!([calls.ended(), calls.ended()], [Some((ONE, 0)), Some((OTHER, 100))]);
        assert_eq!(calls.waiting[&ONE].back(), Some(&(WAITING - 2)));
    }
}
