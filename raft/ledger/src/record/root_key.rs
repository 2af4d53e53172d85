//! The cluster's root key, as it is wrapped.

use minicbor::{Decode, Encode};

/// The versions of the root key: the newest, and the one that it replaces until nothing is wrapped
/// by that any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RootKeys {
    /// The newest version, from 1; new keys are wrapped by it.
    #[n(0)]
    pub version: u32,
    /// It, wrapped by each KEK that may open it, that of the newest first.
    #[n(1)]
    pub wrappings: Vec<Wrapping>,
    /// The cluster secret, wrapped by it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub cluster: Vec<u8>,
    /// Ms since the Unix epoch, when it was made.
    #[n(3)]
    pub since: u64,
    /// Raised by each change, from the index of the entry that made it.
    #[n(4)]
    pub revision: u64,
    /// What it replaces.
    #[n(5)]
    pub retiring: Option<RetiringRoot>,
}

/// A version of the root key that is on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RetiringRoot {
    /// The version.
    #[n(0)]
    pub version: u32,
    /// It, wrapped by each KEK that may open it.
    #[n(1)]
    pub wrappings: Vec<Wrapping>,
    /// Ms since the Unix epoch, when it was replaced.
    #[n(2)]
    pub since: u64,
}

/// A root key under one KEK.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Wrapping {
    /// What the KEK is known by, at its provider too.
    #[n(0)]
    pub kek: String,
    /// What the provider gave.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

impl RootKeys {
    /// How many KEKs can wrap one version.
    pub const WRAPPINGS: usize = 8;
    /// How many bytes a wrapping has at most.
    pub const BYTES: usize = 1024;

    /// Its versions with their wrappings, the newest first.
    pub fn versions(&self) -> impl Iterator<Item = (u32, &[Wrapping])> {
        let retiring = self.retiring.iter().map(|it| (it.version, it.wrappings.as_slice()));
        core::iter::once((self.version, self.wrappings.as_slice())).chain(retiring)
    }

    /// True if it is there under this version.
    pub(crate) fn holds(&self, version: u32) -> bool {
        self.versions().any(|(held, _)| held == version)
    }
}
