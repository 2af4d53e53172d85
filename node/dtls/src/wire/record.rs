//! Records (RFC 6347 §4.1) and their form with a connection id (RFC 9146 §4).

use crate::counters::DropReason;
use crate::wire::cursor::Cursor;

/// Content types of the TLS registry that we understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ContentType {
    /// 20.
    ChangeCipherSpec = 20,
    /// 21.
    Alert = 21,
    /// 22.
    Handshake = 22,
    /// 23.
    ApplicationData = 23,
    /// 25: the outer type of a record with a connection id (RFC 9146 §4).
    Tls12Cid = 25,
    /// 27: a check whether the peer is at its address (RFC 9853).
    ReturnRoutabilityCheck = 27,
}

impl ContentType {
    pub(crate) fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            25 => Self::Tls12Cid,
            27 => Self::ReturnRoutabilityCheck,
            _ => return None,
        })
    }
}

/// Bytes of a record header without a connection id.
pub(crate) const HEADER: usize = 13;
/// Most plaintext that a record carries (RFC 5246 §6.2.1).
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;
/// Longest body of a record, protected or not (RFC 5246 §6.2.3).
pub(crate) const MAX_BODY: usize = MAX_PLAINTEXT + 2048;
/// Sequence numbers have 48 bits.
pub(crate) const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// A record as it lies in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawRecord<'a> {
    pub(crate) kind: ContentType,
    pub(crate) version: u16,
    pub(crate) epoch: u16,
    /// At most [`MAX_SEQUENCE`].
    pub(crate) sequence: u64,
    /// Empty unless `kind` is [`ContentType::Tls12Cid`].
    pub(crate) cid: &'a [u8],
    pub(crate) body: &'a [u8],
    /// The whole record, header included.
    pub(crate) raw: &'a [u8],
}

/// Splits a datagram into records. After the first bad one it ends: nothing behind it can be
/// located.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    cid_length: usize,
}

impl<'a> Records<'a> {
    /// `cid_length` is the length of the connection ids that the receiver gave out, since a
    /// record does not tell.
    pub(crate) fn new(datagram: &'a [u8], cid_length: usize) -> Self {
        Self { rest: datagram, cid_length }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RawRecord<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = decode(self.rest, self.cid_length);
        self.rest = match &record {
            Ok(record) => &self.rest[record.raw.len()..],
            Err(_) => &[],
        };
        Some(record)
    }
}

/// Reads the record at the front of `bytes`.
pub(crate) fn decode(bytes: &[u8], cid_length: usize) -> Result<RawRecord<'_>, DropReason> {
    let kind = bytes.first().copied().ok_or(DropReason::Malformed)?;
    let kind = ContentType::from_u8(kind).ok_or(DropReason::UnknownType)?;
    let cid_length = if kind == ContentType::Tls12Cid { cid_length } else { 0 };
    let fields = |cursor: &mut Cursor<'_>| -> Option<(u16, u16, u64)> {
        Some((cursor.u16()?, cursor.u16()?, cursor.u48()?))
    };
    let mut cursor = Cursor::new(&bytes[1..]);
    let (version, epoch, sequence) = fields(&mut cursor).ok_or(DropReason::Malformed)?;
    if version >> 8 != 0xFE {
        return Err(DropReason::Version);
    }
    let cid = cursor.take(cid_length).ok_or(DropReason::Malformed)?;
    let body = cursor.vec16().ok_or(DropReason::Malformed)?;
    if body.len() > MAX_BODY {
        return Err(DropReason::TooLong);
    }
    Ok(RawRecord {
        kind,
        version,
        epoch,
        sequence,
        cid,
        body,
        raw: &bytes[..HEADER + cid_length + body.len()],
    })
}

/// Appends a record header. `length` is that of the body and fits 16 bits.
pub(crate) fn put_header(
    out: &mut Vec<u8>,
    kind: ContentType,
    version: u16,
    (epoch, sequence): (u16, u64),
    cid: &[u8],
    length: usize,
) {
    let mut head = [kind as u8; 11];
    head[1..3].copy_from_slice(&version.to_be_bytes());
    head[3..].copy_from_slice(&number(epoch, sequence));
    out.extend_from_slice(&head);
    out.extend_from_slice(cid);
    out.extend_from_slice(&(length as u16).to_be_bytes());
}

/// Epoch and sequence as the eight bytes that headers, nonces and AADs share.
pub(crate) fn number(epoch: u16, sequence: u64) -> [u8; 8] {
    (u64::from(epoch) << 48 | sequence & MAX_SEQUENCE).to_be_bytes()
}

/// Appends a plaintext record of epoch 0.
pub(crate) fn put_plain(
    out: &mut Vec<u8>,
    kind: ContentType,
    version: u16,
    sequence: u64,
    body: &[u8],
) {
    put_header(out, kind, version, (0, sequence), &[], body.len());
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_record_is_thirteen_bytes_and_its_body() {
        let mut bytes = Vec::new();

        put_plain(&mut bytes, ContentType::Alert, 0xFEFD, 0x0102_0304_0506, &[2, 40]);

        let expected = [21, 0xFE, 0xFD, 0, 0, 1, 2, 3, 4, 5, 6, 0, 2, 2, 40];
        assert_eq!(bytes, expected);
        let record = decode(&bytes, 8).expect("it was just written");
        assert_eq!((record.epoch, record.sequence), (0, 0x0102_0304_0506));
        assert_eq!((record.cid, record.body), (&[][..], &[2, 40][..]));
    }

    #[test]
    fn a_connection_id_stands_between_sequence_and_length() {
        let bytes = [25, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 9, 0xA, 0xB, 0xC, 0, 1, 0x77];

        let record = decode(&bytes, 3).expect("well-formed");

        assert_eq!((record.epoch, record.sequence), (1, 9));
        assert_eq!((record.cid, record.body), (&[0xA, 0xB, 0xC][..], &[0x77][..]));
    }

    #[test]
    fn refuses_a_body_past_the_datagram() {
        let bytes = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1];

        assert_eq!(decode(&bytes, 0), Err(DropReason::Malformed));
    }

    #[test]
    fn refuses_unknown_types_and_stream_versions() {
        let mut bytes = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[0] = 24;
        assert_eq!(decode(&bytes, 0), Err(DropReason::UnknownType));
        bytes[0] = 22;
        bytes[1] = 3;
        assert_eq!(decode(&bytes, 0), Err(DropReason::Version));
    }

    #[test]
    fn a_datagram_ends_at_its_first_bad_record() {
        let mut bytes = Vec::new();
        put_plain(&mut bytes, ContentType::Handshake, 0xFEFD, 0, &[1]);
        bytes.extend([99, 0, 0]);
        put_plain(&mut bytes, ContentType::Handshake, 0xFEFD, 1, &[1]);

        let read: Vec<_> = Records::new(&bytes, 8).map(|r| r.map(|r| r.sequence)).collect();

        assert_eq!(read, [Ok(0), Err(DropReason::UnknownType)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn records_round_trip(
            epoch: u16,
            sequence in 0..=MAX_SEQUENCE,
            cid in proptest::collection::vec(any::<u8>(), 1..20),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = Vec::new();
            let place = (epoch, sequence);
            put_header(&mut bytes, ContentType::Tls12Cid, 0xFEFD, place, &cid, body.len());
            bytes.extend_from_slice(&body);

            let record = decode(&bytes, cid.len()).expect("it was just written");

            prop_assert_eq!((record.epoch, record.sequence), place);
            prop_assert_eq!((record.cid, record.body, record.raw), (&cid[..], &body[..], &bytes[..]));
        }
    }
}
