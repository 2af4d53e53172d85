//! The value of Block1 and Block2 (RFC 7959 §2.2).

/// One block of a body: its number, whether more follow, and the size of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// 0 to 2^20 - 1.
    pub(crate) num: u32,
    pub(crate) more: bool,
    /// 0 to 6; the size is 2^(szx + 4).
    pub(crate) szx: u8,
}

impl Block {
    const NUM_LIMIT: usize = 1 << 20;

    /// The block of size `szx` that begins at `offset`, a multiple of that size, in a body of
    /// `total` bytes; `None` if its number would not fit.
    pub(crate) fn at(offset: usize, total: usize, szx: u8) -> Option<Self> {
        let size = size_of(szx);
        let num = offset / size;
        (num < Self::NUM_LIMIT).then_some(Self {
            num: u32::try_from(num).ok()?,
            more: total > offset.saturating_add(size),
            szx,
        })
    }

    /// Reads an option value; `None` for more than 3 bytes and for the reserved size 7.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        if value.len() > 3 {
            return None;
        }
        let bits = value.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let szx = (bits & 7) as u8;
        (szx < 7).then_some(Self { num: bits >> 4, more: bits & 8 != 0, szx })
    }

    /// The option value.
    pub(crate) fn encode(self) -> Vec<u8> {
        crate::options::uint(self.num << 4 | u32::from(self.more) << 3 | u32::from(self.szx))
    }

    /// Bytes in a block.
    pub(crate) fn size(self) -> usize {
        size_of(self.szx)
    }

    /// Where the block begins in the body; at most 2^30.
    pub(crate) fn offset(self) -> usize {
        self.num as usize * self.size()
    }

    /// True if a payload of `len` bytes can be this block's: full, unless it is the last.
    pub(crate) fn holds(self, len: usize) -> bool {
        if self.more { len == self.size() } else { len <= self.size() }
    }
}

/// Bytes in a block of size `szx`.
pub(crate) fn size_of(szx: u8) -> usize {
    16 << szx.min(6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes_the_values_of_rfc_7959() {
        // 2:0/1/128 and 1:3/0/128 as in the figures of §3; zero is the empty value.
        for (bytes, block) in [
            (&[0x0b][..], Block { num: 0, more: true, szx: 3 }),
            (&[0x33], Block { num: 3, more: false, szx: 3 }),
            (&[], Block { num: 0, more: false, szx: 0 }),
            (&[0x04, 0x05], Block { num: 64, more: false, szx: 5 }),
            (&[0xff, 0xff, 0xfe], Block { num: 0xf_ffff, more: true, szx: 6 }),
        ] {
            assert_eq!(Block::decode(bytes), Some(block));
            assert_eq!(block.encode(), bytes);
        }
    }

    #[test]
    fn refuses_the_reserved_size_and_a_value_of_four_bytes() {
        assert_eq!(Block::decode(&[0x07]), None);
        assert_eq!(Block::decode(&[0, 0, 0, 1]), None);
    }

    #[test]
    fn a_number_past_20_bits_is_none() {
        assert!(Block::at(((1 << 20) - 1) * 16, usize::MAX, 0).is_some());
        assert_eq!(Block::at((1 << 20) * 16, usize::MAX, 0), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn comes_back_as_it_went(num in 0u32..1 << 20, more: bool, szx in 0u8..7) {
            let block = Block { num, more, szx };
            prop_assert_eq!(Block::decode(&block.encode()), Some(block));
        }
    }
}
