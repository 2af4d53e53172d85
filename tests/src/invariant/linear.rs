//! Operations on one device that were acknowledged appear to have happened one after the other, each
//! between its question and its answer.
//!
//! The search of Wing and Gong, with the memory of Lowe: an order of the operations is looked for in
//! which a device that is either there or not gives the answers that were given. Devices do not
//! depend on each other, so each has a search of its own. An operation without an answer may have
//! happened at any time after its question, or never.

use crate::sim_cluster::{Ask, Operation, Told};
use claviger_ledger::CredentialId;
use std::collections::BTreeSet;

/// A device as the operator sees it: its manufacturer's credential, and whether that is revoked.
type Device = Option<(CredentialId, bool)>;

/// What a device becomes by an operation that is answered so; nothing if it cannot be answered so.
fn becomes(device: Device, ask: Ask, told: Option<Told>) -> Option<Device> {
    let (after, answer) = match (ask, device) {
        (Ask::Enrol(id), None) => (Some((id, false)), Told::Done),
        (Ask::Enrol(_), there) => (there, Told::Taken),
        (Ask::Delete, Some(_)) => (None, Told::Done),
        (Ask::Revoke(id), Some((known, false))) if id == known => (Some((known, true)), Told::Done),
        (Ask::Revoke(id), Some((known, true))) if id == known => (device, Told::Over),
        (Ask::Rotate, Some(_)) => (device, Told::Done),
        (Ask::Delete | Ask::Rotate, None) | (Ask::Revoke(_), _) => (device, Told::NotFound),
        (Ask::Look, _) => (device, Told::Stands(device)),
    };
    told.is_none_or(|told| told == answer).then_some(after)
}

/// Says whether there is such an order of these operations, all of one device.
pub(crate) fn is_linear(operations: &[Operation]) -> bool {
    assert!(operations.len() <= 64, "a set of operations is a word");
    let answered = (0..).zip(operations).filter(|(_, it)| it.answered.is_some());
    let all: u64 = answered.map(|(place, _): (u32, _)| 1_u64 << place).sum();
    let mut seen = BTreeSet::new();
    let mut open = vec![(0_u64, None)];
    while let Some((done, device)) = open.pop() {
        if done & all == all {
            return true;
        }
        if !seen.insert((done, device)) {
            continue;
        }
        let left = |place: &usize| done & (1_u64 << place) == 0;
        // Nobody may come before one that was answered before it was asked.
        let first_answer = (0..operations.len()).filter(left);
        let first_answer = first_answer.filter_map(|place| operations[place].answered);
        let first_answer = first_answer.map(|(at, _)| at).min().unwrap_or(u64::MAX);
        for place in (0..operations.len()).filter(left) {
            let Operation { ask, asked, answered, .. } = &operations[place];
            if *asked > first_answer {
                continue;
            }
            if let Some(after) = becomes(device, *ask, answered.map(|(_, told)| told)) {
                open.push((done | (1_u64 << place), after));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_ledger::DeviceRef;

    const ONE: CredentialId = CredentialId([1; 16]);

    fn op(ask: Ask, asked: u64, answered: Option<(u64, Told)>) -> Operation {
        let device = DeviceRef { tenant: "t".into(), device: "d".into() };
        Operation { device, ask, asked, answered }
    }

    #[test]
    fn what_overlaps_may_be_in_either_order_and_what_does_not_may_not() {
        let there = Told::Stands(Some((ONE, false)));
        let looks = |asked| {
            vec![
                op(Ask::Enrol(ONE), 1, Some((2, Told::Done))),
                op(Ask::Delete, 3, Some((6, Told::Done))),
                op(Ask::Look, asked, Some((asked + 1, there))),
            ]
        };
        assert!(is_linear(&looks(4)));
        assert!(!is_linear(&looks(7)));
    }

    #[test]
    fn what_was_not_answered_may_have_happened_late_or_never() {
        let mut history = vec![
            op(Ask::Enrol(ONE), 1, Some((2, Told::Done))),
            op(Ask::Delete, 3, None),
            op(Ask::Look, 4, Some((5, Told::Stands(Some((ONE, false)))))),
            op(Ask::Look, 6, Some((7, Told::Stands(None)))),
        ];
        assert!(is_linear(&history));
        history.push(op(Ask::Look, 8, Some((9, Told::Stands(Some((ONE, false)))))));
        assert!(!is_linear(&history));
    }

    #[test]
    fn a_write_that_was_acknowledged_and_is_lost_is_seen() {
        let history = vec![
            op(Ask::Enrol(ONE), 1, Some((2, Told::Done))),
            op(Ask::Look, 3, Some((4, Told::Stands(None)))),
        ];
        assert!(!is_linear(&history));
    }
}
