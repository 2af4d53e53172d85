//! Commands: one file each, and `apply`, which every replica runs alike.

mod admit_node;
mod close_session;
mod confirm_outbox;
mod confirm_withdrawal;
mod create_join_token;
mod create_tenant;
mod delete_connector;
mod delete_device;
mod delete_import_key;
mod delete_profile;
mod delete_trust_anchor;
mod deliver_credential;
mod destroy_root_key;
mod destroy_tenant_key;
mod dismiss_node;
mod enrol_device;
mod expire_credentials;
mod forget_edges;
mod found;
mod note_escrow;
mod note_export;
mod note_failure;
mod note_node_certificate;
mod open_session;
mod put_connector;
mod put_import_key;
mod put_node_authority;
mod put_profile;
mod put_root_key;
mod put_server_identity;
mod put_trust_anchor;
mod raise_generation;
mod raise_level;
mod readmit_node;
mod replace_node_authority;
mod replace_tenant_key;
mod report_use;
mod reseal;
mod retire_node_authority;
mod revoke_credential;
mod revoke_join_token;
mod rotate_credential;
mod rotate_edge_keys;
mod sealed_place;
mod stage_credential;
mod update_device;
mod wrap_root_key;
mod wrap_tenant_key;

pub use admit_node::AdmitNode;
pub use close_session::CloseSession;
pub use confirm_outbox::ConfirmOutbox;
pub use confirm_withdrawal::ConfirmWithdrawal;
pub use create_join_token::CreateJoinToken;
pub use create_tenant::CreateTenant;
pub use delete_connector::DeleteConnector;
pub use delete_device::DeleteDevice;
pub use delete_import_key::DeleteImportKey;
pub use delete_profile::DeleteProfile;
pub use delete_trust_anchor::DeleteTrustAnchor;
pub use deliver_credential::DeliverCredential;
pub use destroy_root_key::DestroyRootKey;
pub use destroy_tenant_key::DestroyTenantKey;
pub use dismiss_node::DismissNode;
pub use enrol_device::EnrolDevice;
pub use expire_credentials::ExpireCredentials;
pub use forget_edges::ForgetEdges;
pub use found::Found;
pub use note_escrow::{Escrow, NoteEscrow};
pub use note_export::NoteExport;
pub use note_failure::NoteFailure;
pub use note_node_certificate::NoteNodeCertificate;
pub use open_session::OpenSession;
pub use put_connector::PutConnector;
pub use put_import_key::PutImportKey;
pub use put_node_authority::PutNodeAuthority;
pub use put_profile::PutProfile;
pub use put_root_key::PutRootKey;
pub use put_server_identity::PutServerIdentity;
pub use put_trust_anchor::PutTrustAnchor;
pub use raise_generation::RaiseGeneration;
pub use raise_level::RaiseLevel;
pub use readmit_node::ReadmitNode;
pub use replace_node_authority::ReplaceNodeAuthority;
pub use replace_tenant_key::ReplaceTenantKey;
pub use report_use::ReportUse;
pub use reseal::{Reseal, Resealed};
pub use retire_node_authority::RetireNodeAuthority;
pub use revoke_credential::RevokeCredential;
pub use revoke_join_token::RevokeJoinToken;
pub use rotate_credential::RotateCredential;
pub use rotate_edge_keys::RotateEdgeKeys;
pub use sealed_place::SealedPlace;
pub use stage_credential::StageCredential;
pub use update_device::UpdateDevice;
pub use wrap_root_key::WrapRootKey;
pub use wrap_tenant_key::WrapTenantKey;

use crate::key::{self, Kind};
use crate::record::{FIRST_LEVEL, Keyed, LEVEL, Recent};
use crate::state::{Book, Stop};
use crate::{Damage, DeviceRef, Outcome, Refusal, RequestId, Rows, frame};
use core::fmt;
use minicbor::{Decode, Encode};

/// A command with what every command carries.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Envelope {
    /// The proposer's clock, in ms since the Unix epoch.
    #[n(0)]
    pub time: u64,
    /// By which a repetition is known.
    #[n(1)]
    pub request: RequestId,
    /// The version that the device must have; a change since then refuses the command.
    #[n(2)]
    pub expected: Option<u64>,
    /// What is to be done.
    #[n(3)]
    pub command: Command,
    /// By which a repetition is known that comes much later, or by another node.
    #[n(4)]
    pub keyed: Option<Keyed>,
}

impl Envelope {
    /// A command proposed at `time` (ms since the Unix epoch) under the request id `request`.
    pub const fn new(time: u64, request: RequestId, command: Command) -> Self {
        Self { time, request, expected: None, command, keyed: None }
    }

    /// The bytes that are replicated.
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(self)
    }

    /// The envelope in these bytes; nothing if this version cannot read them.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        frame::decode(bytes)
    }
}

