//! Where key-encryption keys (KEKs) live: they wrap the root key, and nothing else.
//!
//! A [`KeyProvider`] wraps and unwraps; its key need not leave it. The ledger has the root key
//! wrapped by one KEK or more, each by name, so a node opens it by any provider that has one of
//! them ([`Providers::unwrap`]); the one that the configuration names wraps it anew
//! ([`Providers::wrap`]). Who asks when, and what is done with the root key, is `crate::keys`'s
//! matter.
//!
//! A provider may be far away and hang: it is asked on a thread of its own, for [`PATIENCE`], and
//! while it hangs nobody waits for it anew.

mod files;
mod pkcs11;
#[cfg(test)]
mod tests;

pub use files::Files;
pub use pkcs11::{Pkcs11Place, Pkcs11Token};

use crate::config::{Config, KekProvider};
use crate::secret_file::SecretFileError;
use claviger_ledger::Wrapping;
use claviger_machine::Crypto;
use claviger_seal::{ClusterSecret, KEY, RootKey};
use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, oneshot};

/// How long a provider may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why a provider does not do it; the words say what to do.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// A file cannot be used.
    #[error("the key file: {0}")]
    File(#[from] SecretFileError),
    /// There is none, and the ledger has one.
    #[error("the key file {path} is missing; restore the one that belongs to this ledger")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not 32 bytes long.
    #[error("the key file {path} is not {KEY} bytes long; restore it from a copy")]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// A folder holds none.
    #[error("the folder {path} holds no key named kek-1, kek-2 and so on; is the secret mounted?")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// No provider has any of these.
    #[error(
        "no key provider of this node has one of the KEKs that the root key is wrapped by ({keks}); \
         give it one of them, or open the node by an escrowed copy: `claviger key unseal`"
    )]
    Unknown {
        /// Their names.
        keks: String,
    },
    /// What a KEK wraps is not what the ledger has.
    #[error("the KEK {kek} does not open the root key of this ledger; restore the one that does")]
    DoesNotOpen {
        /// Its name.
        kek: String,
    },
    /// A token does not do it.
    #[error("the PKCS#11 token: {0}")]
    Token(String),
    /// It does not answer.
    #[error(
        "the key provider has not answered for {} seconds; look whether it is reachable",
        PATIENCE.as_secs()
    )]
    Silent,
}

/// Sees that the KEK which wraps can be had, as far as files tell, and makes none.
///
/// # Errors
/// Why it cannot.
pub fn check(config: &Config) -> Result<(), KekError> {
    let crypto: Arc<dyn Crypto> = Arc::new(crate::crypto::SystemCrypto);
    let file = config.node.kek();
    // A new node makes its file.
    if file.exists() || config.kek.provider == KekProvider::File && has_ledger(config) {
        Files::of_file(file, crypto.clone()).kek()?;
    }
    if let Some(folder) = config.kek.folder(&config.node) {
        Files::of_folder(folder, crypto).kek()?;
    }
    Ok(())
}

fn has_ledger(config: &Config) -> bool {
    config.node.data.join("ledger").exists()
}

/// Something that has KEKs. It may take its time.
pub trait KeyProvider: Send + Sync {
    /// The name of the KEK that wraps: it tells nothing of the key.
    ///
    /// # Errors
    /// If it cannot be had.
    fn kek(&self) -> Result<String, KekError>;

    /// True if it has the KEK of this name, as far as can be told without asking far.
    fn has(&self, kek: &str) -> bool;

    /// Looks which of these KEKs it has, if that takes asking far: [`KeyProvider::has`] tells it from
    /// then on.
    fn look(&self, keks: &[String]) {
        let _ = keks;
    }

    /// Wraps a version of the root key by the KEK of this name.
    ///
    /// # Errors
    /// If it cannot now, or has no such KEK.
    fn wrap(&self, kek: &str, version: u32, root: &RootKey) -> Result<Wrapping, KekError>;

    /// Unwraps a version of the root key.
    ///
    /// # Errors
    /// If it cannot now, or this is not what it has wrapped.
    fn unwrap(&self, version: u32, wrapping: &Wrapping) -> Result<RootKey, KekError>;

    /// Looks again at what it is made of, if that may change; false if it may not.
    ///
    /// # Errors
    /// If that cannot be used; it stays what it was.
    fn reload(&self) -> Result<bool, KekError> {
        Ok(false)
    }

    /// Its KEKs as root key and cluster secret of ledgers of before there were root keys.
    fn before_roots(&self) -> Vec<(RootKey, ClusterSecret)> {
        Vec::new()
    }
}

/// All providers of a node: the first wraps, any may unwrap.
pub struct Providers {
    all: Vec<Asked>,
}

struct Asked {
    provider: Arc<dyn KeyProvider>,
    /// Held by whoever asks: one after the other.
    turn: Mutex<()>,
    /// True while a question is out. Whoever has the turn and finds one meets one that was given up.
    asked: Arc<AtomicBool>,
}

impl Asked {
    /// Asks on a thread of its own.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn KeyProvider) -> Result<T, KekError> + Send + 'static,
    ) -> Result<T, KekError> {
        let turn = tokio::time::timeout(PATIENCE, self.turn.lock()).await;
        let _turn = turn.map_err(|_| KekError::Silent)?;
        if self.asked.swap(true, Ordering::AcqRel) {
            return Err(KekError::Silent);
        }
        let (provider, out) = (self.provider.clone(), self.asked.clone());
        let (tell, told) = oneshot::channel();
        let asking = std::thread::Builder::new().name("kek".to_owned()).spawn(move || {
            let answer = question(provider.as_ref());
            out.store(false, Ordering::Release);
            let _ = tell.send(answer);
        });
        if asking.is_err() {
            self.asked.store(false, Ordering::Release);
            return Err(KekError::Silent);
        }
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(answer)) => answer,
            _ => Err(KekError::Silent),
        }
    }
}

