//! Envelope encryption: what the ledger keeps of a secret is what this crate gives.
//!
//! A KEK wraps a tenant's key ([`Kek::wrap`], [`Kek::unwrap`]); a tenant's key seals its secrets
//! ([`TenantKey::seal`], [`TenantKey::open`]), each under a key of its own: AES-256-GCM, key =
//! HKDF-SHA256(tenant key, 16 random bytes). What a sealed secret belongs to is authenticated with
//! it ([`Label`]), so that a row moved to another owner does not open. Randomness comes in as an
//! argument. Where the KEK lives is the shell's matter.

mod sealed;

use core::fmt;
use zeroize::Zeroizing;

/// The bytes of a key that encrypts: 256 bits.
pub const KEY: usize = 32;
/// The random bytes that each sealing needs.
pub const SALT: usize = 16;

/// What a sealed secret belongs to; it opens under the same label only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label<'a> {
    /// A tenant's key, under the KEK.
    TenantKey {
        /// The tenant's name.
        tenant: &'a str,
    },
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
    /// A remembered response.
    Response {
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

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<[u8; KEY]>);

        impl $name {
            /// A key of these bytes.
            pub fn new(bytes: [u8; KEY]) -> Self {
                Self(Zeroizing::new(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

keys! {
    /// The key-encryption key: it wraps tenant keys.
    Kek
    /// A tenant's key.
    TenantKey
}

impl Kek {
    /// A key for `purpose`, for secrets of the node itself: what its edges sign cookies with.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY]> {
        sealed::derive_bytes(&self.0, purpose.as_bytes())
    }

    /// Wraps the key of `tenant`.
    pub fn wrap(&self, tenant: &str, key: &TenantKey, salt: [u8; SALT]) -> Vec<u8> {
        sealed::seal(&self.0, Label::TenantKey { tenant }, &*key.0, salt)
    }

    /// Unwraps the key of `tenant`.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if `wrapped` is not this tenant's key wrapped by this KEK.
    pub fn unwrap(&self, tenant: &str, wrapped: &[u8]) -> Result<TenantKey, DoesNotOpen> {
        let bytes = sealed::open(&self.0, Label::TenantKey { tenant }, wrapped)?;
        let bytes = <[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| DoesNotOpen)?;
        Ok(TenantKey::new(bytes))
    }
}

impl TenantKey {
    /// Seals `secret` as what `label` says, under a key derived with `salt`, never used before.
    pub fn seal(&self, label: Label<'_>, secret: &[u8], salt: [u8; SALT]) -> Vec<u8> {
        sealed::seal(&self.0, label, secret, salt)
    }

    /// Opens what [`TenantKey::seal`] gave under the same label.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if it was changed, belongs elsewhere, or was sealed by another key.
    pub fn open(&self, label: Label<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        sealed::open(&self.0, label, sealed)
    }
}
