//! A stream of choices from a seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.next_u32() as usize % end.max(1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A number that is often at the edge of something.
    pub(super) fn byte(&mut self) -> u8 {
        let edges = [0, 1, 2, 20, 21, 22, 23, 25, 0x7F, 0x80, 0xFE, 0xFF];
        if self.chance(50) { edges[self.below(edges.len())] } else { self.0.next_u32() as u8 }
    }

    /// A word that is proper but for some letters: others, more, fewer, or in another order.
    pub(super) fn word<T: Copy>(
        &mut self,
        proper: &[T],
        letter: impl Fn(&mut Self) -> T,
    ) -> Vec<T> {
        let mut word = proper.to_vec();
        for _ in 0..1 + self.below(5) {
            let (at, to) = (self.below(word.len()), self.below(word.len()));
            match self.below(5) {
                0 if !word.is_empty() => word[at] = letter(self),
                1 if !word.is_empty() => {
                    word.remove(at);
                }
                2 if !word.is_empty() => word.swap(at, to),
                3 if !word.is_empty() => word.insert(to, word[at]),
                _ => word.insert(at, letter(self)),
            }
        }
        word
    }
}
