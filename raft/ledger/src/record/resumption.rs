//! A session that a device can resume.

use crate::{CredentialId, DeviceRef};
use minicbor::{Decode, Encode};

/// What is kept of a full handshake, so that the device need not make another. It goes with its
/// credential's life, or when the credential has newer ones; its time is in what is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resumption {
    /// Whose session it was.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential that was proven.
    #[n(1)]
    pub credential: CredentialId,
    /// The realm that it was proven in; it is resumed in no other.
    #[n(2)]
    pub realm: String,
    /// The engine's bytes, sealed with the tenant's key.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// The name of a [`Resumption`] and its content, as it is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resumable {
    /// What the device names the session by.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub handle: [u8; 16],
    /// The engine's bytes, sealed with the tenant's key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}