impl Providers {
    /// Those of `config`, the one that wraps first. Makes the key file of a new node, if that is
    /// what wraps.
    ///
    /// # Errors
    /// If what wraps cannot be set up at all; that it does not answer is no such thing.
    pub fn new(config: &Config, may_make: bool, crypto: Arc<dyn Crypto>) -> Result<Self, KekError> {
        let file = config.node.kek();
        if may_make && config.kek.provider == KekProvider::File {
            files::make(&file, crypto.as_ref())?;
        }
        let mut all: Vec<(KekProvider, Arc<dyn KeyProvider>)> = Vec::new();
        let file = Files::of_file(file, crypto.clone());
        all.push((KekProvider::File, Arc::new(file)));
        if let Some(folder) = config.kek.folder(&config.node) {
            all.push((KekProvider::Folder, Arc::new(Files::of_folder(folder, crypto.clone()))));
        }
        if let Some(token) = config.kek.token(&config.node) {
            all.push((KekProvider::Pkcs11, Arc::new(Pkcs11Token::new(token, crypto))));
        }
        // The sort is stable, and there is one of each kind.
        all.sort_by_key(|(kind, _)| *kind != config.kek.provider);
        Ok(Self::of(all.into_iter().map(|(_, provider)| provider)))
    }

    /// These, of which the first wraps.
    pub fn of(all: impl IntoIterator<Item = Arc<dyn KeyProvider>>) -> Self {
        let asked = |provider| Asked { provider, turn: Mutex::new(()), asked: Arc::default() };
        Self { all: all.into_iter().map(asked).collect() }
    }

    fn first(&self) -> Result<&Asked, KekError> {
        self.all.first().ok_or_else(|| KekError::Unknown { keks: "none".to_owned() })
    }

    /// The name of the KEK that wraps, if its provider answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn kek(&self) -> Result<String, KekError> {
        self.first()?.ask(|provider| provider.kek()).await
    }

    /// Has all providers look which of these KEKs they have.
    pub async fn look(&self, keks: Vec<String>) {
        for asked in &self.all {
            let keks = keks.clone();
            let look = move |provider: &dyn KeyProvider| {
                provider.look(&keks);
                Ok(())
            };
            // That one does not answer is told by what wraps.
            let _ = asked.ask(look).await;
        }
    }

    /// True if a provider of this node has the KEK of this name.
    pub fn has(&self, kek: &str) -> bool {
        self.all.iter().any(|asked| asked.provider.has(kek))
    }

    /// Wraps a version of the root key by the KEK that wraps.
    ///
    /// # Errors
    /// If its provider cannot now.
    pub async fn wrap(&self, version: u32, root: &RootKey) -> Result<Wrapping, KekError> {
        let root = root.clone();
        let wrap =
            move |provider: &dyn KeyProvider| provider.wrap(&provider.kek()?, version, &root);
        self.first()?.ask(wrap).await
    }

    /// Wraps a version of the root key by the KEK of this name, whichever provider has it.
    ///
    /// # Errors
    /// If it cannot now, or none has it.
    pub async fn wrap_by(
        &self,
        kek: &str,
        version: u32,
        root: &RootKey,
    ) -> Result<Wrapping, KekError> {
        let asked = self.all.iter().find(|asked| asked.provider.has(kek));
        let asked = asked.ok_or_else(|| KekError::Unknown { keks: kek.to_owned() })?;
        let (kek, root) = (kek.to_owned(), root.clone());
        asked.ask(move |provider| provider.wrap(&kek, version, &root)).await
    }

    /// Unwraps a version of the root key by the first of these wrappings whose KEK is here and
    /// opens it.
    ///
    /// # Errors
    /// Why the last one did not; or that none is here.
    pub async fn unwrap(&self, version: u32, wrappings: &[Wrapping]) -> Result<RootKey, KekError> {
        let names: Vec<_> = wrappings.iter().map(|it| it.kek.as_str()).collect();
        let mut why = KekError::Unknown { keks: names.join(", ") };
        for wrapping in wrappings {
            for asked in self.all.iter().filter(|asked| asked.provider.has(&wrapping.kek)) {
                let wrapping = wrapping.clone();
                match asked.ask(move |provider| provider.unwrap(version, &wrapping)).await {
                    Ok(root) => return Ok(root),
                    Err(error) => why = error,
                }
            }
        }
        Err(why)
    }

    /// Looks again at files and folders; what cannot be used is told to the log. False if there
    /// is nothing that may change.
    pub fn reload(&self) -> bool {
        let reload = |asked: &Asked| match asked.provider.reload() {
            Ok(may_change) => may_change,
            Err(error) => {
                tracing::error!(%error, "a key provider is kept as it was");
                true
            }
        };
        self.all.iter().map(reload).fold(false, |one, other| one | other)
    }

    /// The KEKs at hand as root keys of ledgers of before there were root keys.
    pub fn before_roots(&self) -> Vec<(RootKey, ClusterSecret)> {
        self.all.iter().flat_map(|asked| asked.provider.before_roots()).collect()
    }
}
