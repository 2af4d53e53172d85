//! What was asked before, so that a repetition gets the same answer.

use crate::RequestId;
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

/// The last proposals for a device and their outcomes, in the order of their coming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    /// What was asked, and where its outcome ends among all.
    entries: Vec<(RequestId, usize)>,
    /// All outcomes, one behind the other. Almost every command reads and writes them: room of its own
    /// for each cost more than all else that a command does.
    outcomes: Vec<u8>,
}

impl Recent {
    /// How many are kept of a device: an actor has few proposals on their way at once.
    pub(crate) const OF_DEVICE: usize = 8;
    /// How many are kept of a tenant: operators' programs send many at once.
    pub(crate) const OF_TENANT: usize = 64;

    /// Each request and its outcome.
    fn each(&self) -> impl Iterator<Item = (RequestId, &[u8])> {
        let begins = core::iter::once(0).chain(self.entries.iter().map(|(_, end)| *end));
        self.entries.iter().zip(begins).map(|((id, end), begin)| (*id, &self.outcomes[begin..*end]))
    }

    pub(crate) fn outcome(&self, request: RequestId) -> Option<&[u8]> {
        self.each().find(|(id, _)| *id == request).map(|(_, outcome)| outcome)
    }

    /// Keeps `outcome` as one of the newest `kept`.
    pub(crate) fn remember(&mut self, request: RequestId, outcome: &[u8], kept: usize) {
        let over = (self.entries.len() + 1).saturating_sub(kept);
        let gone = self.entries.drain(..over).next_back().map_or(0, |(_, end)| end);
        self.outcomes.drain(..gone);
        self.entries.iter_mut().for_each(|(_, end)| *end -= gone);
        self.push(request, outcome);
    }

    fn push(&mut self, request: RequestId, outcome: &[u8]) {
        self.outcomes.extend_from_slice(outcome);
        self.entries.push((request, self.outcomes.len()));
    }
}

/// A structure of one field: an array of pairs.
impl<C> Encode<C> for Recent {
    fn encode<W: Write>(
        &self,
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        to.array(1)?.array(self.entries.len() as u64)?;
        for (request, outcome) in self.each() {
            request.encode(to.array(2)?, context)?;
            to.bytes(outcome)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Recent {
    fn decode(from: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let of = |count: Option<u64>| count.ok_or_else(|| decode::Error::message("no length"));
        let fields = of(from.array()?)?;
        if fields == 0 {
            return Err(decode::Error::message("no requests"));
        }
        let mut recent = Self::default();
        for _ in 0..of(from.array()?)? {
            if of(from.array()?)? != 2 {
                return Err(decode::Error::message("not a request and its outcome"));
            }
            let request = RequestId::decode(from, context)?;
            recent.push(request, from.bytes()?);
        }
        // What a later version adds.
        (1..fields).try_for_each(|_| from.skip())?;
        Ok(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minicbor::bytes::ByteVec;

    fn id(number: u8) -> RequestId {
        RequestId([number; 16])
    }

    #[test]
    fn the_newest_are_kept_each_with_its_own_outcome() {
        let mut recent = Recent::default();
        for number in 0..5 {
            recent.remember(id(number), &vec![number; usize::from(number)], 3);
        }

        let kept: Vec<_> = recent.each().collect();
        assert_eq!(kept, [(id(2), &[2; 2][..]), (id(3), &[3; 3]), (id(4), &[4; 4])]);
        assert_eq!(recent.outcome(id(3)), Some(&[3; 3][..]));
        assert_eq!(recent.outcome(id(1)), None);
    }

    /// What was written before outcomes stood together.
    #[test]
    fn the_bytes_are_those_of_pairs_in_a_structure() {
        #[derive(Encode)]
        struct Pairs {
            #[n(0)]
            entries: Vec<(RequestId, ByteVec)>,
        }
        for count in [0, 1, 30] {
            let mut recent = Recent::default();
            (0..count).for_each(|n| recent.remember(id(n), &vec![n; usize::from(n)], 64));
            let entries = (0..count).map(|n| (id(n), vec![n; usize::from(n)].into())).collect();

            let bytes = minicbor::to_vec(&recent).unwrap();

            assert_eq!(bytes, minicbor::to_vec(Pairs { entries }).unwrap());
            assert_eq!(minicbor::decode::<Recent>(&bytes).unwrap(), recent);
        }
    }
}
