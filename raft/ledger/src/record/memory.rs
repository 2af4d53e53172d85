//! What was asked before, so that a repetition gets the same answer.

use crate::RequestId;
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

/// What an array of two and a byte string of 16 begin with: a request id stands behind.
const PAIR: [u8; 2] = [0x82, 0x50];

/// The last proposals for a device and their outcomes, in the order of their coming.
///
/// They stay as they are written: almost every command reads them and adds one. To read and write
/// all 64 of a tenant cost a third of what such a command costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    count: u64,
    /// Pairs of a request id and an outcome, one behind the other, as CBOR writes them.
    pairs: Vec<u8>,
}

/// The pair at the start of `bytes`, and what is behind it; nothing if there is none as this is
/// always written.
fn pair(bytes: &[u8]) -> Option<(&[u8; 16], &[u8], &[u8])> {
    let (id, rest) = bytes.strip_prefix(&PAIR)?.split_first_chunk()?;
    let (length, rest) = match rest.split_first()? {
        (short @ 0x40..=0x57, rest) => (u32::from(short - 0x40), rest),
        (0x58, rest) => (u32::from(*rest.first()?), &rest[1..]),
        (0x59, rest) => {
            let (length, rest) = rest.split_first_chunk()?;
            (u32::from(u16::from_be_bytes(*length)), rest)
        }
        (0x5a, rest) => {
            let (length, rest) = rest.split_first_chunk()?;
            (u32::from_be_bytes(*length), rest)
        }
        _ => return None,
    };
    let (outcome, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((id, outcome, rest))
}

/// The pairs in `bytes`, up to what is none.
fn pairs(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8; 16], &[u8])> {
    core::iter::from_fn(move || {
        let (id, outcome, rest) = pair(bytes)?;
        bytes = rest;
        Some((id, outcome))
    })
}

impl Recent {
    /// How many are kept of a device: an actor has few proposals on their way at once.
    pub(crate) const OF_DEVICE: usize = 8;
    /// How many are kept of a tenant: operators' programs send many at once.
    pub(crate) const OF_TENANT: usize = 64;

    pub(crate) fn outcome(&self, request: RequestId) -> Option<&[u8]> {
        pairs(&self.pairs).find(|(id, _)| **id == request.0).map(|(_, outcome)| outcome)
    }

    /// Keeps `outcome` as one of the newest `kept`.
    pub(crate) fn remember(&mut self, request: RequestId, outcome: &[u8], kept: usize) {
        let mut rest = &self.pairs[..];
        while self.count >= kept as u64
            && let Some((_, _, behind)) = pair(rest)
        {
            rest = behind;
            self.count -= 1;
        }
        self.pairs.drain(..self.pairs.len() - rest.len());
        let mut to = Encoder::new(&mut self.pairs);
        let written = to.array(2).and_then(|to| to.bytes(&request.0)?.bytes(outcome));
        written.expect("writing to memory does not fail");
        self.count += 1;
    }
}

/// A structure of one field: an array of pairs.
impl<C> Encode<C> for Recent {
    fn encode<W: Write>(
        &self,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let pairs = to.array(1)?.array(self.count)?.writer_mut();
        pairs.write_all(&self.pairs).map_err(encode::Error::write)
    }
}

impl<'b, C> Decode<'b, C> for Recent {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let of = |count: Option<u64>| count.ok_or_else(|| decode::Error::message("no length"));
        let fields = of(from.array()?)?;
        if fields == 0 {
            return Err(decode::Error::message("no requests"));
        }
        let count = of(from.array()?)?;
        let all = &from.input()[from.position()..];
        let mut rest = all;
        for _ in 0..count {
            let no_pair = || decode::Error::message("not a request and its outcome");
            (_, _, rest) = pair(rest).ok_or_else(no_pair)?;
        }
        let pairs = &all[..all.len() - rest.len()];
        from.set_position(from.position() + pairs.len());
        // What a later version adds.
        (1..fields).try_for_each(|_| from.skip())?;
        Ok(Self { count, pairs: pairs.to_vec() })
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

        let kept: Vec<_> = pairs(&recent.pairs).collect();
        assert_eq!(kept, [(&[2; 16], &[2; 2][..]), (&[3; 16], &[3; 3]), (&[4; 16], &[4; 4])]);
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
        // Outcomes of every length that is written in another way.
        let outcome = |n: u8| vec![n; if n == 29 { 70_000 } else { 10 * usize::from(n) }];
        for count in [0, 1, 23, 24, 30] {
            let mut recent = Recent::default();
            (0..count).for_each(|n| recent.remember(id(n), &outcome(n), 64));
            let entries = (0..count).map(|n| (id(n), outcome(n).into())).collect();

            let bytes = minicbor::to_vec(&recent).unwrap();

            assert_eq!(bytes, minicbor::to_vec(Pairs { entries }).unwrap());
            assert_eq!(minicbor::decode::<Recent>(&bytes).unwrap(), recent);
        }
    }

    #[test]
    fn what_is_cut_or_is_no_pair_is_not_read() {
        let mut recent = Recent::default();
        (0..3).for_each(|n| recent.remember(id(n), &[n; 30], 64));
        let bytes = minicbor::to_vec(&recent).unwrap();

        for cut in 0..bytes.len() {
            assert!(minicbor::decode::<Recent>(&bytes[..cut]).is_err(), "{cut}");
        }
        for at in [0, 1, 2, 3, 20] {
            let mut other = bytes.clone();
            other[at] = 0x03;
            assert!(minicbor::decode::<Recent>(&other).is_err(), "{at}");
        }
    }

    #[test]
    fn what_a_later_version_adds_is_skipped() {
        let mut recent = Recent::default();
        recent.remember(id(1), &[1], 64);
        let mut bytes = minicbor::to_vec(&recent).unwrap();
        bytes[0] += 1;
        bytes.push(7);

        let mut decoder = minicbor::Decoder::new(&bytes);
        assert_eq!(decoder.decode::<Recent>().unwrap(), recent);
        assert_eq!(decoder.position(), bytes.len());
    }
}
