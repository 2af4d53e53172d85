//! The types of Claviger's HTTP API, as JSON shows them.
//!
//! Server, command line and tests share them, so that a field is named once. They hold no rule
//! beyond their own form: what a name may be, or who may ask, is the server's matter. Key material
//! goes one way only: into the API ([`KeyInput`], [`NewPsk`]) and into a webhook
//! ([`CredentialStaged`]); no answer has a field for it, except for a webhook's secret that the
//! server made and shows once ([`Connector::secret`]).
//!
//! Times are RFC 3339 in UTC ([`Timestamp`]). What comes in refuses unknown fields; what goes out
//! may gain fields, and a reader passes over those it does not know. Errors are [`Problem`]s
//! (RFC 9457) whose [`Code`]s are a closed set.

mod attempt;
mod connector;
mod credential;
mod device;
mod key;
mod problem;
mod profile;
mod secret;
mod timeline;
mod timestamp;
mod webhook;

pub use attempt::{UnprovenAttempt, UnprovenAttempts};
pub use connector::{Connector, PutConnector};
pub use credential::{Credential, CredentialType, UseReport};
pub use device::{Device, DeviceDetail, DevicePage, NewDevice, NewPsk};
pub use key::{KeyError, KeyFormat, KeyInput};
pub use problem::{Code, Problem};
pub use profile::{Profile, Profiles, PutProfile, SecurityMode};
pub use secret::Secret;
pub use timeline::{Audit, TimelineEntry};
pub use timestamp::{NotRfc3339, Timestamp};
pub use webhook::{CredentialStaged, EventType, StagedCredential, StagedPsk};
