//! How a request is recognized when it comes again.

use claviger_machine::{Method, Request};
use core::fmt;
use sha2::{Digest, Sha256};

/// A token: 0 to 8 bytes that tie a response to its request (RFC 7252 §5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    // The length comes last, so that equal bytes of different length stay apart.
    bytes: [u8; 8],
    len: u8,
}

impl Token {
    /// The token of these bytes; `None` if they are more than 8.
    pub fn new(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        let len = u8::try_from(token.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl From<[u8; 8]> for Token {
    fn from(bytes: [u8; 8]) -> Self {
        Self { bytes, len: 8 }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What makes a request the same as an earlier one, also for a node that never saw that one:
/// together with the session this is the key under which the ledger remembers its answer.
///
/// Of a request in blocks, message id and token are those of the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestIdentity {
    /// The message id.
    pub message_id: u16,
    /// The token.
    pub token: Token,
    /// True for CON: its message id holds for EXCHANGE_LIFETIME, else for NON_LIFETIME.
    pub confirmable: bool,
    /// SHA-256 over method, path, query, Content-Format, Accept and the whole body, each
    /// preceded by its length.
    pub sha256: [u8; 32],
}

/// The hash of the whole request.
pub(crate) fn digest(request: &Request) -> [u8; 32] {
    let mut hash = target(request);
    hash.update(optional(request.content_format));
    field(&mut hash, &request.payload);
    hash.finalize().into()
}

/// What the blocks of one body have in common: the request without its body, and `tags`.
pub(crate) fn transfer_key(request: &Request, tags: &[Vec<u8>]) -> [u8; 16] {
    let mut hash = target(request);
    for tag in tags {
        field(&mut hash, tag);
    }
    let whole: [u8; 32] = hash.finalize().into();
    *whole.first_chunk().expect("16 is less than 32")
}

fn target(request: &Request) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update([method_byte(request.method)]);
    for list in [&request.path, &request.query] {
        hash.update(length(list.len()));
        for item in list {
            field(&mut hash, item.as_bytes());
        }
    }
    hash.update(optional(request.accept));
    hash
}

fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(length(bytes.len()));
    hash.update(bytes);
}

fn length(len: usize) -> [u8; 8] {
    (len as u64).to_be_bytes()
}

fn optional(value: Option<u16>) -> [u8; 3] {
    let [high, low] = value.unwrap_or(0).to_be_bytes();
    [u8::from(value.is_some()), high, low]
}

/// The code of a method, 0.01 to 0.07.
pub(crate) const fn method_byte(method: Method) -> u8 {
    match method {
        Method::Get => 1,
        Method::Post => 2,
        Method::Put => 3,
        Method::Delete => 4,
        Method::Fetch => 5,
        Method::Patch => 6,
        Method::IPatch => 7,
    }
}

/// The method of a code.
pub(crate) const fn method_of(code: u8) -> Option<Method> {
    Some(match code {
        1 => Method::Get,
        2 => Method::Post,
        3 => Method::Put,
        4 => Method::Delete,
        5 => Method::Fetch,
        6 => Method::Patch,
        7 => Method::IPatch,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_border_between_fields_changes_the_hash() {
        let mut one = Request::new(Method::Put, &["ab", "c"]);
        let other = Request::new(Method::Put, &["a", "bc"]);

        assert_ne!(digest(&one), digest(&other));

        let before = digest(&one);
        one.content_format = Some(0);
        assert_ne!(digest(&one), before);
    }

    #[test]
    fn a_token_of_nine_bytes_is_none() {
        assert_eq!(Token::new(&[0; 9]), None);
        assert_ne!(Token::new(&[0; 1]), Token::new(&[]));
        assert_eq!(format!("{:?}", Token::from([1; 8])), "0101010101010101");
    }
}
