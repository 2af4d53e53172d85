//! Bodies that the peer sends us in blocks (Block1, RFC 7959 §2.5).
//!
//! What belongs together is told by the request's options and its Request-Tag (RFC 9175 §3),
//! not by the token: some clients take a new token for each block.

use crate::Params;
use crate::block::Block;
use core::time::Duration;
use zeroize::Zeroizing;

/// The uploads that are under way; the oldest makes room.
#[derive(Default)]
pub(crate) struct Uploads {
    list: Vec<Upload>,
}

struct Upload {
    key: [u8; 16],
    format: Option<u16>,
    body: Zeroizing<Vec<u8>>,
    until: Duration,
}

/// One block of an upload.
pub(crate) struct Piece {
    pub(crate) key: [u8; 16],
    pub(crate) block: Block,
    pub(crate) format: Option<u16>,
    pub(crate) total: Option<u32>,
    pub(crate) payload: Vec<u8>,
}

/// What a block led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    More,
    Whole(Vec<u8>),
    /// The payload is not as long as the block says: 4.00.
    Uneven,
    /// A block before it is missing, or the format changed: 4.08.
    Incomplete,
    /// 4.13.
    TooLarge,
}

impl Uploads {
    /// Takes one block. An upload that fails is dropped: the peer begins again with block 0.
    pub(crate) fn take(&mut self, now: Duration, params: &Params, piece: Piece) -> Step {
        let mut body = match self.before(now, piece.key, &piece) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        if !piece.block.holds(piece.payload.len()) {
            return Step::Uneven;
        }
        let announced = piece.total.map_or(0, |total| total as usize);
        let length = body.len() + piece.payload.len();
        if length.max(announced) > params.max_request_body {
            return Step::TooLarge;
        }
        body.extend_from_slice(&piece.payload);
        if !piece.block.more {
            return Step::Whole(core::mem::take(&mut *body));
        }
        while self.list.len() >= params.max_transfers.max(1) {
            self.list.remove(0);
        }
        let until = now.saturating_add(params.exchange_lifetime);
        self.list.push(Upload { key: piece.key, format: piece.format, body, until });
        Step::More
    }

    /// Takes out the body as far as it came before this block.
    fn before(
        &mut self,
        now: Duration,
        key: [u8; 16],
        piece: &Piece,
    ) -> Result<Zeroizing<Vec<u8>>, Step> {
        let position = self.list.iter().position(|upload| upload.key == key);
        let upload = position.map(|position| self.list.remove(position));
        if piece.block.num == 0 {
            return Ok(Zeroizing::default());
        }
        match upload {
            Some(upload)
                if upload.until > now
                    && upload.body.len() == piece.block.offset()
                    && upload.format == piece.format =>
            {
                Ok(upload.body)
            }
            _ => Err(Step::Incomplete),
        }
    }

    /// Drops what is stale; gives how many that were.
    pub(crate) fn expire(&mut self, now: Duration) -> u64 {
        let before = self.list.len();
        self.list.retain(|upload| upload.until > now);
        (before - self.list.len()) as u64
    }

    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.list.iter().map(|upload| upload.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(key: u8, num: u32, more: bool, len: usize) -> Piece {
        let block = Block { num, more, szx: 0 };
        Piece { key: [key; 16], block, format: Some(0), total: None, payload: vec![num as u8; len] }
    }

    fn take(uploads: &mut Uploads, piece: Piece) -> Step {
        uploads.take(Duration::ZERO, &Params { max_request_body: 40, ..Params::default() }, piece)
    }

    #[test]
    fn puts_two_interleaved_bodies_together() {
        let mut uploads = Uploads::default();

        assert_eq!(take(&mut uploads, piece(1, 0, true, 16)), Step::More);
        assert_eq!(take(&mut uploads, piece(2, 0, true, 16)), Step::More);
        assert_eq!(
            take(&mut uploads, piece(1, 1, false, 1)),
            Step::Whole([&[0; 16][..], &[1]].concat())
        );
        assert_eq!(take(&mut uploads, piece(2, 1, false, 0)), Step::Whole(vec![0; 16]));
    }

    #[test]
    fn refuses_a_gap_a_short_block_and_another_format() {
        let mut uploads = Uploads::default();

        assert_eq!(take(&mut uploads, piece(1, 1, true, 16)), Step::Incomplete);
        assert_eq!(take(&mut uploads, piece(1, 0, true, 15)), Step::Uneven);
        assert_eq!(take(&mut uploads, piece(1, 0, true, 16)), Step::More);
        let other = Piece { format: None, ..piece(1, 1, false, 1) };
        assert_eq!(take(&mut uploads, other), Step::Incomplete);
    }

    #[test]
    fn a_body_that_is_stale_is_not_gone_on_with_though_nobody_looked_at_the_time() {
        let (mut uploads, params) = (Uploads::default(), Params::default());
        let (soon, late) = (params.exchange_lifetime / 2, params.exchange_lifetime);

        assert_eq!(uploads.take(Duration::ZERO, &params, piece(1, 0, true, 16)), Step::More);
        assert_eq!(uploads.take(soon, &params, piece(1, 1, true, 16)), Step::More);
        let last = uploads.take(soon + late, &params, piece(1, 2, false, 1));

        assert_eq!(last, Step::Incomplete);
    }

    #[test]
    fn refuses_a_body_past_its_limit_at_the_first_sign_of_it() {
        let mut uploads = Uploads::default();

        let announced = Piece { total: Some(41), ..piece(1, 0, true, 16) };
        assert_eq!(take(&mut uploads, announced), Step::TooLarge);
        assert_eq!(take(&mut uploads, piece(1, 0, true, 16)), Step::More);
        assert_eq!(take(&mut uploads, piece(1, 1, true, 16)), Step::More);
        assert_eq!(take(&mut uploads, piece(1, 2, false, 9)), Step::TooLarge);
    }
}
