//! The types of Claviger's HTTP API, as JSON shows them.
//!
//! Server, command line and tests share them, so that a field is named once. They hold no rule
//! beyond their own form: what a name may be, or who may ask, is the server's matter. Key material
//! goes one way only: into the API ([`KeyInput`], [`NewPsk`]) and into a webhook
//! ([`CredentialStaged`]); no answer has a field for it, except for a webhook's secret that the
//! server made and shows once ([`Connector::secret`]), the key that an LwM2M server asks for with
//! its connector's secret ([`AskedPsk`]), keys that an export has encrypted to a recipient
//! ([`ExportedCredential::key`]), and a join token, which is shown once ([`CreatedJoinToken`]).
//!
//! Times are RFC 3339 in UTC ([`Timestamp`]). What comes in refuses unknown fields; what goes out
//! may gain fields, and a reader passes over those it does not know. Errors are [`Problem`]s
//! (RFC 9457) whose [`Code`]s are a closed set. Each type says as JSON Schema what it takes, for
//! the OpenAPI document of the server, which stands in `openapi.json`; [`pattern`] has what texts
//! look like.

mod attempt;
mod bulk;
mod cluster;
mod connector;
mod credential;
mod device;
mod event;
mod export;
mod import_key;
mod integer;
mod key;
mod keys;
pub mod pattern;
mod problem;
mod profile;
mod secret;
mod server_identity;
mod timeline;
mod timestamp;
mod trust_anchor;
mod webhook;

pub use attempt::{UnprovenAttempt, UnprovenAttempts};
pub use bulk::{BulkAnswer, BulkStatus};
pub use cluster::{
    Cluster, ClusterAuthority, ClusterEdge, ClusterNode, CreateJoinToken, CreatedJoinToken,
    EdgeReport, JoinToken, JoinTokens, NodeRole, Promote, Snapshot, Transfer,
};
pub use connector::{AskedPsk, Connector, ConnectorKind, Connectors, PskRequest, PutConnector};
pub use credential::{Credential, CredentialType, Credentials, RevokeCredential, UseReport};
pub use device::{
    Device, DeviceDetail, DevicePage, NewCertificate, NewDevice, NewPsk, UpdateDevice,
};
pub use event::{Event, EventPage};
pub use export::{
    ExportEnd, ExportHead, ExportLine, ExportSecrets, ExportedCredential, ExportedDevice,
};
pub use import_key::{ImportKey, ImportKeys, PublicJwk};
pub use key::{KeyError, KeyFormat, KeyInput};
pub use keys::{
    EscrowKey, EscrowedKey, KeyStatus, ProveKey, ReplacedKey, RetiringTenantKey, RootKek, RootKey,
    TenantKey, WrappedBy,
};
pub use problem::{Code, Problem};
pub use profile::{Profile, Profiles, PutProfile, SecurityMode};
pub use secret::Secret;
pub use server_identity::{PutServerIdentity, ServerIdentity};
pub use timeline::{Audit, Timeline, TimelineEntry};
pub use timestamp::{NotRfc3339, Timestamp};
pub use trust_anchor::{Authority, EndpointIn, PutTrustAnchor, TrustAnchor, TrustAnchors};
pub use webhook::{
    CredentialRevoked, CredentialStaged, EventType, RevokedCredential, RevokedPsk,
    StagedCredential, StagedPsk,
};
