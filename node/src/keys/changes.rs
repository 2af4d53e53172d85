//! Keys that are replaced at an operator's word; the [`Worker`](super::Worker) does the rest.

use super::{Keeper, KeyError};
use claviger_ledger::{
    Refusal, ReplaceTenantKey, RootKeys, RotateEdgeKeys, Tenant, View, WrapRootKey, Wrapping,
};
use claviger_seal::Sealed;
use zeroize::Zeroizing;

impl Keeper {
    /// The root key's row, as it is now.
    async fn root_keys(&self) -> Result<RootKeys, KeyError> {
        self.ledger.confirm().await?;
        let mut keys = None;
        self.ledger.read(&mut |rows| keys = View::new(rows).root_keys());
        keys.ok_or(KeyError::NoRootKey)
    }

    /// Wraps the root key by the KEK that this node's provider has for it; those that wrap it
    /// already stay. Gives that KEK's name.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn rotate_kek(&self) -> Result<String, KeyError> {
        let keys = self.root_keys().await?;
        self.open().await?;
        let (newest, name) = self.wrapped_too(keys.version, &keys.wrappings).await?;
        let retiring = match &keys.retiring {
            Some(it) => self.wrapped_too(it.version, &it.wrappings).await?.0,
            None => Vec::new(),
        };
        let wrap = WrapRootKey { expect: keys.revision, wrappings: newest, retiring };
        self.propose(wrap).await.map(|()| name)
    }

    /// The wrappings of a version, with that of the KEK that wraps first.
    async fn wrapped_too(
        &self,
        version: u32,
        wrappings: &[Wrapping],
    ) -> Result<(Vec<Wrapping>, String), KeyError> {
        let root = self.ring.root(version).ok_or(Sealed)?;
        let new = self.providers.wrap(version, &root).await?;
        let name = new.kek.clone();
        let known = wrappings.iter().find(|it| it.kek == name).cloned();
        // A token's key may have been made anew under its old label: then the known one is of no use.
        let known = match known {
            Some(known) if self.opens(version, core::slice::from_ref(&known)).await => Some(known),
            _ => None,
        };
        let others = wrappings.iter().filter(|it| it.kek != name).cloned();
        Ok((core::iter::once(known.unwrap_or(new)).chain(others).collect(), name))
    }

    /// Whether these wrappings give the root key that is in memory, by the KEKs at hand.
    async fn opens(&self, version: u32, wrappings: &[Wrapping]) -> bool {
        let (found, known) =
            (self.providers.unwrap(version, wrappings).await, self.ring.root(version));
        let same = |found: &claviger_seal::RootKey| {
            known.is_some_and(|known| known.is_proven(b"same", &found.prove(b"same")))
        };
        found.as_ref().is_ok_and(same)
    }

    /// Takes the wrapping by this KEK away: it opens the root key no more.
    ///
    /// # Errors
    /// If it is not there, or wraps the root key alone.
    pub async fn drop_kek(&self, kek: &str) -> Result<(), KeyError> {
        let keys = self.root_keys().await?;
        let without = |wrappings: &[Wrapping]| -> Vec<_> {
            wrappings.iter().filter(|it| it.kek != kek).cloned().collect()
        };
        let missing = || Refusal::NotFound { what: "KEK".to_owned(), name: kek.to_owned() };
        let wrappings = without(&keys.wrappings);
        if wrappings.len() == keys.wrappings.len() {
            return Err(missing().into());
        }
        // What is left must be good here, or this node's next start is sealed.
        if !self.opens(keys.version, &wrappings).await {
            let by = "this node: no other KEK of the root key is here; rotate the KEK first";
            let (what, name, by) = ("KEK".to_owned(), kek.to_owned(), by.to_owned());
            return Err(Refusal::InUse { what, name, by }.into());
        }
        let retiring = keys.retiring.map(|it| without(&it.wrappings)).unwrap_or_default();
        self.propose(WrapRootKey { expect: keys.revision, wrappings, retiring }).await
    }

    /// Replaces the root key; gives the version of the new one.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn rotate_root(&self) -> Result<u32, KeyError> {
        let keys = self.root_keys().await?;
        self.open().await?;
        let version = keys.version.saturating_add(1);
        // By each KEK that wraps the old one: some node may have no other.
        let keks: Vec<_> = keys.wrappings.into_iter().map(|it| it.kek).collect();
        if let Some(kek) = keks.iter().find(|kek| !self.providers.has(kek)) {
            let by = format!(
                "nodes that have the KEK {kek}, which is not here: ask a node that has \
                every KEK of the root key, or drop it first"
            );
            let (what, name) = ("root key".to_owned(), format!("of version {}", keys.version));
            return Err(Refusal::InUse { what, name, by }.into());
        }
        let command = self.root_key(version, &self.ring.cluster()?, &keks).await?;
        self.propose(command).await?;
        self.open().await?;
        Ok(version)
    }

    /// Begins the next generation of the keys that edges are handed; gives its number.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn rotate_edges(&self) -> Result<u32, KeyError> {
        self.ledger.confirm().await?;
        let mut expect = 0;
        self.ledger.read(&mut |rows| expect = View::new(rows).edge_keys().generation);
        self.propose(RotateEdgeKeys { expect }).await?;
        Ok(expect.saturating_add(1))
    }

    /// Replaces the key of a tenant; gives the version of the new one.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn rotate_tenant(&self, name: &str) -> Result<u32, KeyError> {
        self.root_keys().await?;
        self.open().await?;
        let mut found: Option<Tenant> = None;
        self.ledger.read(&mut |rows| found = View::new(rows).tenant(name));
        let missing = || Refusal::NotFound { what: "tenant".to_owned(), name: name.to_owned() };
        let version = found.ok_or_else(missing)?.key_version().saturating_add(1);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(self.crypto.random());
        let wrapped = self.ring.wrap(name, version, &bytes, self.crypto.random());
        let ((root, wrapped), tenant) = (wrapped?, name.to_owned());
        self.propose(ReplaceTenantKey { tenant, version, root, wrapped }).await?;
        Ok(version)
    }
}
