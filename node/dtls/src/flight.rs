//! Flights of a handshake as datagrams: whole messages while they fit, fragments where they do
//! not (RFC 6347 §4.2.3).

use crate::wire::DTLS_1_2;
use crate::wire::handshake::{self, Fragments};
use crate::wire::record::{self, ContentType};

/// Longest datagram at first: below what IPv6 promises (1,280 bytes) less the headers of IPv6,
/// UDP and a tunnel.
const FIRST: usize = 1200;
/// And after a flight was lost twice (RFC 6347 §4.1.1.1): below what IPv4 promises (576 bytes).
const SMALL: usize = 508;

/// The longest datagram and the longest record of a flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) datagram: usize,
    record: usize,
}

impl Sizes {
    /// Those of a flight that was sent so often before, to a peer that takes so much in a record.
    pub(crate) fn new(repeats: u8, limit: Option<u16>) -> Self {
        let datagram = if repeats < 2 { FIRST } else { SMALL };
        Self { datagram, record: limit.map_or(usize::MAX, usize::from) }
    }
}

/// The datagrams of these messages, each with its header as if it were not fragmented, under
/// record numbers from `next_record` on.
pub(crate) fn write(messages: &[u8], sizes: Sizes, next_record: &mut u64) -> Vec<Vec<u8>> {
    const HEADERS: usize = record::HEADER + handshake::HEADER;
    let most = sizes.record - handshake::HEADER;
    let mut datagrams = Vec::new();
    let mut datagram = Vec::with_capacity(sizes.datagram.min(2 * HEADERS + messages.len()));
    for message in Fragments::new(messages).flatten() {
        let mut offset = 0;
        loop {
            let length = most.min(message.body.len() - offset);
            let room = sizes.datagram.saturating_sub(datagram.len() + HEADERS);
            // Better a new datagram than a fragment in two, unless it fills more than one.
            if length > room && !datagram.is_empty() {
                datagrams.push(core::mem::take(&mut datagram));
                continue;
            }
            let length = length.min(room.max(1));
            let body = &message.body[offset..offset + length];
            put_fragment(&mut datagram, *next_record, &message, offset, body);
            *next_record += 1;
            offset += length;
            if offset == message.body.len() {
                break;
            }
        }
    }
    datagrams.push(datagram);
    datagrams
}

fn put_fragment(
    out: &mut Vec<u8>,
    number: u64,
    message: &handshake::Fragment<'_>,
    offset: usize,
    body: &[u8],
) {
    let (kind, length) = (ContentType::Handshake, handshake::HEADER + body.len());
    record::put_header(out, kind, DTLS_1_2, (0, number), &[], length);
    out.extend_from_slice(&handshake::fragment_header(message, offset, body.len()));
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reassembly::Reassembly;
    use crate::wire::record::Records;

    fn messages(lengths: &[usize]) -> Vec<u8> {
        let mut messages = Vec::new();
        for (sequence, length) in lengths.iter().enumerate() {
            let body: Vec<u8> = (0..*length).map(|i| (i * 7 + sequence) as u8).collect();
            handshake::put_message(&mut messages, 11, sequence as u16, &body);
        }
        messages
    }

    #[test]
    fn what_fits_is_one_datagram_with_a_record_for_each_message() {
        let mut next = 5;

        let datagrams = write(&messages(&[80, 0, 300]), Sizes::new(0, None), &mut next);

        assert_eq!((datagrams.len(), next), (1, 8));
        let numbers = Records::new(&datagrams[0], 0).map(|record| record.map(|it| it.sequence));
        assert_eq!(numbers.collect::<Vec<_>>(), [Ok(5), Ok(6), Ok(7)]);
    }

    #[test]
    fn what_does_not_fit_comes_together_again_from_fragments() {
        for lengths in [&[80, 3000, 0][..], &[1175, 1176, 1], &[2350, 2351], &[0], &[508; 9]] {
            for (repeats, limit) in [(0, None), (2, None), (0, Some(64)), (2, Some(512))] {
                let (whole, mut next) = (messages(lengths), 0);
                let sizes = Sizes::new(repeats, limit);

                let datagrams = write(&whole, sizes, &mut next);

                let (mut reassembly, mut again, mut count) = (Reassembly::new(0), Vec::new(), 0);
                for datagram in &datagrams {
                    assert!(!datagram.is_empty() && datagram.len() <= sizes.datagram);
                    for record in Records::new(datagram, 0) {
                        let record = record.expect("well-formed");
                        assert_eq!(record.sequence, count);
                        assert!(record.body.len() <= sizes.record);
                        count += 1;
                        for fragment in Fragments::new(record.body) {
                            let fragment = fragment.expect("well-formed");
                            reassembly.accept(&fragment).expect("in order");
                            again.extend(reassembly.pop(|_| true));
                        }
                    }
                }
                assert_eq!((again.concat(), count), (whole, next));
            }
        }
    }
}
