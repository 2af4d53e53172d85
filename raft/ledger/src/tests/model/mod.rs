//! The life of a device's credentials in every order of events, in small numbers: bootstraps that
//! are repeated and cut off, an LwM2M server that is told again and again, an operator, crashes, and
//! answers that are lost.
//!
//! What runs is the `apply` that ships. Around it stands what the actors, the outbox and the device
//! do, as far as it matters to the ledger: [`World::possible`] says what may happen next, and
//! [`World::step`] what comes of it. A [`Fault`] is a defect that the model must find.

mod world;

use stateright::{Checker, Model as _, Property};
use world::{Budget, Event, Known, World};

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// A bootstrap writes the device before the LwM2M server holds the credential.
    WritesTooSoon,
    /// The outbox takes an item for told that nobody was told of.
    TellsNobody,
    /// The older credential ends when a newer one is made, not when that is in use.
    SupersedesTooSoon,
    /// A revocation is acknowledged and not kept.
    LosesARevocation,
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
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        world.possible(events);
    }

    fn next_state(&self, before: &World, event: Event) -> Option<World> {
        let mut world = before.clone();
        world.step(event, self.fault, &self.known);
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "what a device holds, its server holds, while it lives",
                |_, world: &World| world.server_holds_what_the_device_does(),
            ),
            Property::always("nobody but the operator strands a device", |_, world: &World| {
                world.device_is_not_stranded()
            }),
            Property::always("what has ended stays so", |_, world: &World| !world.came_back()),
            Property::always("one credential waits at most", |_, world: &World| {
                world.staged() <= 1
            }),
            Property::always("each event of a credential has one entry", |_, world: &World| {
                world.is_audited_once()
            }),
            Property::always("a server that was told all holds what lives", |_, world: &World| {
                world.server_is_right_at_rest()
            }),
            Property::sometimes("a second credential is in use", |_, world: &World| {
                world.replaced()
            }),
            Property::sometimes(
                "a revoked one is withdrawn from its server",
                |_, world: &World| world.withdrawn(),
            ),
        ]
    }
}

/// What CI goes through.
const BOUNDS: Budget = Budget {
    attempts: 2,
    fresh: 2,
    rotations: 0,
    revocations: 1,
    crashes: 1,
    losses: 1,
    reports: 1,
};
/// What a long run goes through.
const LONG: Budget = Budget { attempts: 3, fresh: 3, rotations: 1, reports: 2, ..BOUNDS };

#[test]
#[expect(clippy::disallowed_methods, reason = "it says how many orders are gone through")]
fn no_order_of_events_strands_a_device_or_revives_a_credential() {
    let bounds = if std::env::var_os("CLAVIGER_LONG").is_some() { LONG } else { BOUNDS };
    let model = Model::new(bounds, Fault::None);
    let checker = model.checker().threads(2).spawn_bfs().join();
    eprintln!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

#[test]
fn each_defect_is_found() {
    let defects = [
        (Fault::WritesTooSoon, "what a device holds, its server holds, while it lives"),
        (Fault::TellsNobody, "what a device holds, its server holds, while it lives"),
        (Fault::SupersedesTooSoon, "nobody but the operator strands a device"),
        (Fault::LosesARevocation, "what has ended stays so"),
    ];
    for (fault, property) in defects {
        let model = Model::new(BOUNDS, fault);
        let found = stateright::HasDiscoveries::AnyFailures;
        let checker = model.checker().threads(2).finish_when(found).spawn_bfs().join();
        assert!(checker.discovery(property).is_some(), "{fault:?} is not found");
    }
}
