//! One key of a list, turned: encrypted, or decrypted.

use crate::crypto::SystemCrypto;
use claviger_api::{KeyFormat, KeyInput};
use claviger_factory::{Binding, PrivateKey, PublicKey, Sealed};
use claviger_machine::Draw;
use std::sync::Arc;

/// What is done with each key.
pub(super) enum Turn {
    /// It is encrypted to this one.
    Encrypt(PublicKey),
    /// It is decrypted by this one.
    Decrypt(PrivateKey),
}

impl Turn {
    /// The columns of CSV that a key is read from, and written to.
    pub(super) const fn columns(&self) -> [&'static str; 2] {
        match self {
            Self::Encrypt(_) => ["psk", "psk_hpke"],
            Self::Decrypt(_) => ["psk_hpke", "psk"],
        }
    }

    /// How a key is written in the column that it is read from.
    pub(super) const fn format(&self) -> KeyFormat {
        match self {
            Self::Encrypt(_) => KeyFormat::Hex,
            Self::Decrypt(_) => KeyFormat::Hpke,
        }
    }

    /// The key turned, or what is wrong with it, without a word of it.
    pub(super) fn key(&self, binding: Binding<'_>, key: &KeyInput) -> Result<KeyInput, String> {
        match self {
            Self::Encrypt(to) => {
                let secret = key.bytes().map_err(|error| error.to_string())?;
                if !(16..=64).contains(&secret.len()) {
                    return Err("the key must have 16 to 64 bytes".to_owned());
                }
                let sealed = to.seal(binding, &secret, &mut Draw(Arc::new(SystemCrypto)));
                let sealed = sealed.map_err(|error| error.to_string())?;
                Ok(KeyInput::hpke(sealed.to_string()))
            }
            Self::Decrypt(by) => {
                if key.format != KeyFormat::Hpke {
                    return Err("the key is not encrypted".to_owned());
                }
                let sealed: Sealed = key
                    .value
                    .expose()
                    .parse()
                    .map_err(|error: claviger_factory::NoValue| error.to_string())?;
                if sealed.key != by.public().id() {
                    return Err(format!("the key is encrypted to another one, {}", sealed.key));
                }
                let secret = by.open(binding, &sealed).map_err(|error| error.to_string())?;
                Ok(KeyInput::hex(&secret))
            }
        }
    }
}
