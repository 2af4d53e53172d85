//! What an LwM2M server must still be told.

use super::State;
use minicbor::{Decode, Encode};

/// What the LwM2M server has not yet confirmed: told at least once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OutboxItem {
    /// The connector to tell it by.
    #[n(0)]
    pub connector: String,
    /// Ms since the Unix epoch.
    #[n(1)]
    pub created_at: u64,
    /// That it must forget the credential; none where it must learn of it.
    #[n(2)]
    pub withdrawal: Option<Withdrawal>,
}

/// That an LwM2M server must forget a credential; it outlives the credential and its device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Withdrawal {
    /// The device's endpoint client name.
    #[n(0)]
    pub endpoint: String,
    /// The credential's PSK identity.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// The parties that it was for, as URIs.
    #[n(2)]
    pub parties: Vec<String>,
    /// How its life ended: superseded, revoked or expired.
    #[n(3)]
    pub state: State,
    /// Why, in words.
    #[n(4)]
    pub reason: String,
}
