//! The keys that a running node holds: opened once, then asked for by whoever seals or opens.

use crate::keys::{Bytes, Versions};
use crate::{ClusterSecret, DoesNotOpen, KEY, RootKey, SALT, TenantKey};
use core::fmt;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

/// The node's provider has not opened the root key yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node is sealed: its root key has not been opened; `claviger key status` says why")]
pub struct Sealed;

/// A version of a tenant's key, as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrapped<'a> {
    /// The version, from 1.
    pub version: u32,
    /// The version of the root key that wraps it; 0 is the KEK of before there were root keys.
    pub root: u32,
    /// The wrapped bytes.
    pub bytes: &'a [u8],
}

/// Root keys, cluster secret and tenant keys of a node: empty while the node is sealed. It is
/// shared; opening it again replaces the root keys.
#[derive(Default)]
pub struct Keyring(RwLock<Ring>);

#[derive(Default)]
struct Ring {
    roots: BTreeMap<u32, RootKey>,
    cluster: Option<ClusterSecret>,
    tenants: BTreeMap<String, Known>,
}

/// A tenant's key with what it was unwrapped from.
struct Known {
    from: Vec<(u32, u32, Vec<u8>)>,
    key: TenantKey,
}

impl Known {
    fn is_from(&self, wrapped: &[Wrapped<'_>]) -> bool {
        let same = |((version, root, bytes), it): (&(u32, u32, Vec<u8>), &Wrapped<'_>)| {
            (*version, *root, bytes.as_slice()) == (it.version, it.root, it.bytes)
        };
        self.from.len() == wrapped.len() && self.from.iter().zip(wrapped).all(same)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

impl Keyring {
    /// A ring of one root key, version 1.
    pub fn new(root: RootKey, cluster: ClusterSecret) -> Self {
        let ring = Self::default();
        ring.open(BTreeMap::from([(1, root)]), cluster);
        ring
    }

    /// Puts the root keys there, by version, in place of those that it had.
    pub fn open(&self, roots: BTreeMap<u32, RootKey>, cluster: ClusterSecret) {
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        (ring.roots, ring.cluster) = (roots, Some(cluster));
    }

    fn ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// True if the node is not sealed.
    pub fn is_open(&self) -> bool {
        self.ring(|ring| ring.cluster.is_some())
    }

    /// The versions of the root key that it holds, in order.
    pub fn roots(&self) -> Vec<u32> {
        self.ring(|ring| ring.roots.keys().copied().collect())
    }

    /// A version of the root key.
    pub fn root(&self, version: u32) -> Option<RootKey> {
        self.ring(|ring| ring.roots.get(&version).cloned())
    }

    /// The cluster secret.
    ///
    /// # Errors
    /// If the node is sealed.
    pub fn cluster(&self) -> Result<ClusterSecret, Sealed> {
        self.ring(|ring| ring.cluster.clone()).ok_or(Sealed)
    }

    /// A secret of the cluster for `purpose`; the same at every node, and for ever.
    ///
    /// # Errors
    /// If the node is sealed.
    pub fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; KEY]>, Sealed> {
        self.cluster().map(|cluster| cluster.derive(purpose))
    }

    /// What secrets of the cluster itself are sealed with, for `purpose`.
    ///
    /// # Errors
    /// If the node is sealed.
    pub fn cluster_key(&self, purpose: &str) -> Result<TenantKey, Sealed> {
        self.derive(purpose).map(|bytes| TenantKey::new(*bytes))
    }

    /// The key of `tenant`, unwrapped from its versions in the ledger, the newest first. Whoever
    /// holds the key already has the same from now on.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if the node is sealed or has not the right root key.
    pub fn tenant(&self, tenant: &str, wrapped: &[Wrapped<'_>]) -> Result<TenantKey, DoesNotOpen> {
        let known = |ring: &Ring| {
            let known = ring.tenants.get(tenant).filter(|known| known.is_from(wrapped))?;
            Some(known.key.clone())
        };
        if let Some(key) = self.ring(known) {
            return Ok(key);
        }
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let newest = wrapped.first().ok_or(DoesNotOpen)?.version;
        let unwrap = |it: &Wrapped<'_>| {
            let root = ring.roots.get(&it.root).ok_or(DoesNotOpen)?;
            Ok((it.version, root.unwrap(tenant, it.version, it.bytes)?))
        };
        let keys = wrapped.iter().map(unwrap).collect::<Result<_, _>>()?;
        let versions = Versions { newest, keys };
        let from = wrapped.iter().map(|it| (it.version, it.root, it.bytes.to_vec())).collect();
        if let Some(known) = ring.tenants.get_mut(tenant) {
            // A reader of old rows must not take a new version away from those who hold it.
            if known.key.version() <= newest {
                known.key.replace(versions);
                known.from = from;
                return Ok(known.key.clone());
            }
            return Ok(TenantKey::of(versions));
        }
        let key = TenantKey::of(versions);
        ring.tenants.insert(tenant.to_owned(), Known { from, key: key.clone() });
        Ok(key)
    }

    /// Wraps new bytes as `version` of the key of `tenant`, under the newest root key: gives its
    /// version, too.
    ///
    /// # Errors
    /// If the node is sealed.
    pub fn wrap(
        &self,
        tenant: &str,
        version: u32,
        bytes: &Zeroizing<[u8; KEY]>,
        salt: [u8; SALT],
    ) -> Result<(u32, Vec<u8>), Sealed> {
        self.ring(|ring| {
            let (root, key) = ring.roots.last_key_value().ok_or(Sealed)?;
            Ok((*root, key.wrap(tenant, version, bytes, salt)))
        })
    }

    /// The same version of the key of `tenant` under the newest root key.
    ///
    /// # Errors
    /// [`DoesNotOpen`] if the node is sealed or has not the right root key.
    pub fn wrap_anew(
        &self,
        tenant: &str,
        wrapped: Wrapped<'_>,
        salt: [u8; SALT],
    ) -> Result<(u32, Vec<u8>), DoesNotOpen> {
        let unwrapped: Bytes = self.ring(|ring| {
            let root = ring.roots.get(&wrapped.root).ok_or(DoesNotOpen)?;
            root.unwrap(tenant, wrapped.version, wrapped.bytes)
        })?;
        self.wrap(tenant, wrapped.version, &unwrapped, salt).map_err(|Sealed| DoesNotOpen)
    }
}
