//! What a node that joins brings along: where it belongs, and that somebody let it in.
//!
//! `clv1.` and base64url of CBOR. It is a secret until it is used up or its time is over; the
//! ledger keeps its hash alone.

use crate::Role;
use data_encoding::BASE64URL_NOPAD;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize, Zeroizing};

const PREFIX: &str = "clv1.";

/// A join token.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    /// The cluster's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub cluster: [u8; 16],
    /// SHA-256 of the public key of the cluster's authority: who cannot show a certificate of that
    /// one is not the cluster.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub authority: [u8; 32],
    /// By which the cluster finds it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub id: [u8; 16],
    #[cbor(n(3), with = "minicbor::bytes")]
    secret: [u8; 16],
    #[n(4)]
    role: RoleNumber,
    /// The one node that it lets in, if it is for one that comes back under its id.
    #[n(5)]
    pub returns: Option<u64>,
}

/// A role as a number that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
enum RoleNumber {
    #[n(0)]
    Ledger,
    #[n(1)]
    Edge,
}

/// Text that is no join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a join token: one begins with `clv1.`, and `claviger cluster token` makes it")]
pub struct BadToken;

impl Token {
    /// A token of these parts; `secret` is random.
    pub fn new(
        cluster: [u8; 16],
        authority: [u8; 32],
        id: [u8; 16],
        secret: [u8; 16],
        role: Role,
    ) -> Self {
        let role = match role {
            Role::Ledger => RoleNumber::Ledger,
            Role::Edge => RoleNumber::Edge,
        };
        Self { cluster, authority, id, secret, role, returns: None }
    }

    /// The same for this node alone, which was in before.
    #[must_use]
    pub fn for_return(mut self, node: u64) -> Self {
        self.returns = Some(node);
        self
    }

    /// What a node with it becomes.
    pub fn role(&self) -> Role {
        match self.role {
            RoleNumber::Ledger => Role::Ledger,
            RoleNumber::Edge => Role::Edge,
        }
    }

    /// What the joiner shows to the cluster.
    pub fn expose_secret(&self) -> &[u8; 16] {
        &self.secret
    }

    /// The text that people pass on.
    pub fn expose(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(minicbor::to_vec(self).expect("writing to memory succeeds"));
        Zeroizing::new(format!("{PREFIX}{}", &*Zeroizing::new(BASE64URL_NOPAD.encode(&bytes))))
    }

    /// What the ledger keeps of a secret: it has 128 bits, so that one SHA-256 hides it.
    pub fn hash(secret: &[u8; 16]) -> [u8; 32] {
        Sha256::digest(secret).into()
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(BadToken)?;
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| BadToken)?);
        minicbor::decode(&bytes).map_err(|_| BadToken)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, ..)", self.role())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::new([1; 16], [2; 32], [3; 16], [4; 16], Role::Edge)
    }

    #[test]
    fn a_token_stays_the_text_that_it_was_at_first() {
        let text = "clv1.hVABAQEBAQEBAQEBAQEBAQEBWCACAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAlADAwMDAwMDAwMDAwMDAwMDUAQEBAQEBAQEBAQEBAQEBAQB";
        assert_eq!(*token().expose(), text);
        assert_eq!(format!(" {text}\n").parse(), Ok(token()));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let text = token().expose();
        for other in ["", "clv1.", "clv2.hVABAQ", &text[..text.len() - 4], &text[5..]] {
            assert_eq!(other.parse::<Token>(), Err(BadToken), "{other}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", token()), "Token(edge, ..)");
    }
}
