//! What a device is before it is switched on.

use claviger_lwm2m::Format;
use core::fmt;
use core::time::Duration;
use zeroize::Zeroizing;

/// The version of LwM2M that a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.0: cannot ask for a format; the old header in answers to Discover.
    V1_0,
    /// 1.1
    V1_1,
}

/// A device as it leaves the factory.
#[derive(Clone)]
pub struct DeviceConfig {
    /// The endpoint client name.
    pub endpoint: String,
    /// The PSK identity of its bootstrap account.
    pub identity: Vec<u8>,
    /// The key of its bootstrap account.
    pub psk: Zeroizing<Vec<u8>>,
    /// True if it offers to use the server's connection id (RFC 9146).
    pub cid: bool,
    /// The version that it speaks.
    pub version: Version,
    /// The format that it asks to be written in; a 1.0 device cannot ask, and gets TLV.
    pub format: Format,
    /// True if it comes with an account at some LwM2M server, which a bootstrap should delete.
    pub factory_account: bool,
    /// First wait before a flight of the handshake is sent again.
    pub retransmit: Duration,
    /// True if it asks to be bootstrapped as soon as its session is open; else it waits until it is
    /// told to ([`crate::Device::ask_again`]).
    pub asks: bool,
    /// A path, as `/0/1`, that it refuses to have written.
    pub refuse: Option<String>,
}

impl DeviceConfig {
    /// A 1.1 device whose endpoint name and PSK identity are `name`, and that asks for TLV.
    pub fn new(name: &str, psk: Zeroizing<Vec<u8>>) -> Self {
        Self {
            endpoint: name.to_owned(),
            identity: name.as_bytes().to_vec(),
            psk,
            cid: true,
            version: Version::V1_1,
            format: Format::Tlv,
            factory_account: true,
            retransmit: Duration::from_secs(1),
            asks: true,
            refuse: None,
        }
    }
}

impl fmt::Debug for DeviceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceConfig")
            .field("endpoint", &self.endpoint)
            .field("cid", &self.cid)
            .field("version", &self.version)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
