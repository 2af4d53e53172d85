//! The credential ledger's content: records, commands, and what a committed command does.
//!
//! It is deterministic and keyless. [`apply`] takes the rows, the log index and a command's bytes
//! and gives the outcome's bytes; two replicas at one index are byte-identical. Time comes in as
//! a value in the [`Envelope`]; secrets come in sealed and stay so; a refusal is an outcome and
//! replicates like any other. It is not consensus and not storage: `claviger-raft` runs the log
//! and keeps the rows, through the ports [`Rows`] and [`Ledger`].
//!
//! To change the ledger, put a [`Command`] into an [`Envelope`] and give it to [`Ledger::propose`].
//! To look at it, use [`View`] on the rows that [`Ledger::read`] shows.

mod command;
mod event;
mod frame;
mod id;
mod key;
pub mod memory;
mod outcome;
mod port;
mod record;
mod rows;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use command::{
    CloseSession, Command, ConfirmOutbox, CreateTenant, DeliverCredential, EnrolDevice, Envelope,
    Found, NoteFailure, OpenSession, PutConnector, PutProfile, RaiseGeneration, ReportUse,
    StageCredential, apply,
};
pub use event::{AuditEntry, Event, EventCode, TimelineEntry};
pub use id::{CredentialId, DeviceRef, Malformed, RequestId, SessionId};
pub use outcome::{Account, Outcome, Refusal};
pub use port::{Ledger, Unavailable};
pub use record::{
    Connector, Credential, Device, LEVEL, Meta, Origin, OutboxItem, Profile, Session, State,
    Tenant, Transition, transition,
};
pub use rows::{Apply, Damage, Rows};
pub use view::{Page, View};