macro_rules! commands {
    ($($number:literal $name:ident $subject:expr;)*) => {
        /// What can be done to the ledger. A number once used keeps its meaning for ever.
        #[derive(Clone, PartialEq, Eq, Encode, Decode)]
        #[expect(missing_docs, reason = "each variant is documented at its type")]
        pub enum Command {
            $(#[n($number)] $name(#[n(0)] $name),)*
        }

        impl Command {
            /// The command's name, for logs and metrics.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// The level that the cluster must have before it is proposed: a node that does not know
            /// a command stops at it.
            pub const fn level(&self) -> u32 {
                match self {
                    Self::CreateJoinToken(CreateJoinToken { returns: Some(_), .. })
                    | Self::AdmitNode(AdmitNode { issuer: Some(_), .. })
                    | Self::NoteNodeCertificate(NoteNodeCertificate { issuer: Some(_), .. }) => 5,
                    $(Self::$name(_) => level_of($number),)*
                }
            }

            /// What it is about.
            fn subject(&self) -> Subject<'_> {
                match self { $(Self::$name(command) => {
                    let of: fn(&$name) -> Subject<'_> = $subject;
                    of(command)
                })* }
            }

            fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
                match self { $(Self::$name(command) => command.apply(book),)* }
            }
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self { Self::$name(command) }
        })*
    };
}

commands! {
    0 Found |_| Subject::Ledger;
    1 CreateTenant |c| Subject::Tenant(&c.tenant);
    2 PutConnector |c| Subject::Tenant(&c.tenant);
    3 PutProfile |c| Subject::Tenant(&c.tenant);
    4 EnrolDevice |c| Subject::Device(&c.device);
    5 OpenSession |c| Subject::Device(&c.device);
    6 RaiseGeneration |c| Subject::Device(&c.device);
    7 StageCredential |c| Subject::Device(&c.device);
    8 ConfirmOutbox |c| Subject::Device(&c.device);
    9 DeliverCredential |c| Subject::Device(&c.device);
    10 ReportUse |c| Subject::Device(&c.device);
    11 NoteFailure |c| Subject::Device(&c.device);
    12 CloseSession |c| Subject::Device(&c.device);
    13 RevokeCredential |c| Subject::Device(&c.device);
    14 RotateCredential |c| Subject::Device(&c.device);
    15 UpdateDevice |c| Subject::Device(&c.device);
    16 DeleteDevice |c| Subject::Device(&c.device);
    17 ExpireCredentials |_| Subject::Ledger;
    18 ConfirmWithdrawal |c| Subject::Device(&c.device);
    19 DeleteProfile |c| Subject::Tenant(&c.tenant);
    20 DeleteConnector |c| Subject::Tenant(&c.tenant);
    21 PutImportKey |c| Subject::Tenant(&c.tenant);
    22 NoteExport |c| Subject::Tenant(&c.tenant);
    30 DeleteImportKey |c| Subject::Tenant(&c.tenant);
    31 PutTrustAnchor |c| Subject::Tenant(&c.tenant);
    32 DeleteTrustAnchor |c| Subject::Tenant(&c.tenant);
    33 PutServerIdentity |c| Subject::Tenant(&c.tenant);
    60 PutNodeAuthority |_| Subject::Ledger;
    61 CreateJoinToken |_| Subject::Ledger;
    62 RevokeJoinToken |_| Subject::Ledger;
    63 AdmitNode |_| Subject::Ledger;
    64 NoteNodeCertificate |_| Subject::Ledger;
    65 DismissNode |_| Subject::Ledger;
    66 ReadmitNode |_| Subject::Ledger;
    67 ForgetEdges |_| Subject::Ledger;
    68 RotateEdgeKeys |_| Subject::Ledger;
    69 ReplaceNodeAuthority |_| Subject::Ledger;
    70 RaiseLevel |_| Subject::Ledger;
    71 RetireNodeAuthority |_| Subject::Ledger;
    90 PutRootKey |_| Subject::Ledger;
    91 WrapRootKey |_| Subject::Ledger;
    92 DestroyRootKey |_| Subject::Ledger;
    93 WrapTenantKey |c| Subject::Tenant(&c.tenant);
    94 ReplaceTenantKey |c| Subject::Tenant(&c.tenant);
    95 Reseal |c| Subject::Tenant(&c.tenant);
    96 DestroyTenantKey |c| Subject::Tenant(&c.tenant);
    97 NoteEscrow |_| Subject::Ledger;
}

/// The level that brought the command of this number.
const fn level_of(number: u32) -> u32 {
    match number {
        0..60 => FIRST_LEVEL,
        66..=69 | 71 => 3,
        _ => 2,
    }
}

/// What a command is about.
enum Subject<'a> {
    Ledger,
    Tenant(&'a str),
    Device(&'a DeviceRef),
}

impl<'a> Subject<'a> {
    fn tenant(&self) -> Option<&'a str> {
        match self {
            Self::Ledger => None,
            Self::Tenant(tenant) => Some(tenant),
            Self::Device(device) => Some(&device.tenant),
        }
    }
}

