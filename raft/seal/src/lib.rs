//! Envelope encryption: what the ledger keeps of a secret is what this crate gives.
//!
//! A key-encryption key (KEK) wraps the root key, and the root key each tenant's key and the
//! cluster secret; a tenant's key seals its secrets ([`TenantKey::seal`], [`TenantKey::open`]), each
//! under a key of its own: AES-256-GCM, key = HKDF-SHA256(tenant key, 16 random bytes). What a
//! sealed secret belongs to is authenticated with it ([`Label`]), so that a row moved to another
//! owner does not open. Root keys and tenant keys have versions, and what is sealed names that of
//! its tenant key.
//!
//! A node puts the root keys that it was given by its provider on a [`Keyring`], and all who seal
//! or open ask that. Randomness comes in as an argument. Where the KEK lives is the shell's matter.

mod keys;
mod ring;
mod sealed;
#[cfg(test)]
mod tests;

pub use keys::{ClusterSecret, Kek, RootKey, TenantKey};
pub use ring::{Keyring, Sealed, Wrapped};

/// The bytes of a key that encrypts: 256 bits.
pub const KEY: usize = 32;
/// The random bytes that each sealing needs.
pub const SALT: usize = 16;

/// What a sealed secret belongs to; it opens under the same label only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label<'a> {
    /// A tenant's key, under the root key.
    TenantKey {
        /// The tenant's name.
        tenant: &'a str,
        /// The key's version, from 1.
        version: u32,
    },
    /// A root key, under the KEK.
    RootKey {
        /// Its version, from 1.
        version: u32,
    },
    /// The cluster secret, under the root key.
    ClusterSecret,
    /// A credential's secret.
    Credential {
        /// The tenant's name.
        tenant: &'a str,
        /// The device's id.
        device: &'a str,
        /// The credential's id.
        credential: &'a [u8; 16],
    },
    /// A session: what is stored of it.
    Session {
        /// The tenant's name.
        tenant: &'a str,
        /// The session's id.
        session: &'a [u8; 16],
    },
    /// A connector's signing secret.
    Connector {
        /// The tenant's name.
        tenant: &'a str,
        /// The connector's name.
        connector: &'a str,
    },
    /// The private key of a tenant's listeners.
    ServerKey {
        /// The tenant's name.
        tenant: &'a str,
        /// SHA-256 of the public key.
        fingerprint: &'a [u8; 32],
    },
    /// What it takes to resume a session.
    Resumption {
        /// The tenant's name.
        tenant: &'a str,
        /// What the session is named by.
        handle: &'a [u8; 16],
    },
    /// The private half of an import key.
    ImportKey {
        /// The tenant's name.
        tenant: &'a str,
        /// The public half.
        public: &'a [u8; 32],
    },
    /// The private key of the authority of a cluster's nodes.
    Authority {
        /// The cluster's id.
        cluster: &'a [u8; 16],
    },
}

/// Why something does not open; deliberately the same for every cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open under this key and label")]
pub struct DoesNotOpen;
