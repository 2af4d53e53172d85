//! A tenant.

use minicbor::{Decode, Encode};

/// A tenant: a name, its realm, and the key that its secrets are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tenant {
    /// The realm that its devices prove themselves in; PSK identities are unique within it.
    #[n(0)]
    pub realm: String,
    /// The newest version of the tenant key, wrapped by the root key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped_key: Vec<u8>,
    /// Ms since the Unix epoch.
    #[n(2)]
    pub created_at: u64,
    /// The newest key that lists from a factory are encrypted to, if one was made.
    #[n(3)]
    pub import_key: Option<ImportKey>,
    /// Raised by each change of its import keys, from 1; 0 for a tenant of before there were
    /// versions.
    #[cbor(n(4), skip_if = "is_zero_long")]
    pub version: u64,
    /// The version of the root key that wraps the tenant key; 0 for the KEK itself, as it was
    /// before there were root keys.
    #[cbor(n(5), skip_if = "is_zero")]
    pub root: u32,
    /// How often the tenant key was replaced: its version, counted from 0.
    #[cbor(n(6), skip_if = "is_zero")]
    pub replaced: u32,
    /// The version that it replaces, until nothing is sealed with that any more.
    #[n(7)]
    pub retiring: Option<RetiringKey>,
}

/// A version of a tenant key that is on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RetiringKey {
    /// The version.
    #[n(0)]
    pub version: u32,
    /// The version of the root key that wraps it.
    #[n(1)]
    pub root: u32,
    /// It, wrapped.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
    /// Ms since the Unix epoch, when it was replaced.
    #[n(3)]
    pub since: u64,
    /// True once nothing new is taken that was sealed with it.
    #[n(4)]
    pub closed: bool,
    /// How many secrets were sealed anew.
    #[n(5)]
    pub resealed: u64,
    /// How far the look for them has come; empty at its beginning.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub cursor: Vec<u8>,
}

impl RetiringKey {
    /// How far the look for what it has sealed has come, in percent.
    pub fn percent(&self) -> u8 {
        let slot = self.cursor.first_chunk().copied().map_or(0, u16::from_be_bytes);
        u8::try_from(u32::from(slot) * 100 / u32::from(crate::key::SLOTS)).unwrap_or(100)
    }
}

impl Tenant {
    /// The version of its key that seals, from 1.
    pub const fn key_version(&self) -> u32 {
        self.replaced.saturating_add(1)
    }

    /// The versions of its key: their numbers, the root keys that wrap them, and the wrapped bytes;
    /// the newest first.
    pub fn keys(&self) -> impl Iterator<Item = (u32, u32, &[u8])> {
        let newest = (self.key_version(), self.root, self.wrapped_key.as_slice());
        let retiring = self.retiring.iter().map(|it| (it.version, it.root, it.wrapped.as_slice()));
        core::iter::once(newest).chain(retiring)
    }

    /// True if what this version has sealed may come in.
    pub(crate) fn takes(&self, version: u32) -> bool {
        let retiring = self.retiring.as_ref().filter(|it| !it.closed);
        version == self.key_version() || retiring.is_some_and(|it| it.version == version)
    }
}

/// A tenant's key pair of X25519 (RFC 7748).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImportKey {
    /// The public key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub public: [u8; 32],
    /// The private key, sealed with the tenant's key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed_private: Vec<u8>,
    /// Ms since the Unix epoch.
    #[n(2)]
    pub created_at: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that minicbor calls")]
fn is_zero_long(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that minicbor calls")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}
