//! What a peer and the engine try together: one row of the table each.

use claviger_dtls::Suite;

/// What both sides prove themselves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// A pre-shared key.
    Psk,
    /// Raw public keys.
    Rpk,
    /// Certificates of one CA.
    X509,
}

/// What a session is resumed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Id,
    Ticket,
}

/// What happens beyond a handshake, and data both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Nothing.
    Handshake,
    /// The client comes back and is spared the key exchange.
    Resumption(By),
    /// Connection ids are negotiated.
    ConnectionId,
    /// The server's only: the client wants none in what it is sent.
    OneConnectionId,
    /// The same, and the client goes on from another port.
    NewAddress,
    /// Our edge dies, and another goes on from what was stored.
    Takeover,
    /// The same with connection ids.
    TakeoverWithId,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) keys: Keys,
    /// The only suite that we take or offer.
    pub(crate) suite: u16,
    pub(crate) feature: Feature,
}

/// Which side the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It connects to us.
    Client,
    /// We connect to it.
    Server,
}

impl Mode {
    /// A handshake alone.
    pub(crate) const fn new(name: &'static str, keys: Keys, suite: u16) -> Self {
        Self { name, keys, suite, feature: Feature::Handshake }
    }

    /// A handshake and more.
    pub(crate) const fn with(name: &'static str, keys: Keys, suite: u16, feature: Feature) -> Self {
        Self { name, keys, suite, feature }
    }

    /// IANA's name of the suite.
    pub(crate) fn suite_name(&self) -> &'static str {
        Suite::by_id(self.suite).expect("it is ours").name
    }

    /// Whether connection ids are part of it.
    pub(crate) fn has_ids(&self) -> bool {
        self.id_of_the_client().is_some()
    }

    /// How long an id the client wants to be sent, if it has the extension.
    pub(crate) fn id_of_the_client(&self) -> Option<u8> {
        match self.feature {
            Feature::OneConnectionId => Some(0),
            Feature::ConnectionId | Feature::NewAddress | Feature::TakeoverWithId => Some(6),
            Feature::Handshake | Feature::Resumption(_) | Feature::Takeover => None,
        }
    }

    /// What is resumed by, if anything is.
    pub(crate) fn resumption(&self) -> Option<By> {
        match self.feature {
            Feature::Resumption(by) => Some(by),
            _ => None,
        }
    }

    /// Whether it means anything with the peer in this role: only our server is taken over.
    pub(crate) fn exists_for(&self, role: Role) -> bool {
        let takeover = matches!(self.feature, Feature::Takeover | Feature::TakeoverWithId);
        role == Role::Client || !takeover
    }
}

/// Every row.
pub(crate) static MODES: [Mode; 19] = [
    Mode::new("PSK, CCM_8", Keys::Psk, 0xC0A8),
    Mode::new("PSK, CCM", Keys::Psk, 0xC0A4),
    Mode::new("PSK, GCM", Keys::Psk, 0x00A8),
    Mode::new("PSK, CBC", Keys::Psk, 0x00AE),
    Mode::new("ECDHE_PSK, CBC", Keys::Psk, 0xC037),
    Mode::new("RPK, CCM_8", Keys::Rpk, 0xC0AE),
    Mode::new("X.509, CCM_8", Keys::X509, 0xC0AE),
    Mode::new("X.509, CCM", Keys::X509, 0xC0AC),
    Mode::new("X.509, GCM", Keys::X509, 0xC02B),
    Mode::new("X.509, CBC", Keys::X509, 0xC023),
    Mode::with("resumption by session id", Keys::Psk, 0xC0A8, Feature::Resumption(By::Id)),
    Mode::with("resumption by ticket", Keys::Psk, 0xC0A8, Feature::Resumption(By::Ticket)),
    Mode::with("connection id, PSK", Keys::Psk, 0xC0A8, Feature::ConnectionId),
    Mode::with("connection id, RPK", Keys::Rpk, 0xC0AE, Feature::ConnectionId),
    Mode::with("connection id, X.509", Keys::X509, 0xC02B, Feature::ConnectionId),
    Mode::with("connection id of the server alone", Keys::Psk, 0xC0A8, Feature::OneConnectionId),
    Mode::with("new address with connection id", Keys::Psk, 0xC0A8, Feature::NewAddress),
    Mode::with("takeover", Keys::Psk, 0xC0A8, Feature::Takeover),
    Mode::with("takeover with connection id", Keys::Psk, 0xC0A8, Feature::TakeoverWithId),
];
