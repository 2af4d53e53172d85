//! What a listener takes: credentials and cipher suites.

use claviger_dtls::{SUITES, Suite};
use serde::{Deserialize, Serialize};

/// What a device can prove itself by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A pre-shared key.
    Psk,
    /// A raw public key.
    PublicKey,
    /// A certificate.
    Certificate,
}

impl CredentialKind {
    const ALL: [(&str, Self); 3] =
        [("psk", Self::Psk), ("public_key", Self::PublicKey), ("certificate", Self::Certificate)];
}

/// The kinds that a listener takes; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Credentials(Vec<CredentialKind>);

impl Credentials {
    /// The first kind, by its name, that none of these suites is for.
    pub fn without_suite(&self, suites: &Suites) -> Option<&'static str> {
        let served = |kind| {
            let psk = kind == CredentialKind::Psk;
            suites.0.iter().any(|id| Suite::by_id(*id).is_some_and(|it| it.uses_psk() == psk))
        };
        let taken = CredentialKind::ALL.into_iter().filter(|(_, kind)| self.take(*kind));
        taken.into_iter().find(|(_, kind)| !served(*kind)).map(|(name, _)| name)
    }

    /// Whether this kind is taken.
    pub fn take(&self, kind: CredentialKind) -> bool {
        self.0.contains(&kind)
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self(CredentialKind::ALL.map(|(_, kind)| kind).to_vec())
    }
}

impl TryFrom<Vec<String>> for Credentials {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let names_of_all = CredentialKind::ALL.map(|(name, _)| name).join(", ");
        let kind = |name: &String| {
            let found = CredentialKind::ALL.iter().find(|(known, _)| known == name);
            found.map(|(_, kind)| *kind).ok_or(format!("expected some of {names_of_all}"))
        };
        let kinds = names.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
        if kinds.is_empty() {
            let words = "without a kind of credential nobody can come: expected some of";
            return Err(format!("{words} {names_of_all}"));
        }
        let all = CredentialKind::ALL.into_iter().map(|(_, kind)| kind);
        Ok(Self(all.filter(|kind| kinds.contains(kind)).collect()))
    }
}

impl From<Credentials> for Vec<String> {
    fn from(kinds: Credentials) -> Self {
        let all = CredentialKind::ALL.into_iter();
        all.filter(|(_, kind)| kinds.take(*kind)).map(|(name, _)| name.to_owned()).collect()
    }
}

/// Cipher suites, each one of the engine's; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Suites(Vec<u16>);

impl Suites {
    /// Their IANA numbers.
    pub fn numbers(&self) -> &[u16] {
        &self.0
    }

    /// Those that can be named: all by which a device proves itself.
    fn all() -> impl Iterator<Item = &'static Suite> {
        SUITES.iter().filter(|suite| suite.proves())
    }
}

impl Default for Suites {
    fn default() -> Self {
        Self(Suite::defaults())
    }
}

impl TryFrom<Vec<String>> for Suites {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let known = || Self::all().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
        let number = |name: &String| {
            let found = Self::all().find(|suite| suite.name == name);
            found.map(|suite| suite.id).ok_or_else(|| format!("expected some of {}", known()))
        };
        let numbers = names.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        if numbers.is_empty() {
            return Err(format!("without a suite nobody can come: expected some of {}", known()));
        }
        Ok(Self(Self::all().map(|suite| suite.id).filter(|id| numbers.contains(id)).collect()))
    }
}

impl From<Suites> for Vec<String> {
    fn from(suites: Suites) -> Self {
        let named = SUITES.iter().filter(|suite| suites.0.contains(&suite.id));
        named.map(|suite| suite.name.to_owned()).collect()
    }
}
