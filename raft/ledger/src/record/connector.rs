//! How an LwM2M server learns of credentials.

use minicbor::{Decode, Encode};

/// How a connector reaches its LwM2M server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ConnectorKind {
    /// Claviger posts a signed webhook.
    #[default]
    #[n(0)]
    Webhook,
    /// The LwM2M server asks for a key when it needs it: there is nothing to tell it.
    #[n(1)]
    Pull,
    /// Claviger writes to the security store of a Leshan server.
    #[n(2)]
    Leshan,
}

impl ConnectorKind {
    /// The kind's name, as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Pull => "pull",
            Self::Leshan => "leshan",
        }
    }

    /// True if its server holds one credential an endpoint: a newer one takes the older away the
    /// moment it is put there.
    pub const fn holds_one(self) -> bool {
        matches!(self, Self::Leshan)
    }

    /// True for what every connector was before there were kinds; its bytes are left out.
    pub(crate) fn is_webhook(&self) -> bool {
        *self == Self::Webhook
    }
}

/// A way to an LwM2M server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Connector {
    /// Where the server is told: an `http` or `https` URL; empty where it asks.
    #[n(0)]
    pub url: String,
    /// The signing secret, sealed with the tenant's key; for Leshan what Claviger authorizes itself
    /// by, or nothing, sealed too.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed_secret: Vec<u8>,
    /// Raised by each change, from the index of the entry that made it.
    #[n(2)]
    pub version: u64,
    /// How it reaches its server.
    #[cbor(n(3), skip_if = "ConnectorKind::is_webhook")]
    pub kind: ConnectorKind,
}
