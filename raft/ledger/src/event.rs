//! What happened, for people: the device's timeline and the audit log.

use crate::{CredentialId, DeviceRef};
use core::fmt;
use minicbor::{Decode, Encode};

macro_rules! event_codes {
    ($($number:literal $name:ident $text:literal $audited:literal $doc:literal;)*) => {
        /// What can happen to a device and its credentials; a closed set.
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

            /// True if it makes an audit entry too.
            pub const fn is_audited(self) -> bool {
                match self { $(Self::$name => $audited,)* }
            }
        }
    };
}

event_codes! {
    0 DeviceEnrolled "device.enrolled" true "A device and its manufacturer credential were enrolled.";
    1 SessionOpened "session.opened" false "A device proved a credential and opened a DTLS session.";
    2 CredentialIssued "credential.issued" true "A credential was made and staged.";
    3 CredentialReissued "credential.offered_again" false "A retry gets the credential that is already staged.";
    4 ServerConfirmed "server.confirmed" false "The LwM2M server holds the credential.";
    5 CredentialDelivered "credential.delivered" true "The device acknowledged the credential.";
    6 CredentialActivated "credential.activated" true "The credential was seen in use.";
    7 CredentialSuperseded "credential.superseded" true "Another credential took its place.";
    8 Refused "device.refused" true "A device that had proven itself was refused.";
    9 BootstrapFailed "bootstrap.failed" false "A bootstrap stopped before its end.";
    10 SessionClosed "session.closed" false "A session ended.";
}

impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that happened to a device.
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
