//! What happened, for people: the device's timeline, the audit log, and the tenant's feed.

use crate::record::FIRST_LEVEL;
use crate::{CredentialId, DeviceRef};
use core::fmt;
use minicbor::{Decode, Encode};

/// Where an event is told; each place after the first is told what the next one is told, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// On the device's timeline, if it is about a device.
    Timeline,
    /// Also in the tenant's feed.
    Feed,
    /// Also in the audit log.
    Audit,
}

macro_rules! event_codes {
    ($($number:literal $name:ident $text:literal $reach:ident $doc:literal;)*) => {
        /// What can happen in a tenant, to its devices and their credentials; a closed set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
        #[cbor(index_only)]
        pub enum EventCode {
            $(#[doc = $doc] #[n($number)] $name,)*
        }

        impl EventCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code's name, as the API, the audit log and the metrics write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            const fn reach(self) -> Reach {
                match self { $(Self::$name => Reach::$reach,)* }
            }
        }
    };
}

event_codes! {
    0 DeviceEnrolled "device.enrolled" Audit "A device and its manufacturer credential were enrolled.";
    1 SessionOpened "session.opened" Timeline "A device proved a credential and opened a DTLS session.";
    2 CredentialIssued "credential.issued" Audit "A credential was made and staged.";
    3 CredentialReissued "credential.offered_again" Feed "A retry gets the credential that is already staged.";
    4 ServerConfirmed "server.confirmed" Timeline "The LwM2M server holds the credential.";
    5 CredentialDelivered "credential.delivered" Audit "The device acknowledged the credential.";
    6 CredentialActivated "credential.activated" Audit "The credential was seen in use.";
    7 CredentialSuperseded "credential.superseded" Audit "Another credential took its place.";
    8 Refused "device.refused" Audit "A device that had proven itself was refused.";
    9 BootstrapFailed "bootstrap.failed" Feed "A bootstrap stopped before its end.";
    10 SessionClosed "session.closed" Timeline "A session ended.";
    11 CredentialRevoked "credential.revoked" Audit "Somebody withdrew the credential.";
    12 CredentialExpired "credential.expired" Audit "The credential's time was over.";
    13 RotationDue "credential.rotation_due" Audit "The next bootstrap is to bring a fresh credential.";
    14 DeviceChanged "device.changed" Audit "The device was given another profile.";
    15 DeviceDeleted "device.deleted" Audit "The device and all that it had were deleted.";
    16 BootstrapFinished "bootstrap.finished" Feed "A bootstrap came to its end.";
    17 ServerForgot "server.forgot" Timeline "The LwM2M server does not take the credential any more.";
    18 ProfileChanged "profile.changed" Feed "A bootstrap profile was made or changed.";
    19 ProfileDeleted "profile.deleted" Feed "A bootstrap profile was deleted.";
    20 ConnectorChanged "connector.changed" Feed "A connector was made or changed.";
    21 ConnectorDeleted "connector.deleted" Feed "A connector was deleted.";
    22 ImportKeyChanged "import_key.changed" Audit "The tenant's import key was made or changed.";
    23 SecretsExported "secrets.exported" Audit "Secrets were exported, encrypted to a recipient.";
    24 TrustAnchorChanged "trust_anchor.changed" Audit "A trust anchor was made or changed.";
    25 TrustAnchorDeleted "trust_anchor.deleted" Audit "A trust anchor was deleted.";
    26 ServerIdentityChanged "server_identity.changed" Audit "The key of the tenant's listeners was made or changed.";
    60 NodeAuthorityMade "node_authority.made" Audit "The cluster got an authority for its nodes.";
    61 JoinTokenCreated "join_token.created" Audit "A token that lets nodes in was made.";
    62 JoinTokenRevoked "join_token.revoked" Audit "A token that lets nodes in was revoked.";
    63 NodeJoined "node.joined" Audit "A node joined the cluster and was given a certificate.";
    64 NodeCertified "node.certified" Audit "A node was given its next certificate.";
    66 NodeRefused "node.refused" Audit "A node showed a key that is not its newest: two may have its certificate.";
    65 NodeDismissed "node.dismissed" Audit "A node was dismissed: its certificates are not accepted any more.";
    67 NodeReadmitted "node.readmitted" Audit "A ledger node that lost its certificate may join anew under its id.";
    68 EdgeKeysRotated "edge_keys.rotated" Audit "The keys that edges are handed were replaced.";
    69 NodeAuthorityReplaced "node_authority.replaced" Audit "The cluster got another authority for its nodes.";
    71 NodeAuthorityRetired "node_authority.retired" Audit "The authority before is not trusted any more.";
    70 ClusterRestored "cluster.restored" Audit "The cluster goes on from a copy of the ledger.";
    90 RootKeyMade "root_key.made" Audit "The cluster's root key was made.";
    91 RootKeyReplaced "root_key.replaced" Audit "The cluster's root key was replaced by a new version.";
    92 RootKeyDestroyed "root_key.destroyed" Audit "A replaced version of the root key was destroyed.";
    93 KekChanged "kek.changed" Audit "The root key was wrapped by other key-encryption keys.";
    94 TenantKeyReplaced "tenant_key.replaced" Audit "The tenant's key was replaced by a new version.";
    95 TenantKeyDestroyed "tenant_key.destroyed" Audit "A replaced version of the tenant's key was destroyed.";
    96 EscrowMade "escrow.made" Audit "A copy of the root key was made, encrypted to a recipient.";
    97 EscrowProven "escrow.proven" Audit "A copy of the root key was proven to open the ledger.";
    98 EscrowUsed "escrow.used" Audit "A sealed node was opened by a copy of the root key.";
}

