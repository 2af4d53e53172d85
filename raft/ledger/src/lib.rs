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
mod ending;
mod event;
mod feed;
mod frame;
mod id;
mod incarnation;
mod key;
mod keyed;
pub mod memory;
mod nodes;
mod notice;
mod outcome;
mod port;
mod proving;
mod record;
mod replacing;
mod rows;
mod sealed;
mod staging;
mod state;
mod story;
#[cfg(test)]
mod tests;
mod view;

pub use command::{
    AdmitNode, CloseSession, Command, ConfirmOutbox, ConfirmWithdrawal, CreateJoinToken,
    CreateTenant, DeleteConnector, DeleteDevice, DeleteImportKey, DeleteProfile, DeleteTrustAnchor,
    DeliverCredential, DestroyRootKey, DestroyTenantKey, DismissNode, EnrolDevice, Envelope,
    Escrow, ExpireCredentials, ForgetEdges, Found, NoteEscrow, NoteExport, NoteFailure,
    NoteNodeCertificate, OpenSession, PutConnector, PutImportKey, PutNodeAuthority, PutProfile,
    PutRootKey, PutServerIdentity, PutTrustAnchor, RaiseGeneration, RaiseLevel, ReadmitNode,
    ReplaceNodeAuthority, ReplaceTenantKey, ReportUse, Reseal, Resealed, RetireNodeAuthority,
    RevokeCredential, RevokeJoinToken, RotateCredential, RotateEdgeKeys, SealedPlace,
    StageCredential, UpdateDevice, WrapRootKey, WrapTenantKey, apply,
};
pub use event::{AuditEntry, Event, EventCode, FeedEntry, TimelineEntry};
pub use feed::Events;
pub use id::{CredentialId, DeviceRef, Malformed, RequestId, SessionId};
pub use incarnation::{Begun, begin_incarnation, incarnation_begins};
pub use key::{HOME, fingerprint};
pub use notice::Notice;
pub use outcome::{Account, Ended, Outcome, Refusal};
pub use port::{Ledger, Unavailable};
pub use record::{
    Admitted, Connector, ConnectorKind, Credential, CredentialKind, Device, EdgeKeys, ImportKey,
    Incarnation, JoinToken, Keyed, LEVEL, Meta, NamePlace, NodeAuthority, NodeRecord, NodeRole,
    Origin, OutboxItem, Profile, Resumable, Resumption, RetiringAuthority, RetiringKey,
    RetiringRoot, RootKeys, ServerIdentity, Session, State, Tenant, Transition, TrustAnchor,
    Withdrawal, Wrapping, transition,
};
pub use rows::{Apply, Damage, Rows};
pub use sealed::SealedRow;
pub use staging::{Fresh, Prepared};
pub use view::{Page, View};
