//! Alerts (RFC 5246 §7.2).

use core::fmt;

/// Whether an alert ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertLevel {
    /// 1.
    Warning,
    /// 2.
    Fatal,
}

/// What an alert says: any number of the IANA registry, those that we use by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlertDescription(pub u8);

impl AlertDescription {
    /// The sender sends nothing more (RFC 5246 §7.2.1).
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// No acceptable set of parameters.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// A certificate that is not trusted.
    pub const BAD_CERTIFICATE: Self = Self(42);
    /// A field that is out of its range, or contradicts another.
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// No such key is known (RFC 5246 §7.2.2, some other issue).
    pub const CERTIFICATE_UNKNOWN: Self = Self(46);
    /// The credential is genuine, but not admitted.
    pub const ACCESS_DENIED: Self = Self(49);
    /// The version is recognized, but not supported.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// The peer will not renegotiate.
    pub const NO_RENEGOTIATION: Self = Self(100);
    /// No key is known for this identity (RFC 4279 §2).
    pub const UNKNOWN_PSK_IDENTITY: Self = Self(115);
}

impl fmt::Debug for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CLOSE_NOTIFY => f.write_str("close_notify"),
            Self::HANDSHAKE_FAILURE => f.write_str("handshake_failure"),
            Self::BAD_CERTIFICATE => f.write_str("bad_certificate"),
            Self::ILLEGAL_PARAMETER => f.write_str("illegal_parameter"),
            Self::CERTIFICATE_UNKNOWN => f.write_str("certificate_unknown"),
            Self::ACCESS_DENIED => f.write_str("access_denied"),
            Self::PROTOCOL_VERSION => f.write_str("protocol_version"),
            Self::NO_RENEGOTIATION => f.write_str("no_renegotiation"),
            Self::UNKNOWN_PSK_IDENTITY => f.write_str("unknown_psk_identity"),
            Self(other) => write!(f, "alert {other}"),
        }
    }
}

/// An alert: two bytes, level and description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whether it ends the connection.
    pub level: AlertLevel,
    /// What it says.
    pub description: AlertDescription,
}

impl Alert {
    /// The warning that ends a connection in good order.
    pub const CLOSE_NOTIFY: Self =
        Self { level: AlertLevel::Warning, description: AlertDescription::CLOSE_NOTIFY };

    /// A fatal alert.
    pub const fn fatal(description: AlertDescription) -> Self {
        Self { level: AlertLevel::Fatal, description }
    }

    /// Reads an alert; `None` unless it is exactly two bytes with a level of 1 or 2.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (level, description) = match *bytes {
            [1, description] => (AlertLevel::Warning, description),
            [2, description] => (AlertLevel::Fatal, description),
            _ => return None,
        };
        Some(Self { level, description: AlertDescription(description) })
    }

    /// The two bytes.
    pub fn encode(self) -> [u8; 2] {
        let level = match self.level {
            AlertLevel::Warning => 1,
            AlertLevel::Fatal => 2,
        };
        [level, self.description.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_two_bytes_both_ways() {
        let alert = Alert::fatal(AlertDescription::UNKNOWN_PSK_IDENTITY);

        assert_eq!(alert.encode(), [2, 115]);
        assert_eq!(Alert::decode(&[2, 115]), Some(alert));
        assert_eq!(Alert::decode(&[1, 0]), Some(Alert::CLOSE_NOTIFY));
    }

    #[test]
    fn refuses_other_levels_and_lengths() {
        for bytes in [&[0, 0][..], &[3, 0], &[2], &[2, 40, 0], &[]] {
            assert_eq!(Alert::decode(bytes), None);
        }
    }
}
