//! What edges are handed of the cluster's secrets: keys that are made here, of secrets that stay.

use claviger_dtls::{CheckKey, CookieKeys};
use claviger_front::{self as front, CookieKey, Keys};
use claviger_seal::Kek;
use core::time::Duration;
use zeroize::Zeroizing;

/// The secrets behind the keys of edges.
pub(crate) struct EdgeKeys {
    cookie: Zeroizing<[u8; 32]>,
    check: Zeroizing<[u8; 32]>,
}

impl EdgeKeys {
    /// They come from the KEK, so that every node has the same.
    pub(crate) fn new(kek: &Kek) -> Self {
        Self { cookie: kek.derive("dtls cookie"), check: kek.derive("dtls connection id") }
    }

    /// What an edge is to have at `now`.
    pub(crate) fn at(&self, now: Duration) -> Keys {
        let CookieKeys { first, keys } = &CookieKeys::at(&self.cookie, now);
        let check = front::CheckKey { configuration: CheckKey::FIRST, key: *self.check };
        let cookies = keys.iter().map(|key| CookieKey(*key)).collect();
        Keys { first: *first, cookies, checks: vec![check] }
    }
}
