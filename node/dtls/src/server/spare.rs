//! Buffers used again, so that a record costs no allocation once the first ones are there.

use zeroize::Zeroize;

/// Most buffers kept: what one batch of a driver needs.
const KEPT: usize = 64;
/// Longest buffer kept: a few long records must not hold memory for ever.
const LONGEST: usize = 4096;

/// Empty buffers.
#[derive(Default)]
pub(super) struct Spare(Vec<Vec<u8>>);

impl Spare {
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps a buffer if there is room. What stood in it, perhaps plaintext, is wiped.
    pub(super) fn give(&mut self, mut bytes: Vec<u8>) {
        bytes.as_mut_slice().zeroize();
        bytes.clear();
        if self.0.len() < KEPT && (1..=LONGEST).contains(&bytes.capacity()) {
            self.0.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_wiped() {
        let mut spare = Spare::default();
        let bytes = vec![7; 100];
        let at = bytes.as_ptr();
        spare.give(bytes);

        let mut again = spare.take();

        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        again.resize(100, 0);
        assert_eq!(again, [0; 100]);
    }

    #[test]
    fn keeps_neither_many_nor_long_ones() {
        let mut spare = Spare::default();
        spare.give(vec![7; LONGEST + 1]);
        assert!(spare.0.is_empty());
        for _ in 0..2 * KEPT {
            spare.give(vec![7; 10]);
        }
        assert_eq!(spare.0.len(), KEPT);
    }
}
