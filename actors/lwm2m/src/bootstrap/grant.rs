//! What the ledger has staged for the device, and its payloads.

use super::layout::Layout;
use crate::Format;
use crate::objects::{ObjectError, SecurityMode, SecurityObject, ServerObject};
use core::fmt;
use zeroize::Zeroizing;

/// A staged credential and the account it is for: what is to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The credential's id in the ledger.
    pub credential: [u8; 16],
    /// `coaps://host:port` of the LwM2M server.
    pub server_uri: String,
    /// 1 to 65534.
    pub short_server_id: u16,
    /// Lifetime of the registration, in seconds.
    pub lifetime: u32,
    /// Transports, as in resource /1/x/7.
    pub binding: String,
    /// The PSK identity, UTF-8, 1 to 128 bytes.
    pub identity: Vec<u8>,
    /// The pre-shared key, 1 to 64 bytes.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("server_uri", &self.server_uri)
            .field("short_server_id", &self.short_server_id)
            .finish_non_exhaustive()
    }
}

/// A grant whose objects were checked, and the format that they will be written in.
pub(super) struct Staged {
    credential: [u8; 16],
    format: Format,
    security: SecurityObject,
    server: ServerObject,
}

impl Staged {
    pub(super) fn new(grant: Grant, format: Format) -> Result<Self, ObjectError> {
        let security = SecurityObject {
            uri: grant.server_uri,
            bootstrap: false,
            mode: SecurityMode::Psk,
            identity: grant.identity,
            server_public_key: Vec::new(),
            secret_key: grant.key,
            short_server_id: Some(grant.short_server_id),
        };
        let server = ServerObject {
            short_server_id: grant.short_server_id,
            lifetime: grant.lifetime,
            notification_storing: true,
            binding: grant.binding,
        };
        security.check()?;
        server.check()?;
        Ok(Self { credential: grant.credential, format, security, server })
    }
}

/// What is to be written and where: both payloads are ready before anything on the device is
/// touched, so that nothing can fail between the writes.
pub(super) struct Writes {
    pub(super) credential: [u8; 16],
    pub(super) format: Format,
    pub(super) layout: Layout,
    pub(super) security: Zeroizing<Vec<u8>>,
    pub(super) server: Vec<u8>,
}

impl Writes {
    pub(super) fn new(staged: Staged, layout: Layout) -> Result<Self, ObjectError> {
        let Staged { credential, format, security, server } = staged;
        Ok(Self {
            credential,
            format,
            layout,
            security: security.encode(format, layout.security)?,
            server: core::mem::take(&mut *server.encode(format, layout.server)?),
        })
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("format", &self.format).finish_non_exhaustive()
    }
}

impl fmt::Debug for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writes").field("format", &self.format).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Staged {
    /// Every byte of a secret that it holds.
    pub(super) fn secret(&self) -> Vec<u8> {
        self.security.secret_key.to_vec()
    }
}
