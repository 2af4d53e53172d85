//! What edges are handed of the cluster's secrets: keys that are made here, of secrets that stay.

use claviger_dtls::{CheckKey, CookieKeys};
use claviger_front::{self as front, CookieKey, Keys};
use claviger_seal::Keyring;
use core::time::Duration;
use std::sync::Arc;

/// The secrets behind the keys of edges: every node has the same.
pub(crate) struct EdgeKeys(Arc<Keyring>);

impl EdgeKeys {
    /// They are derived from the cluster secret on this ring.
    pub(crate) const fn new(ring: Arc<Keyring>) -> Self {
        Self(ring)
    }

    /// What an edge is to have at `now`: nothing of a node that is sealed, so it stays silent.
    pub(crate) fn at(&self, now: Duration) -> Keys {
        let secret = |purpose| self.0.derive(purpose);
        let (Ok(cookie), Ok(check)) = (secret("dtls cookie"), secret("dtls connection id")) else {
            return Keys { first: 0, cookies: Vec::new(), checks: Vec::new() };
        };
        let CookieKeys { first, keys } = &CookieKeys::at(&cookie, now);
        let check = front::CheckKey { configuration: CheckKey::FIRST, key: *check };
        let cookies = keys.iter().map(|key| CookieKey(*key)).collect();
        Keys { first: *first, cookies, checks: vec![check] }
    }
}
