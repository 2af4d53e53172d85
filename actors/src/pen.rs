//! The pen of one session: whether its records may be numbered, and what waits until they may.

use crate::numbering::{Next, Numbering};
use claviger_front::Content;

/// How much may wait for a generation.
const WAITING: usize = 16;

/// Whether records may be numbered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Pen {
    /// A generation of ours is committed.
    Ready(Numbering),
    /// The next generation is being committed; what is to be sent waits.
    Raising(Vec<Content>),
    /// The session has ended.
    Down,
}

/// What became of something to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    /// Send it under this sequence.
    Send(u64, Content),
    /// It waits; commit a new generation.
    Raise,
    /// It waits for the generation that is being committed.
    Waits,
    /// The session's numbers are used up: close it, after a close_notify under this one.
    Finished(u64),
    /// Too much waits, or the session has ended.
    Dropped,
}

impl Pen {
    /// That of a session whose numbers are lost: a new generation must be committed first.
    pub(crate) const fn raising() -> Self {
        Self::Raising(Vec::new())
    }

    /// Numbers one record, or keeps it until that may be done.
    pub(crate) fn number(&mut self, content: Content) -> Numbered {
        match self {
            Self::Ready(numbering) => match numbering.take() {
                Next::Sequence(sequence) => Numbered::Send(sequence, content),
                Next::Exhausted => {
                    *self = Self::Raising(vec![content]);
                    Numbered::Raise
                }
                Next::Finished(sequence) => {
                    *self = Self::Down;
                    Numbered::Finished(sequence)
                }
            },
            Self::Raising(waiting) if waiting.len() < WAITING => {
                waiting.push(content);
                Numbered::Waits
            }
            Self::Raising(_) | Self::Down => Numbered::Dropped,
        }
    }

    /// A new generation is committed: gives what waited for it. One that nobody waits for is
    /// spent: the numbers in use are not exchanged for older ones.
    pub(crate) fn raised(&mut self, generation: u32) -> Vec<Content> {
        let Self::Raising(waiting) = self else { return Vec::new() };
        let waiting = core::mem::take(waiting);
        *self = Self::Ready(Numbering::begin(generation));
        waiting
    }

    /// No new generation could be committed: what waited for it is dropped, and what is to be sent
    /// next asks for one again.
    pub(crate) fn not_raised(&mut self) {
        if matches!(self, Self::Raising(_)) {
            *self = Self::Ready(Numbering::USED_UP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_whose_numbers_are_used_up_takes_leave_once() {
        let mut pen = Pen::Ready(Numbering::begin(1 << 10));

        assert_eq!(pen.number(Content::CloseNotify), Numbered::Finished(1 << 34));
        assert_eq!(pen.number(Content::CloseNotify), Numbered::Dropped);
    }
}
