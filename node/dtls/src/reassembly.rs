//! Handshake messages from fragments (RFC 6347 §4.2.3): the next one, and up to three behind it.
//!
//! What comes early is kept, so that datagrams of one flight may overtake each other, but never
//! more than 16 KiB: a peer cannot make us hold more than that.

use std::collections::VecDeque;

use crate::counters::DropReason;
use crate::wire::handshake::{self, Fragment};

/// Messages that are collected at once: those of the longest flight, less one.
const WINDOW: usize = 4;
/// Bytes of bodies that are held at once.
const MAX_HELD: usize = 2 * handshake::MAX_MESSAGE;

/// Collects the next messages.
#[derive(Debug)]
pub(crate) struct Reassembly {
    next: u16,
    /// The message with the next number, and those behind it.
    partials: VecDeque<Option<Partial>>,
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
        Self { next, partials: VecDeque::new() }
    }

    /// The number of the message to come.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Takes a fragment.
    pub(crate) fn accept(&mut self, fragment: &Fragment<'_>) -> Result<(), DropReason> {
        let distance = fragment.sequence.checked_sub(self.next).ok_or(DropReason::OldMessage)?;
        let distance = usize::from(distance);
        if distance >= WINDOW {
            return Err(DropReason::FutureMessage);
        }
        if fragment.body.is_empty() && fragment.total > 0 {
            return Err(DropReason::Malformed);
        }
        if self.partials.len() <= distance {
            self.partials.resize_with(distance + 1, || None);
        }
        if fragment.is_whole() {
            // A forged fragment must not keep the message itself out.
            self.partials[distance] = None;
        }
        if self.partials[distance].is_none() && self.held() + fragment.total > MAX_HELD {
            return Err(DropReason::FutureMessage);
        }
        let partial = self.partials[distance].get_or_insert_with(|| Partial::new(fragment));
        if (partial.kind, partial.total()) != (fragment.kind, fragment.total) {
            return Err(DropReason::InconsistentFragment);
        }
        partial.fill(fragment);
        Ok(())
    }

    /// The next message, with an unfragmented header, once it is complete. One that is not
    /// expected is dropped: as if it had not come.
    pub(crate) fn pop(&mut self, expected: impl FnOnce(u8) -> bool) -> Option<Vec<u8>> {
        let front = self.partials.front_mut()?;
        if front.as_ref()?.missing > 0 {
            return None;
        }
        let message = front.take()?;
        if !expected(message.kind) {
            return None;
        }
        self.partials.pop_front();
        self.next = self.next.saturating_add(1);
        Some(message.bytes)
    }

    fn held(&self) -> usize {
        self.partials.iter().flatten().map(Partial::total).sum()
    }
}

impl Partial {
    fn new(fragment: &Fragment<'_>) -> Self {
        let mut bytes = Vec::with_capacity(handshake::HEADER + fragment.total);
        bytes.extend(handshake::header(fragment.kind, fragment.sequence, fragment.total));
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
        if fragment.is_whole() {
            // Nothing of it is there: it has replaced what was.
            self.bytes[handshake::HEADER..].copy_from_slice(fragment.body);
            self.present.fill(u64::MAX);
            self.missing = 0;
            return;
        }
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

    fn all(_: u8) -> bool {
        true
    }

    #[test]
    fn a_part_of_a_message_that_is_whole_changes_nothing() {
        let mut reassembly = Reassembly::new(2);
        assert_eq!(reassembly.accept(&fragment(3, 0, &[1, 2, 3, 4, 5, 6])), Ok(()));

        assert_eq!(reassembly.accept(&fragment(3, 1, &[9, 9])), Ok(()));

        assert_eq!(reassembly.accept(&fragment(2, 0, &[0; 6])), Ok(()));
        assert!(reassembly.pop(all).is_some());
        let message = reassembly.pop(all).expect("it is whole");
        assert_eq!(message[handshake::HEADER..], [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn refuses_a_total_that_contradicts_the_first_fragment() {
        let mut reassembly = Reassembly::new(2);
        assert_eq!(reassembly.accept(&fragment(2, 0, &[1, 2])), Ok(()));

        let longer = Fragment { total: 7, ..fragment(2, 2, &[3]) };
        let other_kind = Fragment { kind: 20, ..fragment(2, 2, &[3]) };

        assert_eq!(reassembly.accept(&longer), Err(DropReason::InconsistentFragment));
        assert_eq!(reassembly.accept(&other_kind), Err(DropReason::InconsistentFragment));
    }

    #[test]
    fn takes_the_next_four_messages_and_gives_them_in_their_order() {
        let mut reassembly = Reassembly::new(2);
        let whole = |sequence| fragment(sequence, 0, &[1, 2, 3, 4, 5, 6]);

        assert_eq!(reassembly.accept(&whole(1)), Err(DropReason::OldMessage));
        assert_eq!(reassembly.accept(&whole(6)), Err(DropReason::FutureMessage));
        assert_eq!(reassembly.accept(&whole(u16::MAX)), Err(DropReason::FutureMessage));
        for sequence in [5, 3, 4] {
            assert_eq!(reassembly.accept(&whole(sequence)), Ok(()));
            assert_eq!(reassembly.pop(all), None);
        }
        assert_eq!(reassembly.accept(&whole(2)), Ok(()));

        let order: Vec<_> = core::iter::from_fn(|| reassembly.pop(all)).map(|it| it[5]).collect();

        assert_eq!((order, reassembly.next()), (vec![2, 3, 4, 5], 6));
    }

    #[test]
    fn a_message_that_is_not_expected_leaves_its_place_to_another() {
        let mut reassembly = Reassembly::new(2);
        let whole = fragment(2, 0, &[1, 2, 3, 4, 5, 6]);
        reassembly.accept(&whole).expect("it is the next");

        assert_eq!(reassembly.pop(|kind| kind == 20), None);

        let finished = Fragment { kind: 20, ..whole };
        reassembly.accept(&finished).expect("its place is free");
        assert!(reassembly.pop(|kind| kind == 20).is_some());
    }

    #[test]
    fn holds_at_most_sixteen_kibibytes() {
        let mut reassembly = Reassembly::new(2);
        let big = |sequence| Fragment { total: 8192, ..fragment(sequence, 0, &[1]) };

        let taken: Vec<_> = (2..6).map(|sequence| reassembly.accept(&big(sequence))).collect();

        let future = Err(DropReason::FutureMessage);
        assert_eq!(taken, [Ok(()), Ok(()), future, future]);
    }

    #[test]
    fn refuses_an_empty_fragment_of_a_message_that_is_not() {
        assert_eq!(Reassembly::new(2).accept(&fragment(2, 3, &[])), Err(DropReason::Malformed));
    }

    #[test]
    fn a_whole_message_displaces_fragments() {
        let mut reassembly = Reassembly::new(2);
        assert_eq!(reassembly.accept(&fragment(2, 0, &[9, 9])), Ok(()));

        reassembly.accept(&fragment(2, 0, &[1, 2, 3, 4, 5, 6])).expect("consistent");

        let message = reassembly.pop(all).expect("complete");
        assert_eq!(message[handshake::HEADER..], [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn completes_an_empty_message() {
        let empty = Fragment { kind: 14, total: 0, sequence: 2, offset: 0, body: &[] };
        let mut reassembly = Reassembly::new(2);

        reassembly.accept(&empty).expect("it is the next");

        assert_eq!(reassembly.pop(all), Some(vec![14, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]));
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
                reassembly.accept(&piece).expect("consistent");
                reassembly.pop(|_| true)
            });

            prop_assert_eq!(message, Some(whole));
        }
    }
}
