//! Where a tenant's sealed secrets stand.

use crate::key::{self, Kind};
use crate::{CredentialId, DeviceRef, SessionId};
use minicbor::{Decode, Encode};

/// The place of a sealed secret within its tenant: it says what the secret belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum SealedPlace {
    /// A credential's key.
    #[n(0)]
    Material {
        /// The device's id.
        #[n(0)]
        device: String,
        /// The credential.
        #[n(1)]
        credential: CredentialId,
    },
    /// A session.
    #[n(1)]
    Session {
        /// The device's id.
        #[n(0)]
        device: String,
        /// The session.
        #[n(1)]
        session: SessionId,
    },
    /// What it takes to resume a session.
    #[n(2)]
    Resumption {
        /// What the session is named by.
        #[cbor(n(0), with = "minicbor::bytes")]
        handle: [u8; 16],
    },
    /// A connector's secret.
    #[n(3)]
    Connector {
        /// The connector's name.
        #[n(0)]
        name: String,
    },
    /// The private key of the listeners.
    #[n(4)]
    ServerIdentity {
        /// SHA-256 of the public key.
        #[cbor(n(0), with = "minicbor::bytes")]
        fingerprint: [u8; 32],
    },
    /// The private half of an import key.
    #[n(5)]
    ImportKey {
        /// The public half.
        #[cbor(n(0), with = "minicbor::bytes")]
        public: [u8; 32],
    },
}

impl SealedPlace {
    /// Its row; the newest import key has none but the tenant's.
    pub(crate) fn row(&self, tenant: &str) -> Vec<u8> {
        let of = |device: &str| DeviceRef { tenant: tenant.to_owned(), device: device.to_owned() };
        match self {
            Self::Material { device, credential } => {
                key::credential(Kind::Material, &of(device), *credential)
            }
            Self::Session { device, session } => key::session(&of(device), *session),
            Self::Resumption { handle } => key::resumption(handle),
            Self::Connector { name } => key::named(Kind::Connector, tenant, name),
            Self::ServerIdentity { .. } => key::of_tenant(Kind::ServerIdentity, tenant),
            Self::ImportKey { public } => key::under_tenant(Kind::ImportKey, tenant, public),
        }
    }
}
