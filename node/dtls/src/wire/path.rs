//! Messages that check whether a peer is at its address (RFC 9853).

/// Bytes of the random value that comes back.
const COOKIE: usize = 8;

/// One message: a challenge, and the answers to it, each with the challenge's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMessage {
    /// 0: is the peer there?
    Challenge([u8; COOKIE]),
    /// 1: it is.
    Response([u8; COOKIE]),
    /// 2: it is, but would rather be elsewhere.
    Drop([u8; COOKIE]),
}

impl PathMessage {
    /// Reads a message; `None` for a type that is not known, and for any other length.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, cookie) = bytes.split_first()?;
        let cookie = cookie.try_into().ok()?;
        match kind {
            0 => Some(Self::Challenge(cookie)),
            1 => Some(Self::Response(cookie)),
            2 => Some(Self::Drop(cookie)),
            _ => None,
        }
    }

    /// The nine bytes.
    pub fn encode(self) -> [u8; 1 + COOKIE] {
        let (kind, cookie) = match self {
            Self::Challenge(cookie) => (0, cookie),
            Self::Response(cookie) => (1, cookie),
            Self::Drop(cookie) => (2, cookie),
        };
        let mut bytes = [kind; 1 + COOKIE];
        bytes[1..].copy_from_slice(&cookie);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_type_and_eight_bytes_both_ways() {
        for (kind, message) in [
            (0, PathMessage::Challenge([7; 8])),
            (1, PathMessage::Response([7; 8])),
            (2, PathMessage::Drop([7; 8])),
        ] {
            let bytes = [kind, 7, 7, 7, 7, 7, 7, 7, 7];
            assert_eq!(message.encode(), bytes);
            assert_eq!(PathMessage::decode(&bytes), Some(message));
        }
    }

    #[test]
    fn refuses_other_types_and_lengths() {
        assert_eq!(PathMessage::decode(&[3, 7, 7, 7, 7, 7, 7, 7, 7]), None);
        for length in (0..12).filter(|length| *length != 9) {
            assert_eq!(PathMessage::decode(&vec![0; length]), None);
        }
    }
}
