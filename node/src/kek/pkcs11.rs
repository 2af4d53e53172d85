//! A KEK in a PKCS#11 token, such as an HSM: an AES key that wraps by AES-GCM and never leaves it.

use super::{KekError, KeyProvider};
use crate::secret_file;
use claviger_ledger::Wrapping;
use claviger_machine::Crypto;
use claviger_seal::{KEY, RootKey};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// How the names of its keys begin.
const NAME: &str = "pkcs11:";
/// The format of what it wraps: this byte, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
/// The bytes of a nonce, drawn at random: a KEK wraps some root keys in its life.
const NONCE: usize = 12;
/// The bits of the tag.
const TAG: u64 = 128;
/// The longest PIN.
const PIN: usize = 256;

/// Where the key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Place {
    /// The library of the token's maker.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label.
    pub key: String,
    /// The file of the user's PIN.
    pub pin_file: PathBuf,
}

/// A token, and the key in it that wraps.
pub struct Pkcs11Token {
    place: Pkcs11Place,
    crypto: Arc<dyn Crypto>,
    /// Loaded when it is asked for at first: what hangs then hangs whoever asks.
    context: Mutex<Option<Pkcs11>>,
    /// Labels of keys that the token has been found to lack: all others it may have.
    lacks: Mutex<BTreeSet<String>>,
    /// A PIN that the token has refused: it is not tried again, since a token counts that.
    refused: Mutex<Option<Zeroizing<String>>>,
}

impl From<Error> for KekError {
    fn from(error: Error) -> Self {
        Self::Token(error.to_string())
    }
}

/// What is authenticated with the root key.
fn binding(version: u32) -> Vec<u8> {
    [b"claviger root key".as_slice(), &version.to_be_bytes()].concat()
}

/// The label of the key that a KEK is.
fn label_of(kek: &str) -> Result<&str, KekError> {
    kek.strip_prefix(NAME).ok_or_else(|| KekError::Unknown { keks: kek.to_owned() })
}

impl Pkcs11Token {
    /// The token at `place`; it is not looked at yet.
    pub fn new(place: Pkcs11Place, crypto: Arc<dyn Crypto>) -> Self {
        let (lacks, refused) = (Mutex::new(BTreeSet::new()), Mutex::new(None));
        Self { place, crypto, context: Mutex::new(None), lacks, refused }
    }

    fn context(&self) -> Result<Pkcs11, KekError> {
        let mut kept = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = &*kept {
            return Ok(context.clone());
        }
        let context = Pkcs11::new(&self.place.module)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(kept.insert(context).clone())
    }

    /// A session of the user at the token.
    fn session(&self) -> Result<Session, KekError> {
        let context = self.context()?;
        let label = &self.place.token;
        let slots = context.get_slots_with_token()?;
        let is_it = |slot: &cryptoki::slot::Slot| {
            context.get_token_info(*slot).is_ok_and(|token| token.label().trim_end() == label)
        };
        let slot = slots.into_iter().find(is_it).ok_or_else(|| {
            KekError::Token(format!("there is none with the label \"{label}\"; is it plugged in?"))
        })?;
        let session = context.open_ro_session(slot)?;
        let pin = self.pin()?;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.as_ref() == Some(&pin) {
            let words = "it has refused the PIN; it is not tried again before its file has another";
            return Err(KekError::Token(words.to_owned()));
        }
        match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error @ Error::Pkcs11(RvError::PinIncorrect | RvError::PinLocked, _)) => {
                *refused = Some(pin);
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn pin(&self) -> Result<Zeroizing<String>, KekError> {
        let path = &self.place.pin_file;
        let bytes = secret_file::read_shared(path, PIN, secret_file::Readers::Group)?;
        let bytes = bytes.ok_or_else(|| KekError::Missing { path: path.clone() })?;
        let text =
            core::str::from_utf8(&bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
        let text = text.ok_or_else(|| KekError::Token("the PIN is no text".to_owned()))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The key of this label, in the token that the session is with.
    fn key(&self, session: &Session, label: &str) -> Result<ObjectHandle, KekError> {
        let found = Self::find(session, label)?;
        let mut lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        match found.as_slice() {
            [key] => {
                lacks.remove(label);
                Ok(*key)
            }
            [] => {
                lacks.insert(label.to_owned());
                Err(KekError::Token(format!("it holds no AES key with the label \"{label}\"")))
            }
            _ => Err(KekError::Token(format!("it holds several keys with the label \"{label}\""))),
        }
    }

    fn find(session: &Session, label: &str) -> Result<Vec<ObjectHandle>, KekError> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        Ok(session.find_objects(&template)?)
    }
}

impl KeyProvider for Pkcs11Token {
    fn kek(&self) -> Result<String, KekError> {
        self.key(&self.session()?, &self.place.key)?;
        Ok(format!("{NAME}{}", self.place.key))
    }

    /// A key of another label may be in the token too: the one that wrapped before.
    fn has(&self, kek: &str) -> bool {
        let lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        kek.strip_prefix(NAME).is_some_and(|label| !lacks.contains(label))
    }

    fn look(&self, keks: &[String]) {
        let mut labels = keks.iter().filter_map(|kek| kek.strip_prefix(NAME)).peekable();
        // A token that is not asked for is not asked.
        if labels.peek().is_none() {
            return;
        }
        let Ok(session) = self.session() else { return };
        for label in labels {
            // What comes of it is noted.
            let _ = self.key(&session, label);
        }
    }

    fn wrap(&self, kek: &str, version: u32, root: &RootKey) -> Result<Wrapping, KekError> {
        let session = self.session()?;
        let key = self.key(&session, label_of(kek)?)?;
        let mut nonce: [u8; NONCE] = self.crypto.random();
        let mut bytes = [&[VERSION][..], &nonce].concat();
        let aad = binding(version);
        let how = Mechanism::AesGcm(GcmParams::new(&mut nonce, &aad, TAG.into())?);
        bytes.extend(session.encrypt(&how, key, root.expose_bytes())?);
        Ok(Wrapping { kek: kek.to_owned(), bytes })
    }

    fn unwrap(&self, version: u32, wrapping: &Wrapping) -> Result<RootKey, KekError> {
        let label = label_of(&wrapping.kek)?;
        let does_not = || KekError::DoesNotOpen { kek: wrapping.kek.clone() };
        let (head, text) = wrapping.bytes.split_first_chunk().ok_or_else(does_not)?;
        let [VERSION, mut nonce @ ..]: [u8; 1 + NONCE] = *head else { return Err(does_not()) };
        let session = self.session()?;
        let key = self.key(&session, label)?;
        let aad = binding(version);
        let how = Mechanism::AesGcm(GcmParams::new(&mut nonce, &aad, TAG.into())?);
        let opened = session.decrypt(&how, key, text).map(Zeroizing::new);
        let opened = opened.map_err(|error| match error {
            // What a token says of a tag that is wrong differs from maker to maker.
            Error::Pkcs11(
                RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::GeneralError,
                _,
            ) => does_not(),
            error => error.into(),
        })?;
        let bytes: Zeroizing<[u8; KEY]> =
            opened.as_slice().try_into().map(Zeroizing::new).map_err(|_| does_not())?;
        Ok(RootKey::new(*bytes))
    }
}
