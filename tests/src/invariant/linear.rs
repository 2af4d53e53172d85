//! Operations on one device that were acknowledged appear to have happened one after the other, each
//! between its question and its answer: as a device that is either there or not gives the answers that
//! were given.

use crate::linear::{self, Recorded};
use crate::sim_cluster::{ANCHOR, Ask, Operation, Told};
use claviger_ledger::CredentialId;

/// A device as the operator sees it: its manufacturer's credential, and whether that is revoked.
type Device = Option<(CredentialId, bool)>;

/// What a device becomes by an operation that is answered so; nothing if it cannot be answered so.
fn becomes(device: Device, ask: Ask, told: Option<Told>) -> Option<Device> {
    let (after, answer) = match (ask, device) {
        // By a certificate that nobody believes; whether anybody does is a history of its own.
        (Ask::Enrol(_), None) if told == Some(Told::NotFound) => (None, Told::NotFound),
        (Ask::Enrol(id), None) => (Some((id, false)), Told::Done),
        (Ask::Enrol(_), there) => (there, Told::Taken),
        (Ask::Delete, Some(_)) => (None, Told::Done),
        (Ask::Revoke(id), Some((known, false))) if id == known => (Some((known, true)), Told::Done),
        (Ask::Revoke(id), Some((known, true))) if id == known => (device, Told::Over),
        (Ask::Rotate, Some(_)) => (device, Told::Done),
        (Ask::Trust, _) => (Some((ANCHOR, false)), Told::Done),
        (Ask::Distrust, Some(_)) => (None, Told::Done),
        (Ask::Delete | Ask::Rotate | Ask::Distrust, None) | (Ask::Revoke(_), _) => {
            (device, Told::NotFound)
        }
        (Ask::Look, _) => (device, Told::Stands(device)),
    };
    told.is_none_or(|told| told == answer).then_some(after)
}

/// Says whether there is such an order of these operations, all of one device.
pub(crate) fn is_linear(operations: &[Operation]) -> bool {
    let history: Vec<_> = operations
        .iter()
        .map(|&Operation { ask, asked, answered, .. }| Recorded { ask, asked, answered })
        .collect();
    linear::is_linear(&history, None, becomes)
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
