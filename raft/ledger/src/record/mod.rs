//! What the rows hold.

mod connector;
mod credential;
mod device;
mod keyed;
mod lifecycle;
mod memory;
mod meta;
mod outbox;
mod profile;
mod session;
mod tenant;

pub use connector::{Connector, ConnectorKind};
pub use credential::{Credential, Origin};
pub use device::Device;
pub use keyed::Keyed;
pub use lifecycle::{State, Transition, transition};
pub use meta::{LEVEL, Meta};
pub use outbox::{OutboxItem, Withdrawal};
pub use profile::Profile;
pub use session::Session;
pub use tenant::{ImportKey, Tenant};

pub(crate) use keyed::{DoneOnce, DoneSpan};
pub(crate) use memory::Recent;
