//! One session in every order of events, in small numbers: two edges, several incarnations of the
//! actor that succeed one another, and frames, proposals and answers that are lost, late or doubled.
//!
//! What runs is what ships: the ledger's `apply`, the actor's [`Pen`] and window, and the rule by
//! which an edge seals. The model is what stands between them, and what may go wrong there:
//! [`Model`] says what may happen next, [`State::step`] what comes of it. Seals and windows of
//! edges are left out but for the rule: an edge then lets through more than a real one does.
//!
//! A [`Fault`] is a defect that the model must find; each of them proves that a property can fail.

mod ledger;
mod restores;
mod state;
mod tests;

use ledger::Ledger;
use state::{Budget, Event, State};
use stateright::Property;

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// A new incarnation numbers on in the generation that the ledger shows, and commits none.
    NumbersWithoutCommit,
    /// A new incarnation takes for unread what the ledger knows to be read.
    ForgetsWhatWasRead,
    /// An incarnation that leads no more commits all the same.
    CommitsWithoutLeading,
    /// An edge seals what it is told to.
    SealsAnything,
}

/// The model: its bounds and its defect.
#[derive(Debug, Clone)]
struct Model {
    bounds: Budget,
    fault: Fault,
}

impl stateright::Model for Model {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(Ledger::enrolled(), self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Event>) {
        state.possible(self.fault, actions);
    }

    fn next_state(&self, before: &State, event: Event) -> Option<State> {
        let mut state = before.clone();
        state.step(event, self.fault);
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no number is sealed twice", |_, state: &State| !state.sealed_twice()),
            Property::always("no record acts twice", |_, state: &State| !state.acted_twice()),
            Property::sometimes("another edge and another leader go on", |_, state: &State| {
                state.went_on_elsewhere()
            }),
            Property::sometimes(
                "a generation is used up and the next one used",
                |_, state: &State| state.used_up_one(),
            ),
        ]
    }
}
