//! The devices of a load test: names and keys that each side makes for itself from a number.

use crate::keys;
use claviger_device::{DeviceConfig, Version};
use core::fmt;
use core::time::Duration;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// First wait before a flight of the handshake is sent again; CoAP waits as long (RFC 7252 §4.8).
const RETRANSMIT: Duration = Duration::from_secs(2);

/// A device's endpoint name, which is its PSK identity too.
pub fn endpoint(number: u32) -> String {
    format!("load-{number:08}")
}

/// A device's key: the first 16 bytes of the SHA-256 of its endpoint name. No secret: whoever
/// reads this can compute it.
pub fn key(endpoint: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Sha256::digest(endpoint.as_bytes())[..16].to_vec())
}

/// What the devices of one run have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// True if they offer to use the server's connection id (RFC 9146).
    pub cid: bool,
    /// The version of LwM2M that they speak.
    pub version: Lwm2m,
    /// By what they prove themselves.
    pub credential: Credential,
}

/// By what devices prove themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Credential {
    /// Pre-shared keys.
    #[default]
    Psk,
    /// Raw public keys.
    Rpk,
    /// Certificates of one authority.
    X509,
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Psk => "psk",
            Self::Rpk => "rpk",
            Self::X509 => "x509",
        })
    }
}

/// The version of LwM2M that devices speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lwm2m {
    /// They name no preferred format.
    #[value(name = "1.0")]
    V1_0,
    /// They prefer TLV.
    #[value(name = "1.1")]
    V1_1,
}

impl fmt::Display for Lwm2m {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        })
    }
}

impl Kind {
    /// The device of this name as it leaves the factory, with no account but the bootstrap one.
    pub fn device(self, endpoint: &str) -> DeviceConfig {
        let config = match self.credential {
            Credential::Psk => DeviceConfig::new(endpoint, key(endpoint)),
            Credential::Rpk => DeviceConfig::keyed(endpoint, keys::raw(endpoint)),
            Credential::X509 => DeviceConfig::keyed(endpoint, keys::certified(endpoint)),
        };
        DeviceConfig {
            cid: self.cid,
            version: match self.version {
                Lwm2m::V1_0 => Version::V1_0,
                Lwm2m::V1_1 => Version::V1_1,
            },
            factory_account: false,
            retransmit: RETRANSMIT,
            ..config
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_those_that_the_peer_in_java_makes() {
        let name = endpoint(42);
        assert_eq!(name, "load-00000042");
        let hex: String = key(&name).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "975903ff6dd5479f97c1c9485f130990");
    }
}
