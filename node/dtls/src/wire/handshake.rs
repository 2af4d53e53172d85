//! Handshake fragments and message headers (RFC 6347 §4.2.2).

use crate::counters::DropReason;
use crate::wire::cursor::{Cursor, u24};

/// Bytes of a handshake header.
pub(crate) const HEADER: usize = 12;
/// Longest message that we reassemble, header excluded.
pub(crate) const MAX_MESSAGE: usize = 8192;

/// Handshake types that we send or await (RFC 5246 §7.4, RFC 6347 §4.3.2).
pub(crate) mod kind {
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(crate) const SERVER_HELLO: u8 = 2;
    pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(crate) const NEW_SESSION_TICKET: u8 = 4;
    pub(crate) const CERTIFICATE: u8 = 11;
    pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(crate) const CERTIFICATE_REQUEST: u8 = 13;
    pub(crate) const SERVER_HELLO_DONE: u8 = 14;
    pub(crate) const CERTIFICATE_VERIFY: u8 = 15;
    pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(crate) const FINISHED: u8 = 20;
}

/// A fragment as it lies in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    pub(crate) kind: u8,
    /// Length of the whole message.
    pub(crate) total: usize,
    pub(crate) sequence: u16,
    pub(crate) offset: usize,
    pub(crate) body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the fragment at the cursor; it lies wholly within its message and the record.
    pub(crate) fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DropReason> {
        let fields = |cursor: &mut Cursor<'a>| -> Option<Self> {
            let (kind, total, sequence) = (cursor.u8()?, cursor.u24()?, cursor.u16()?);
            let (offset, length) = (cursor.u24()?, cursor.u24()?);
            let body = cursor.take(length)?;
            Some(Self { kind, total, sequence, offset, body })
        };
        let fragment = fields(cursor).ok_or(DropReason::Malformed)?;
        if fragment.total > MAX_MESSAGE {
            return Err(DropReason::TooLong);
        }
        if fragment.offset + fragment.body.len() > fragment.total {
            return Err(DropReason::InconsistentFragment);
        }
        Ok(fragment)
    }

    /// Whether it is a whole message.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.len() == self.total
    }
}

/// A message's header as if it were not fragmented.
pub(crate) fn header(kind: u8, sequence: u16, length: usize) -> [u8; HEADER] {
    let message = Fragment { kind, total: length, sequence, offset: 0, body: &[] };
    fragment_header(&message, 0, length)
}

/// The header of a fragment of `message`.
pub(crate) fn fragment_header(
    message: &Fragment<'_>,
    offset: usize,
    length: usize,
) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = message.kind;
    header[1..4].copy_from_slice(&u24(message.total));
    header[4..6].copy_from_slice(&message.sequence.to_be_bytes());
    header[6..9].copy_from_slice(&u24(offset));
    header[9..].copy_from_slice(&u24(length));
    header
}

/// Appends a whole message.
pub(crate) fn put_message(out: &mut Vec<u8>, kind: u8, sequence: u16, body: &[u8]) {
    out.extend_from_slice(&header(kind, sequence, body.len()));
    out.extend_from_slice(body);
}

/// Iterates over the fragments of a record's body; ends after the first bad one.
pub(crate) struct Fragments<'a>(Option<Cursor<'a>>);

impl<'a> Fragments<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self(Some(Cursor::new(body)))
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Result<Fragment<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.0.as_mut().filter(|cursor| !cursor.is_empty())?;
        let fragment = Fragment::decode(cursor);
        if fragment.is_err() {
            self.0 = None;
        }
        Some(fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_twelve_bytes_and_its_body() {
        let mut bytes = Vec::new();

        put_message(&mut bytes, kind::FINISHED, 3, &[7; 12]);

        assert_eq!(bytes[..12], [20, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 12]);
        let read: Vec<_> = Fragments::new(&bytes).collect();
        let expected = Fragment { kind: 20, total: 12, sequence: 3, offset: 0, body: &[7; 12] };
        assert_eq!(read, [Ok(expected)]);
    }

    #[test]
    fn refuses_a_fragment_past_its_total() {
        let bytes = [16, 0, 0, 4, 0, 2, 0, 0, 3, 0, 0, 2, 1, 2];

        let read: Vec<_> = Fragments::new(&bytes).collect();

        assert_eq!(read, [Err(DropReason::InconsistentFragment)]);
    }

    #[test]
    fn refuses_a_message_above_eight_kibibytes() {
        let bytes = [16, 0, 0x20, 1, 0, 2, 0, 0, 0, 0, 0, 1, 9];

        let read: Vec<_> = Fragments::new(&bytes).collect();

        assert_eq!(read, [Err(DropReason::TooLong)]);
    }
}
