//! A cluster that is restored, in every order of events, in small numbers: copies taken at any moment,
//! by backup or as the remains of one node, up to two further incarnations made of them at any later
//! one, while those of before still run with their edges, and devices still send to any of them.
//!
//! What runs is what ships: the ledger's `apply`, what begins an incarnation and where its indexes
//! begin, the rule by which a handshake of before is refused, the actor's pen, and the rule by which an
//! edge seals. Each incarnation has one edge and one leader here, whose successor has lost its numbers;
//! what more edges and lost answers do in one incarnation is [`super`]'s.
//!
//! In CI's bounds ([`BOUNDS`]) these are 86,860 states, 14 steps deep.
//!
//! Two things are taken for granted, and planted as defects: an edge that goes over to another
//! incarnation forgets its handshakes and sessions (the certificate that lets it in is another one), and
//! clocks go on between two restores.

mod rows;
mod state;

use crate::model::restores::state::{Budget, Event, Known, State};
use stateright::{Checker, Model as _, Property};

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// A new incarnation goes on with the sessions of the copy.
    KeepsSessions,
    /// A new incarnation takes handshakes that began before it.
    TakesOldHandshakes,
    /// An edge that goes over to a new incarnation takes its handshakes with it.
    TakesHandshakesOver,
    /// The indexes of a new incarnation begin at the next multiple, whatever the time is.
    BeginsByTheCopyAlone,
    /// The end of a log that nobody knows to be committed keeps its indexes.
    ReplaysInPlace,
    /// A copy lacks what was acknowledged last.
    CopiesTooEarly,
}

struct Model {
    bounds: Budget,
    fault: Fault,
    known: Known,
}

impl Model {
    fn new(bounds: Budget, fault: Fault) -> Self {
        Self { bounds, fault, known: Known::default() }
    }
}

impl stateright::Model for Model {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.bounds)]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        state.possible(self.fault, events);
    }

    fn next_state(&self, before: &State, event: Event) -> Option<State> {
        let mut state = before.clone();
        state.step(event, self.fault, &self.known);
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no number is sealed twice", |_, state: &State| !state.sealed_twice()),
            Property::always("a session lives in one incarnation", |_, state: &State| {
                !state.lives_twice()
            }),
            Property::always("an index has one content", |_, state: &State| !state.index_reused()),
            Property::always("what was acknowledged is there", |_, state: &State| {
                state.has_what_it_acknowledged()
            }),
            Property::sometimes("two incarnations speak to devices", |_, state: &State| {
                state.two_speak()
            }),
            Property::sometimes(
                "two incarnations of one copy are written to",
                |_, state: &State| state.two_of_one_copy_are_written(),
            ),
        ]
    }
}

/// What CI goes through.
const BOUNDS: Budget =
    Budget { handshakes: 2, words: 2, writes: 2, copies: 1, restores: 2, changes: 1, strays: 1 };
/// What a long run goes through.
const LONG: Budget = Budget { words: 3, writes: 3, copies: 2, strays: 2, ..BOUNDS };

#[test]
fn no_order_of_events_reuses_a_number_or_an_index_over_incarnations() {
    let bounds = if std::env::var_os("CLAVIGER_LONG").is_some() { LONG } else { BOUNDS };
    let model = Model::new(bounds, Fault::None);
    let checker = model.checker().threads(2).spawn_bfs().join();
    eprintln!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

#[test]
fn each_defect_is_found() {
    let defects = [
        (Fault::KeepsSessions, "a session lives in one incarnation"),
        (Fault::TakesOldHandshakes, "a session lives in one incarnation"),
        (Fault::TakesHandshakesOver, "no number is sealed twice"),
        (Fault::BeginsByTheCopyAlone, "an index has one content"),
        (Fault::ReplaysInPlace, "an index has one content"),
        (Fault::CopiesTooEarly, "what was acknowledged is there"),
    ];
    for (fault, property) in defects {
        let model = Model::new(BOUNDS, fault);
        let found = stateright::HasDiscoveries::AnyOf([property].into());
        let checker = model.checker().threads(2).finish_when(found).spawn_bfs().join();
        assert!(checker.discovery(property).is_some(), "{fault:?} is not found");
    }
}
