//! What the rows hold.

mod connector;
mod credential;
mod device;
mod edge_keys;
mod keyed;
mod lifecycle;
mod memory;
mod meta;
mod node;
mod outbox;
mod profile;
mod resumption;
mod root_key;
mod server_identity;
mod session;
mod tenant;
mod trust_anchor;

pub use connector::{Connector, ConnectorKind};
pub use credential::{Credential, CredentialKind, Origin};
pub use device::Device;
pub use edge_keys::EdgeKeys;
pub use keyed::Keyed;
pub use lifecycle::{State, Transition, transition};
pub use meta::{Incarnation, LEVEL, Meta};
pub use node::{Admitted, JoinToken, NodeAuthority, NodeRecord, NodeRole, RetiringAuthority};
pub use outbox::{OutboxItem, Withdrawal};
pub use profile::Profile;
pub use resumption::{Resumable, Resumption};
pub use root_key::{RetiringRoot, RootKeys, Wrapping};
pub use server_identity::ServerIdentity;
pub use session::Session;
pub use tenant::{ImportKey, RetiringKey, Tenant};
pub use trust_anchor::{NamePlace, TrustAnchor};

pub(crate) use keyed::{DoneOnce, DoneSpan};
pub(crate) use memory::Recent;
pub(crate) use meta::FIRST_LEVEL;
pub(crate) use session::is_false;
pub(crate) use tenant::is_zero;
