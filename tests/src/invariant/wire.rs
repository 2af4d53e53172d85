//! The same as [`super::numbers`] says, seen from outside: of all records that a device was sent in
//! one session no two have one number.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// From this number on the session's owner numbers. Below it are the Finished of handshakes, each of
/// which has keys of its own: a device that comes to two edges at once makes two.
const OWNED: u64 = 1 << 24;
/// What stands before a record's length: type, version, epoch and number (RFC 6347 §4.1).
const HEADER: usize = 11;

/// Records as they were sent, by the device's session and their number.
#[derive(Debug, Default)]
pub(crate) struct Wire(BTreeMap<(u64, u64), [u8; 32]>);

impl Wire {
    /// An edge sends a datagram to the device whose session this is.
    pub(crate) fn sent(&mut self, session: u64, datagram: &[u8]) -> Option<String> {
        let mut rest = datagram;
        while let Some((header, body)) = rest.split_at_checked(HEADER + 2) {
            let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
            let (body, more) = body.split_at_checked(length)?;
            let epoch = u16::from_be_bytes([header[3], header[4]]);
            let number = header[5..11].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
            rest = more;
            if epoch == 0 || number < OWNED {
                continue;
            }
            let digest = Sha256::digest(body).into();
            if self.0.insert((session, number), digest).is_some() {
                return Some(format!("the device of session {session} was sent {number} twice"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, body: &[u8]) -> Vec<u8> {
        let number = number.to_be_bytes();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[23, 0xFE, 0xFD, 0, 1], &number[2..], &length, body].concat()
    }

    #[test]
    fn a_number_that_is_sent_twice_in_a_session_is_seen() {
        let mut wire = Wire::default();
        let both = [record(OWNED, b"one"), record(OWNED + 1, b"two")].concat();

        assert_eq!(wire.sent(1, &both), None);
        assert_eq!(wire.sent(2, &both), None);
        assert_eq!(wire.sent(1, &record(7, b"a")), None);
        assert_eq!(wire.sent(1, &record(7, b"b")), None);
        assert!(wire.sent(1, &record(OWNED + 1, b"three")).is_some());
    }
}
