//! How a node that was started again tells its peers that it knows nothing of their connections
//! (RFC 9000 §10.3): they notice at once instead of after a silence.

use crate::Credential;
use aws_lc_rs::{hmac, rand};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use std::sync::Arc;
use std::time::Duration;

/// How many bytes our connection ids have.
const LENGTH: usize = 8;

/// An endpoint that gives, under the key of this credential, the same tokens after a restart.
pub(crate) fn endpoint(credential: &Credential) -> EndpointConfig {
    let derived = hmac::Key::new(hmac::HMAC_SHA256, credential.expose_key());
    let derived = hmac::sign(&derived, b"claviger link reset");
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
    let mut config = EndpointConfig::new(Arc::new(key));
    config.cid_generator(|| Box::new(Random));
    config
}

/// Connection ids that say nothing, so that those of an earlier start are answered too.
struct Random;

impl ConnectionIdGenerator for Random {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; LENGTH];
        rand::fill(&mut bytes).expect("the operating system gives randomness");
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
