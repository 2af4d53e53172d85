//! Copies of the root key in other hands, and what they are good for.
//!
//! A copy is the root key of one version, encrypted by HPKE to a recipient who keeps the private
//! half away from the cluster. It opens the ledger when every KEK is lost: its holder decrypts it
//! and gives it to a sealed node, encrypted once more to the key of that process alone.

use super::{Keeper, KeyError};
use claviger_factory::{Binding, DoesNotOpen, PrivateKey, PublicKey, Purpose, Sealed};
use claviger_ledger::{Escrow, NoteEscrow, RootKeys, View};
use claviger_machine::Draw;
use claviger_seal::{ClusterSecret, KEY, Keyring, RootKey, Wrapped};
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

/// A copy of the root key, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The cluster's id, in hexadecimal.
    pub cluster: String,
    /// The version of the root key.
    pub version: u32,
    /// The encrypted key.
    pub key: Sealed,
}

/// Why a copy is of no use.
#[derive(Debug, thiserror::Error)]
pub enum EscrowError {
    /// It does not open by this private key.
    #[error(transparent)]
    Closed(#[from] DoesNotOpen),
    /// Not a root key.
    #[error("it holds no root key")]
    Length,
    /// Nothing can be encrypted to the recipient.
    #[error(transparent)]
    Recipient(#[from] claviger_factory::Unsuitable),
    /// The ledger has another root key by now.
    #[error(
        "it is a copy of version {copy}, and the ledger is at version {ledger} of its root key: \
         take a newer copy"
    )]
    Outdated {
        /// The copy's.
        copy: u32,
        /// The ledger's.
        ledger: u32,
    },
    /// Tenants' keys are wrapped by another version yet, which no KEK at hand opens.
    #[error(
        "a part of this ledger is still under version {version} of its root key, which was being \
         replaced: give the node a copy of that version, too"
    )]
    Another {
        /// The version.
        version: u32,
    },
    /// It is no copy of this ledger's root key.
    #[error("it does not open this ledger")]
    Other,
    /// The keys are not as they should.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Copy {
    /// Encrypts a root key to `recipient`.
    ///
    /// # Errors
    /// If nothing can be encrypted to it.
    pub fn make(
        cluster: String,
        version: u32,
        root: &RootKey,
        recipient: &PublicKey,
        draw: &mut Draw,
    ) -> Result<Self, EscrowError> {
        let number = version.to_string();
        let key = recipient.seal(binding(&cluster, &number), root.expose_bytes(), draw)?;
        Ok(Self { cluster, version, key })
    }

    /// The root key in it.
    ///
    /// # Errors
    /// If it does not open by `key`.
    pub fn open(&self, key: &PrivateKey) -> Result<RootKey, EscrowError> {
        let number = self.version.to_string();
        let bytes = key.open(binding(&self.cluster, &number), &self.key)?;
        let bytes: Zeroizing<[u8; KEY]> =
            bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| EscrowError::Length)?;
        Ok(RootKey::new(*bytes))
    }
}

/// What a copy belongs to: a cluster, and a version of its root key.
const fn binding<'a>(cluster: &'a str, version: &'a str) -> Binding<'a> {
    Binding { purpose: Purpose::RootKey, endpoint: cluster, identity: version.as_bytes() }
}

