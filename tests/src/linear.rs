//! Whether what was answered by several at a time could have been answered by one that did one thing
//! after the other, each between its question and its answer.
//!
//! The search of Wing and Gong, with the memory of Lowe: an order of the operations is looked for in
//! which one thing, as a rule describes it, gives the answers that were given. Things that do not
//! depend on each other have a search each. An operation without an answer may have happened at any
//! time after its question, or never.

use std::collections::BTreeSet;

/// One operation on one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded<Ask, Told> {
    /// What was asked for.
    pub ask: Ask,
    /// Its place among all questions and answers.
    pub asked: u64,
    /// The place of the answer, and the answer; none if there was none.
    pub answered: Option<(u64, Told)>,
}

/// Says whether there is an order of at most 128 operations on a thing that stands so at `first`.
/// `becomes` says what it becomes by an operation that is answered so, or by one whose answer is not
/// known; nothing if it cannot be answered so.
///
/// # Panics
/// If there are more.
pub fn is_linear<Ask: Copy, Told: Copy, Thing: Copy + Ord>(
    operations: &[Recorded<Ask, Told>],
    first: Thing,
    becomes: impl Fn(Thing, Ask, Option<Told>) -> Option<Thing>,
) -> bool {
    assert!(operations.len() <= 128, "a set of operations is a word");
    let answered = (0..).zip(operations).filter(|(_, it)| it.answered.is_some());
    let all: u128 = answered.map(|(place, _): (u32, _)| 1_u128 << place).sum();
    let mut seen = BTreeSet::new();
    let mut open = vec![(0_u128, first)];
    while let Some((done, thing)) = open.pop() {
        if done & all == all {
            return true;
        }
        if !seen.insert((done, thing)) {
            continue;
        }
        let left = |place: &usize| done & (1_u128 << place) == 0;
        // Nobody may come before one that was answered before it was asked.
        let first_answer = (0..operations.len()).filter(left);
        let first_answer = first_answer.filter_map(|place| operations[place].answered);
        let first_answer = first_answer.map(|(at, _)| at).min().unwrap_or(u64::MAX);
        for place in (0..operations.len()).filter(left) {
            let Recorded { ask, asked, answered } = operations[place];
            if asked > first_answer {
                continue;
            }
            if let Some(after) = becomes(thing, ask, answered.map(|(_, told)| told)) {
                open.push((done | (1_u128 << place), after));
            }
        }
    }
    false
}
