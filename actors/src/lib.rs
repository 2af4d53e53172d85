//! The devices' actors: one for each device that is awake, with its sessions and its bootstrap.
//!
//! An actor receives frames of edges and commits of the ledger, calls the pure `Device` engine,
//! and runs the effects that it gives back. It is spawned only after a device has proven a
//! credential, and put to sleep when it is idle; nothing of safety rests on its being alone,
//! since every command is checked when it is applied. It is not the DTLS engine (that is at the
//! edge) and not the protocol (`lwm2m`).
//!
//! [`Devices::start`], within an actix system, gives the handle by which edges' frames
//! ([`Devices::frame`]), LwM2M servers' answers ([`Devices::server_answered`]) and the end of
//! credentials ([`Devices::ended`]) come in. What the actors need of the world stands in [`Ports`].
//! They run while their node leads: [`Devices::beat`] tells the edges that it does, and
//! [`Devices::stop`] ends them at once. Nothing is lost with them that the ledger does not have.

mod actor;
mod calls;
mod conversation;
mod counters;
mod device;
mod devices;
mod edge_keys;
mod finding;
mod fresh;
mod identity;
mod leading;
mod line;
mod lwm2m;
#[cfg(test)]
mod model;
mod numbering;
mod opening;
mod pace;
mod path;
mod pen;
mod ports;
mod proof;
mod propose;
mod region;
mod resuming;
mod roster;
mod step;
mod trace;
mod unproven;
#[cfg(test)]
mod weight;

pub use counters::{BOOTSTRAP_RESULTS, Counters, FIND_RESULTS, OPEN_REFUSALS, STAGE_OUTCOMES};
pub use devices::Devices;
pub use ports::{CameFrom, Clock, EdgeId, Edges, Outbox, Ports};
pub use unproven::{Reason, Unproven, UnprovenAttempt};