impl Keeper {
    /// The cluster's id in hexadecimal, and the root key's row.
    async fn escrowed(&self) -> Result<(String, RootKeys), KeyError> {
        let mut found = None;
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            found = view.meta().zip(view.root_keys());
        });
        let (meta, keys) = found.ok_or(KeyError::NoRootKey)?;
        Ok((HEXLOWER.encode(&meta.cluster), keys))
    }

    /// A copy of the newest root key for `recipient`; it is noted before it leaves.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn escrow(&self, recipient: &PublicKey) -> Result<Copy, EscrowError> {
        self.ledger.confirm().await.map_err(KeyError::from)?;
        self.open().await?;
        let (cluster, RootKeys { version, .. }) = self.escrowed().await?;
        let root = self.ring.root(version).ok_or(claviger_seal::Sealed).map_err(KeyError::from)?;
        let mut draw = Draw(self.crypto.clone());
        let copy = Copy::make(cluster, version, &root, recipient, &mut draw)?;
        let recipient = recipient.id().to_string();
        self.propose(NoteEscrow { what: Escrow::Made, version, recipient }).await?;
        Ok(copy)
    }

    /// Notes that somebody has a copy of this version, if `proof` shows it for `challenge`.
    ///
    /// # Errors
    /// If it does not, or the version is not the newest.
    pub async fn prove(
        &self,
        version: u32,
        challenge: &[u8],
        proof: &[u8],
    ) -> Result<(), EscrowError> {
        self.ledger.confirm().await.map_err(KeyError::from)?;
        self.open().await?;
        let (_, keys) = self.escrowed().await?;
        if keys.version != version {
            return Err(EscrowError::Outdated { copy: version, ledger: keys.version });
        }
        let root = self.ring.root(version).ok_or(claviger_seal::Sealed).map_err(KeyError::from)?;
        if !root.is_proven(challenge, proof) {
            return Err(EscrowError::Other);
        }
        let recipient = String::new();
        Ok(self.propose(NoteEscrow { what: Escrow::Proven, version, recipient }).await?)
    }

    /// To what a copy is encrypted that is to open this node.
    pub const fn door(&self) -> &PublicKey {
        self.door.public()
    }

    /// Opens this node by a copy that is encrypted to its door. Nothing is written: the KEK that
    /// its provider has wraps the root key when somebody asks for that.
    ///
    /// # Errors
    /// If the copy is not of this ledger's root key, or another one is needed, too.
    pub async fn unseal(&self, copy: &Copy) -> Result<(), EscrowError> {
        let (cluster, keys) = self.escrowed().await?;
        let outdated = EscrowError::Outdated { copy: copy.version, ledger: keys.version };
        let root = copy.open(&self.door)?;
        let belongs = if copy.version == keys.version {
            root.unwrap_cluster(&keys.cluster).is_ok()
        } else {
            // One that is being replaced, and wraps something yet.
            let (name, tenant) = self.wrapped_by(copy.version).ok_or(outdated)?;
            let alone = Keyring::default();
            alone
                .open(BTreeMap::from([(copy.version, root.clone())]), ClusterSecret::new([0; KEY]));
            let wrapped = tenant.keys().filter(|it| it.1 == copy.version);
            let wrapped: Vec<_> =
                wrapped.map(|(version, root, bytes)| Wrapped { version, root, bytes }).collect();
            alone.tenant(&name, &wrapped).is_ok()
        };
        if copy.cluster != cluster || !belongs {
            return Err(EscrowError::Other);
        }
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(copy.version, root);
        if let Err(error) = self.open().await {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            let mut lacks = keys.versions().map(|(version, _)| version);
            let lacks = lacks.find(|version| !given.contains_key(version));
            drop(given);
            return Err(
                lacks.map_or(EscrowError::Key(error), |version| EscrowError::Another { version })
            );
        }
        tracing::warn!(version = copy.version, "this node was opened by an escrowed copy");
        self.unsealed.store(copy.version, Ordering::Relaxed);
        self.note_unsealed().await;
        Ok(())
    }

    /// Notes that this node was opened by a copy, if it was; a ledger that has no leader yet is
    /// told later.
    pub(super) async fn note_unsealed(&self) {
        let version = self.unsealed.load(Ordering::Relaxed);
        if version == 0 {
            return;
        }
        let note = NoteEscrow { what: Escrow::Used, version, recipient: String::new() };
        if self.propose(note).await.is_ok() {
            self.unsealed.store(0, Ordering::Relaxed);
        }
    }
}
