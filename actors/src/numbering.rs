//! Write sequences: `generation * 2^24 + n` (never one twice, whoever died in between).

/// What follows from taking a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Seal under this sequence.
    Sequence(u64),
    /// This generation is used up: commit the next one first.
    Exhausted,
    /// The session has used all its generations: take leave under this sequence, the last one,
    /// and close it.
    Finished(u64),
}

/// The numbers that one incarnation of an actor may give to a session's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Numbering {
    generation: u32,
    used: u32,
}

impl Numbering {
    /// Records in a generation.
    pub(crate) const RECORDS: u32 = 1 << 12;
    /// Generations of a session: hence it ends within 2^22 records.
    const GENERATIONS: u32 = 1 << 10;

    /// Nothing may be numbered before a generation is committed.
    pub(crate) const USED_UP: Self = Self { generation: 0, used: Self::RECORDS };

    /// A generation that was committed and of which nothing is used.
    pub(crate) const fn begin(generation: u32) -> Self {
        Self { generation, used: 0 }
    }

    /// Takes the next number.
    pub(crate) const fn take(&mut self) -> Next {
        let sequence = ((self.generation as u64) << 24) + self.used as u64;
        if self.generation < Self::GENERATIONS && self.used >= Self::RECORDS {
            return Next::Exhausted;
        }
        self.used += 1;
        if self.generation < Self::GENERATIONS {
            Next::Sequence(sequence)
        } else {
            Next::Finished(sequence)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_its_generation_only() {
        let mut numbers = Numbering::begin(1);

        assert_eq!(numbers.take(), Next::Sequence(1 << 24));
        assert_eq!(numbers.take(), Next::Sequence((1 << 24) + 1));
        for _ in 2..Numbering::RECORDS {
            assert!(matches!(numbers.take(), Next::Sequence(_)));
        }
        assert_eq!(numbers.take(), Next::Exhausted);
        assert_eq!(numbers.take(), Next::Exhausted);
    }

    #[test]
    fn a_session_ends_with_its_last_generation() {
        let last = u64::from(Numbering::GENERATIONS) << 24;
        assert_eq!(Numbering::begin(Numbering::GENERATIONS).take(), Next::Finished(last));
    }
}