impl EventCode {
    /// True if it makes an audit entry.
    pub fn is_audited(self) -> bool {
        self.reach() >= Reach::Audit
    }

    /// True if it is told in the tenant's feed.
    pub fn is_fed(self) -> bool {
        self.reach() >= Reach::Feed
    }

    /// The ledger's level from which on the feed tells of it: older versions do not know that it does.
    pub(crate) const fn fed_since(self) -> u32 {
        match self {
            Self::CredentialReissued => 4,
            _ => FIRST_LEVEL,
        }
    }
}

impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub code: EventCode,
    /// The credential concerned.
    pub credential: Option<CredentialId>,
    /// The same in words, with what to do where something went wrong; never a secret.
    pub words: String,
}

/// A row of a device's timeline; the newest 64 are kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TimelineEntry {
    /// Ms since the Unix epoch.
    #[n(0)]
    pub at: u64,
    /// The log index of the command that wrote it.
    #[n(1)]
    pub index: u64,
    /// What happened.
    #[n(2)]
    pub code: EventCode,
    /// The credential concerned.
    #[n(3)]
    pub credential: Option<CredentialId>,
    /// The same in words.
    #[n(4)]
    pub words: String,
}

/// A row of the audit log: kept, and exactly one for each event that is audited.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AuditEntry {
    /// The device concerned.
    #[n(0)]
    pub device: DeviceRef,
    /// What happened, when, and at which log index.
    #[n(1)]
    pub entry: TimelineEntry,
}

/// A row of a tenant's feed, or of its audit log where no device is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FeedEntry {
    /// The log index of the command that wrote it.
    #[n(0)]
    pub index: u64,
    /// Its number among what that command wrote, from 0.
    #[n(1)]
    pub n: u32,
    /// Ms since the Unix epoch.
    #[n(2)]
    pub at: u64,
    /// What happened.
    #[n(3)]
    pub code: EventCode,
    /// The id of the device concerned.
    #[n(4)]
    pub device: Option<String>,
    /// The credential concerned.
    #[n(5)]
    pub credential: Option<CredentialId>,
    /// The same in words.
    #[n(6)]
    pub words: String,
}

impl FeedEntry {
    /// Its place in the feed: later entries have greater ones.
    pub const fn place(&self) -> (u64, u32) {
        (self.index, self.n)
    }
}
