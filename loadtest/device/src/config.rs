//! What a device is before it is switched on.

use claviger_dtls::{
    CertificateType, ClientConfig, Curves, Presented, PublicIdentity, Resumption, Suite,
};
use claviger_lwm2m::Format;
use claviger_machine::Signer;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The version of LwM2M that a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.0: cannot ask for a format; the old header in answers to Discover.
    V1_0,
    /// 1.1
    V1_1,
}

/// What a device has that proves itself by a key that signs.
#[derive(Clone)]
pub struct Keys {
    /// What it presents. It presents it in the one form that it has, or offers the choice.
    pub identity: PublicIdentity,
    /// Its private key.
    pub signer: Arc<dyn Signer>,
    /// Key agreement, and the verification of signatures.
    pub curves: Arc<dyn Fn() -> Box<dyn Curves> + Send + Sync>,
    /// In which forms it knows the server, the best first.
    pub accepts: Vec<CertificateType>,
    /// Whether this is the server.
    pub trusts: Arc<dyn Fn(&Presented) -> bool + Send + Sync>,
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
    /// By which it proves itself instead of the pre-shared key, if it has them.
    pub keys: Option<Keys>,
    /// A session that it had before, to be resumed.
    pub resumption: Option<Resumption>,
    /// True if it asks for a ticket to resume its session by; a session id is kept unasked.
    pub tickets: bool,
    /// True if it offers to use the server's connection id (RFC 9146).
    pub cid: bool,
    /// Most plaintext that it takes in a record (RFC 8449), if it says so.
    pub record_limit: Option<u16>,
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
            keys: None,
            resumption: None,
            tickets: false,
            cid: true,
            record_limit: None,
            version: Version::V1_1,
            format: Format::Tlv,
            factory_account: true,
            retransmit: Duration::from_secs(1),
            asks: true,
            refuse: None,
        }
    }

    /// The same device, which proves itself by a key that signs.
    pub fn keyed(name: &str, keys: Keys) -> Self {
        Self { keys: Some(keys), ..Self::new(name, Zeroizing::default()) }
    }

    /// What its DTLS client is told.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new(self.identity.clone(), self.psk.clone());
        client.cid = self.cid.then(Vec::new);
        client.retransmit = self.retransmit;
        client.resumption = self.resumption.clone();
        client.tickets = self.tickets;
        client.record_limit = self.record_limit;
        if let Some(keys) = &self.keys {
            let signed = |id: &u16| Suite::by_id(*id).is_some_and(|suite| !suite.uses_psk());
            client.suites = Suite::defaults().into_iter().filter(signed).collect();
            client.public_identity = Some(keys.identity.clone());
            client.accepts = keys.accepts.clone();
        }
        client
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