impl Command {
    /// Where its repetitions are remembered by request id, if they are.
    fn recent(&self) -> Option<Vec<u8>> {
        match (self, self.subject()) {
            // Known by its session id; an edge's repetition must not meet a forgotten outcome.
            (Self::OpenSession(_), _) => None,
            // Each must raise the generation anew, or two incarnations could share one.
            (Self::RaiseGeneration(_), _) => None,
            // Known by nothing else; they come from any node, and are repeated.
            (Self::RevokeJoinToken(_) | Self::NoteNodeCertificate(_) | Self::ReadmitNode(_), _) => {
                Some(key::of_tenant(Kind::Recent, key::HOME))
            }
            // Known by the cluster's id, by what they leave, or by what they leave to be done.
            (_, Subject::Ledger) => None,
            // Known by its item; the device may be gone.
            (Self::ConfirmWithdrawal(_), _) => None,
            // Known by what stands there; there are many of them, and others' outcomes are to stay.
            (Self::WrapTenantKey(_) | Self::Reseal(_), _) => None,
            // Nothing of the device stays.
            (Self::DeleteDevice(c), _) => Some(key::of_tenant(Kind::Recent, &c.device.tenant)),
            (_, Subject::Tenant(tenant)) => Some(key::of_tenant(Kind::Recent, tenant)),
            (_, Subject::Device(device)) => Some(key::of_device(Kind::Recent, device)),
        }
    }
}

impl Command {
    /// How many outcomes are remembered where this command's is.
    fn repetitions_kept(&self) -> usize {
        match (self, self.subject()) {
            (Self::DeleteDevice(_), _) | (_, Subject::Tenant(_) | Subject::Ledger) => {
                Recent::OF_TENANT
            }
            _ => Recent::OF_DEVICE,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Applies the command in `bytes` (an encoded [`Envelope`]) at log index `index`.
///
/// # Errors
/// [`Damage`] if the command or a row cannot be read, or the ledger's level is newer than this
/// version: the node must stop.
pub fn apply(rows: &mut dyn Rows, index: u64, bytes: &[u8]) -> Result<Vec<u8>, Damage> {
    let damage = |what| Damage { what, index };
    let envelope: Envelope = frame::decode(bytes).ok_or_else(|| damage("a command"))?;
    match run(rows, index, &envelope) {
        Ok(outcome) => Ok(frame::encode(&outcome)),
        Err(Stop::Refused(refusal)) => Ok(frame::encode(&Outcome::Refused(refusal))),
        Err(Stop::Damaged(damage)) => Err(damage),
    }
}

fn run(rows: &mut dyn Rows, index: u64, envelope: &Envelope) -> Result<Outcome, Stop> {
    let mut book = Book::new(rows, index, envelope.time);
    let Some(mut meta) = book.meta()? else {
        return match &envelope.command {
            Command::Found(found) => found.apply(&mut book),
            _ => Err(Refusal::not_found("ledger", "founded").into()),
        };
    };
    if meta.level > LEVEL {
        return Err(Stop::Damaged(Damage { what: "the ledger's level", index }));
    }
    if envelope.time > meta.time {
        meta.time = envelope.time;
        book.store(key::meta(), &meta);
    }
    book.at = meta.time;
    let recent = envelope.command.recent();
    let outcome = match (envelope.keyed, envelope.command.subject().tenant(), recent) {
        (Some(keyed), Some(tenant), _) => under_key(&mut book, envelope, tenant, keyed),
        (_, _, Some(row)) => once(&mut book, envelope, row),
        _ => unchanged(&mut book, envelope),
    };
    book.tell()?;
    outcome
}

/// Applies a command unless it was applied before under its key.
fn under_key(
    book: &mut Book<'_>,
    envelope: &Envelope,
    tenant: &str,
    keyed: Keyed,
) -> Result<Outcome, Stop> {
    if let Some(outcome) = book.done_before(tenant, keyed)? {
        return Ok(outcome);
    }
    let outcome = unchanged(book, envelope)?;
    book.remember_done(tenant, keyed, &outcome)?;
    Ok(outcome)
}

/// Applies a command unless it was applied before.
fn once(book: &mut Book<'_>, envelope: &Envelope, row: Vec<u8>) -> Result<Outcome, Stop> {
    let mut recent: Recent = book.load("recent requests", &row)?.unwrap_or_default();
    if let Some(bytes) = recent.outcome(envelope.request) {
        let damage = Damage { what: "a remembered outcome", index: book.index };
        return frame::decode(bytes).ok_or(Stop::Damaged(damage));
    }
    let outcome = unchanged(book, envelope)?;
    let kept = envelope.command.repetitions_kept();
    recent.remember(envelope.request, &frame::encode(&outcome), kept);
    book.store(row, &recent);
    Ok(outcome)
}

/// Applies a command unless its device has changed since the caller read it.
fn unchanged(book: &mut Book<'_>, envelope: &Envelope) -> Result<Outcome, Stop> {
    if let (Some(expected), Subject::Device(of)) = (envelope.expected, envelope.command.subject()) {
        let actual = book.device(of)?.version;
        if actual != expected {
            return Err(Refusal::Changed { expected, actual }.into());
        }
    }
    envelope.command.apply(book)
}

impl Outcome {
    /// Reads the bytes that [`apply`] gave; nothing if this version cannot.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        frame::decode(bytes)
    }
}
