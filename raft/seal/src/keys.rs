//! The keys between the one that a provider holds and those that seal: KEK, root key, cluster
//! secret, tenant key.

use crate::sealed::{self, FIRST};
use crate::{DoesNotOpen, KEY, Label, SALT};
use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

pub(crate) type Bytes = Zeroizing<[u8; KEY]>;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Bytes);

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
    /// A key-encryption key whose bytes a provider gives away: it wraps root keys.
    Kek
    /// A version of the root key: it wraps tenant keys and the cluster secret.
    RootKey
    /// What the cluster's own secrets are derived from, and stay: it has no versions.
    ClusterSecret
}

fn key(bytes: Zeroizing<Vec<u8>>) -> Result<Bytes, DoesNotOpen> {
    <[u8; KEY]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| DoesNotOpen)
}

impl Kek {
    /// What the key is known by: nothing about its bytes can be learned from it.
    pub fn id(&self) -> [u8; 8] {
        let id = ClusterSecret(sealed::extract(&self.0)).derive("kek id");
        *id.first_chunk().expect("a key is longer")
    }

    /// Wraps a version of the root key.
    pub fn wrap(&self, version: u32, root: &RootKey, salt: [u8; SALT]) -> Vec<u8> {
        sealed::seal(&self.0, FIRST, Label::RootKey { version }, &*root.0, salt)
    }

    /// Unwraps that version of the root key.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if `wrapped` is not this version wrapped by this KEK.
    pub fn unwrap(&self, version: u32, wrapped: &[u8]) -> Result<RootKey, DoesNotOpen> {
        let bytes = sealed::open(&self.0, FIRST, Label::RootKey { version }, wrapped)?;
        key(bytes).map(RootKey)
    }

    /// The KEK as what ledgers of before there were root keys took it for: it wraps tenant keys
    /// itself, as the root key of version 0.
    pub fn before_roots(&self) -> RootKey {
        RootKey(self.0.clone())
    }

    /// The cluster secret of a ledger of before there were root keys: it gives what was derived
    /// from the KEK then, and does not give the KEK.
    pub fn cluster_before_roots(&self) -> ClusterSecret {
        ClusterSecret(sealed::extract(&self.0))
    }
}

impl RootKey {
    /// Its bytes: for a provider that wraps them elsewhere, and for escrow.
    pub fn expose_bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// Wraps the cluster secret.
    pub fn wrap_cluster(&self, secret: &ClusterSecret, salt: [u8; SALT]) -> Vec<u8> {
        sealed::seal(&self.0, FIRST, Label::ClusterSecret, &*secret.0, salt)
    }

    /// Unwraps the cluster secret.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if it is not the cluster secret wrapped by this root key.
    pub fn unwrap_cluster(&self, wrapped: &[u8]) -> Result<ClusterSecret, DoesNotOpen> {
        sealed::open(&self.0, FIRST, Label::ClusterSecret, wrapped).and_then(key).map(ClusterSecret)
    }

    pub(crate) fn unwrap(
        &self,
        tenant: &str,
        version: u32,
        from: &[u8],
    ) -> Result<Bytes, DoesNotOpen> {
        sealed::open(&self.0, FIRST, Label::TenantKey { tenant, version }, from).and_then(key)
    }

    pub(crate) fn wrap(
        &self,
        tenant: &str,
        version: u32,
        key: &Bytes,
        salt: [u8; SALT],
    ) -> Vec<u8> {
        sealed::seal(&self.0, FIRST, Label::TenantKey { tenant, version }, &**key, salt)
    }

    /// That its holder has it, for whoever has it too, in answer to `challenge`.
    pub fn prove(&self, challenge: &[u8]) -> [u8; KEY] {
        let proof = ClusterSecret(sealed::extract(&self.0));
        *sealed::expand(&proof.0, &[b"proof of a root key", challenge])
    }

    /// True if `proof` is that of the same root key; compared in constant time.
    pub fn is_proven(&self, challenge: &[u8], proof: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.prove(challenge), proof).is_ok()
    }
}

impl ClusterSecret {
    /// A key for `purpose`: what edges sign cookies with, for one.
    pub fn derive(&self, purpose: &str) -> Bytes {
        sealed::expand(&self.0, &[purpose.as_bytes()])
    }
}

/// A tenant's key: the version that seals, and those that still open.
///
/// Clones share one key: when it is replaced ([`Keyring::tenant`](crate::Keyring::tenant) sees that
/// first), all of them seal with the new version, and what is destroyed opens nothing anywhere.
#[derive(Clone)]
pub struct TenantKey(Arc<RwLock<Versions>>);

#[derive(Clone)]
pub(crate) struct Versions {
    pub(crate) newest: u32,
    pub(crate) keys: BTreeMap<u32, Bytes>,
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(..)")
    }
}

impl TenantKey {
    /// A key of these bytes, in its first version.
    pub fn new(bytes: [u8; KEY]) -> Self {
        Self::of(Versions { newest: FIRST, keys: BTreeMap::from([(FIRST, Zeroizing::new(bytes))]) })
    }

    pub(crate) fn of(versions: Versions) -> Self {
        Self(Arc::new(RwLock::new(versions)))
    }

    pub(crate) fn replace(&self, versions: Versions) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = versions;
    }

    fn versions<T>(&self, look: impl FnOnce(&Versions) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The version that seals.
    pub fn version(&self) -> u32 {
        self.versions(|it| it.newest)
    }

    /// Seals `secret` as what `label` says, under a key derived with `salt`, never used before.
    pub fn seal(&self, label: Label<'_>, secret: &[u8], salt: [u8; SALT]) -> Vec<u8> {
        let seal =
            |it: &Versions| sealed::seal(&it.keys[&it.newest], it.newest, label, secret, salt);
        self.versions(seal)
    }

    /// Opens what [`TenantKey::seal`] gave under the same label.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if it was changed, belongs elsewhere, or was sealed by another key.
    pub fn open(&self, label: Label<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let version = sealed::version_of(sealed).ok_or(DoesNotOpen)?;
        self.versions(|it| {
            let key = it.keys.get(&version).ok_or(DoesNotOpen)?;
            sealed::open(key, version, label, sealed)
        })
    }
}
