//! Every order within the bounds, and every defect found within them.

use super::state::Budget;
use super::{Fault, Model};
use stateright::{Checker, Model as _};

/// What CI goes through.
const BOUNDS: Budget =
    Budget { records: 1, words: 2, changes: 1, crashes: 0, calls: 1, losses: 1, doubles: 1 };
/// What a long run goes through.
const LONG: Budget = Budget { records: 2, words: 3, crashes: 1, ..BOUNDS };

#[test]
fn no_order_of_events_uses_a_number_twice_or_acts_twice_on_a_record() {
    let bounds = if std::env::var_os("CLAVIGER_LONG").is_some() { LONG } else { BOUNDS };
    let model = Model { bounds, fault: Fault::None };
    let checker = model.checker().threads(2).spawn_bfs().join();
    eprintln!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

#[test]
fn each_defect_is_found() {
    let defects = [
        (Fault::NumbersWithoutCommit, "no number is sealed twice"),
        (Fault::ForgetsWhatWasRead, "no record acts twice"),
        (Fault::CommitsWithoutLeading, "no record acts twice"),
        (Fault::SealsAnything, "no number is sealed twice"),
    ];
    for (fault, property) in defects {
        let model = Model { bounds: BOUNDS, fault };
        let found = stateright::HasDiscoveries::AnyFailures;
        let checker = model.checker().threads(2).finish_when(found).spawn_bfs().join();
        assert!(checker.discovery(property).is_some(), "{fault:?} is not found");
    }
}
