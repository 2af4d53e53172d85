//! Handshake messages from fragments (RFC 6347 §4.2.3): the next message only, at most 8 KiB.
//!
//! A message that comes early is dropped: its sender repeats the flight. So a peer never makes
//! us hold more than one message.

use crate::counters::DropReason;
use crate::wire::handshake::{self, Fragment};

/// Collects the message with the next number.
#[derive(Debug)]
pub(crate) struct Reassembly {
    next: u16,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    /// Header and body as if not fragmented.
    bytes: Vec<u8>,
    /// Bit n: body byte n is there.
    present: Vec<u64>,
    missing: usize,
}

impl Reassembly {
    /// `next` is the number of the message to come.
    pub(crate) fn new(next: u16) -> Self {
        Self { next, partial: None }
    }

    /// The number of the message to come.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Takes a fragment; gives the whole message, with an unfragmented header, once it is
    /// complete.
    pub(crate) fn accept(
        &mut self,
        fragment: &Fragment<'_>,
    ) -> Result<Option<Vec<u8>>, DropReason> {
        if fragment.sequence < self.next {
            return Err(DropReason::OldMessage);
        }
        if fragment.sequence > self.next {
            return Err(DropReason::FutureMessage);
        }
        if fragment.body.is_empty() && fragment.total > 0 {
            return Err(DropReason::Malformed);
        }
        if fragment.is_whole() {
            // A forged fragment must not keep the message itself out.
            self.partial = None;
        }
        let partial = self.partial.get_or_insert_with(|| Partial::new(fragment));
        if (partial.kind, partial.total()) != (fragment.kind, fragment.total) {
            return Err(DropReason::InconsistentFragment);
        }
        partial.fill(fragment);
        if partial.missing > 0 {
            return Ok(None);
        }
        self.next = self.next.saturating_add(1);
        Ok(self.partial.take().map(|partial| partial.bytes))
    }
}

impl Partial {
    fn new(fragment: &Fragment<'_>) -> Self {
        let mut bytes = Vec::with_capacity(handshake::HEADER + fragment.total);
        handshake::put_header(&mut bytes, fragment.kind, fragment.sequence, fragment.total);
        bytes.resize(handshake::HEADER + fragment.total, 0);
        Self {
            kind: fragment.kind,
            bytes,
            present: vec![0; fragment.total.div_ceil(64)],
            missing: fragment.total,
        }
    }

    fn total(&self) -> usize {
        self.bytes.len() - handshake::HEADER
    }

    /// Bytes that are already there stay as they are.
    fn fill(&mut self, fragment: &Fragment<'_>) {
        for (position, byte) in (fragment.offset..).zip(fragment.body) {
            let (word, bit) = (&mut self.present[position / 64], 1 << (position % 64));
            if *word & bit == 0 {
                *word |= bit;
                self.missing -= 1;
                self.bytes[handshake::HEADER + position] = *byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::handshake::put_message;

    fn fragment(sequence: u16, offset: usize, body: &[u8]) -> Fragment<'_> {
        Fragment { kind: 16, total: 6, sequence, offset, body }
    }

    #[test]
    fn refuses_a_total_that_contradicts_the_first_fragment() {
        let mut reassembly = Reassembly::new(2);
        assert_eq!(reassembly.accept(&fragment(2, 0, &[1, 2])), Ok(None));

        let longer = Fragment { total: 7, ..fragment(2, 2, &[3]) };
        let other_kind = Fragment { kind: 20, ..fragment(2, 2, &[3]) };

        assert_eq!(reassembly.accept(&longer), Err(DropReason::InconsistentFragment));
        assert_eq!(reassembly.accept(&other_kind), Err(DropReason::InconsistentFragment));
    }

    #[test]
    fn takes_the_next_message_only() {
        let mut reassembly = Reassembly::new(2);

        assert_eq!(reassembly.accept(&fragment(1, 0, &[1])), Err(DropReason::OldMessage));
        assert_eq!(reassembly.accept(&fragment(3, 0, &[1])), Err(DropReason::FutureMessage));
        assert_eq!(reassembly.accept(&fragment(u16::MAX, 0, &[1])), Err(DropReason::FutureMessage));
    }

    #[test]
    fn refuses_an_empty_fragment_of_a_message_that_is_not() {
        assert_eq!(Reassembly::new(2).accept(&fragment(2, 3, &[])), Err(DropReason::Malformed));
    }

    #[test]
    fn a_whole_message_displaces_fragments() {
        let mut reassembly = Reassembly::new(2);
        assert_eq!(reassembly.accept(&fragment(2, 0, &[9, 9])), Ok(None));

        let message = reassembly.accept(&fragment(2, 0, &[1, 2, 3, 4, 5, 6]));

        let message = message.expect("consistent").expect("complete");
        assert_eq!(message[handshake::HEADER..], [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn completes_an_empty_message() {
        let empty = Fragment { kind: 14, total: 0, sequence: 2, offset: 0, body: &[] };

        let message = Reassembly::new(2).accept(&empty);

        assert_eq!(message, Ok(Some(vec![14, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0])));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_order_of_overlapping_fragments_gives_the_message(
            body in proptest::collection::vec(any::<u8>(), 1..300),
            cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 1_usize..80), 0..60),
        ) {
            let mut reassembly = Reassembly::new(5);
            let mut whole = Vec::new();
            put_message(&mut whole, 16, 5, &body);
            let random = cuts.iter().map(|(at, length)| {
                let start = at.index(body.len());
                (start, (start + length).min(body.len()))
            });
            let rest = (0..body.len()).rev().map(|start| (start, start + 1));

            let message = random.chain(rest).find_map(|(start, end)| {
                let piece = Fragment {
                    kind: 16, total: body.len(), sequence: 5, offset: start, body: &body[start..end],
                };
                reassembly.accept(&piece).expect("consistent")
            });

            prop_assert_eq!(message, Some(whole));
        }
    }
}
