//! A response that comes in blocks (Block2, RFC 7959 §2.4).

use crate::block::Block;
use crate::options::Answer;
use claviger_machine::{Response, Unanswered};
use zeroize::Zeroize;

/// What has come of a response so far.
pub(crate) struct Download {
    response: Response,
    etag: Option<Vec<u8>>,
    szx: u8,
}

/// What a block led to.
pub(crate) enum Piece {
    More(Download),
    Whole(Response),
}

impl Download {
    /// Takes the first block, number 0.
    pub(crate) fn begin(answer: Answer, block: Block, limit: usize) -> Result<Piece, Unanswered> {
        let Answer { response, etag, .. } = answer;
        let empty = Response { payload: Vec::new(), ..response.clone() };
        Self { response: empty, etag: etag.clone(), szx: block.szx }.add(
            Answer { response, etag, block1: None, block2: Some(block) },
            block,
            limit,
        )
    }

    /// Takes the next block, of a response that must not have changed.
    pub(crate) fn add(
        mut self,
        mut answer: Answer,
        block: Block,
        limit: usize,
    ) -> Result<Piece, Unanswered> {
        let payload = &answer.response.payload;
        let fits = block.offset() == self.response.payload.len()
            && block.holds(payload.len())
            && self.response.payload.len() + payload.len() <= limit;
        let same = answer.etag == self.etag
            && answer.response.code == self.response.code
            && answer.response.content_format == self.response.content_format;
        if !fits || !same {
            return Err(Unanswered::Garbled);
        }
        self.response.payload.extend_from_slice(payload);
        answer.response.payload.zeroize();
        self.szx = block.szx;
        if block.more {
            return Ok(Piece::More(self));
        }
        let payload = core::mem::take(&mut self.response.payload);
        Ok(Piece::Whole(Response { payload, ..self.response.clone() }))
    }

    /// The block to ask for next; `None` if its number would not fit.
    pub(crate) fn next(&self) -> Option<Block> {
        Block::at(self.response.payload.len(), 0, self.szx)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.response.payload.zeroize();
    }
}
