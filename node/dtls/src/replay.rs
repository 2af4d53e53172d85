//! The sliding window against replays (RFC 6347 §4.1.2.6): 64 records wide.

/// Which of the last sequence numbers were read. Marked only after a record has verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// One above the highest sequence read; 0 before the first.
    next: u64,
    /// Bit n: sequence `next - 1 - n` was read.
    seen: u64,
}

impl Window {
    /// A window that has seen everything up to `highest`: for an owner that takes over.
    pub fn above(highest: u64) -> Self {
        Self { next: highest.saturating_add(1), seen: u64::MAX }
    }

    /// What is stored of a window: one above the highest sequence, and which below it were read.
    pub(crate) fn parts(&self) -> (u64, u64) {
        (self.next, self.seen)
    }

    /// The window of these parts.
    pub(crate) fn from_parts(next: u64, seen: u64) -> Self {
        Self { next, seen }
    }

    /// The highest sequence read; 0 before the first.
    pub fn highest(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Marks a sequence as read. `None` if it was read before or lies below the window, else
    /// whether it is the highest so far.
    pub fn accept(&mut self, sequence: u64) -> Option<bool> {
        let next = sequence + 1;
        if next > self.next {
            self.seen = self.seen.checked_shl(shift(next - self.next)).unwrap_or(0) | 1;
            self.next = next;
            return Some(true);
        }
        let bit = 1_u64.checked_shl(shift(self.next - next))?;
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        Some(false)
    }
}

fn shift(distance: u64) -> u32 {
    distance.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_was_read_and_what_lies_below() {
        let mut window = Window::default();

        assert_eq!(window.accept(100), Some(true));
        assert_eq!(window.accept(100), None);
        assert_eq!(window.accept(37), Some(false));
        assert_eq!(window.accept(37), None);
        assert_eq!(window.accept(36), None);
    }

    #[test]
    fn follows_a_jump_to_the_last_sequence() {
        let mut window = Window::default();

        assert_eq!(window.accept(0), Some(true));
        assert_eq!(window.accept((1 << 48) - 1), Some(true));
        assert_eq!(window.accept(0), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn agrees_with_a_set(sequences in proptest::collection::vec(0_u64..200, 1..100)) {
            let (mut window, mut read) = (Window::default(), BTreeSet::new());
            for sequence in sequences {
                let highest = read.last().copied();
                let low = highest.is_some_and(|highest| sequence + 64 <= highest);
                let expected = (!low && !read.contains(&sequence))
                    .then(|| highest.is_none_or(|highest| sequence > highest));

                prop_assert_eq!(window.accept(sequence), expected);

                if expected.is_some() {
                    read.insert(sequence);
                }
            }
        }
    }
}
