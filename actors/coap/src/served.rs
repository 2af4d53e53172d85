//! Our responses that are larger than a block, kept for the peer to fetch (RFC 7959 §2.4).

use crate::Params;
use crate::block::{Block, size_of};
use crate::options::{uint, write_response};
use claviger_machine::Response;
use coap_lite::{CoapOption, Packet};
use core::time::Duration;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// The bodies that are being fetched; the oldest makes room.
#[derive(Default)]
pub(crate) struct Served {
    list: Vec<Body>,
}

struct Body {
    key: [u8; 16],
    response: Response,
    until: Duration,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.response.payload.zeroize();
    }
}

impl Served {
    /// Keeps a response under the key of its request.
    pub(crate) fn keep(
        &mut self,
        now: Duration,
        params: &Params,
        key: [u8; 16],
        response: Response,
    ) {
        self.list.retain(|body| body.key != key);
        while self.list.len() >= params.max_transfers.max(1) {
            self.list.remove(0);
        }
        let until = now.saturating_add(params.exchange_lifetime);
        self.list.push(Body { key, response, until });
    }

    /// The response that was kept under `key`.
    pub(crate) fn find(
        &mut self,
        now: Duration,
        params: &Params,
        key: [u8; 16],
    ) -> Option<&Response> {
        let body = self.list.iter_mut().find(|body| body.key == key && body.until > now)?;
        body.until = now.saturating_add(params.exchange_lifetime);
        Some(&body.response)
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        self.list.retain(|body| body.until > now);
    }

    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.list.iter().map(|body| body.until).min()
    }
}

/// The message that carries the `asked` block of a response, and the block that it is: of the
/// asked size, or smaller, at the same offset. `None` if the body ends before it.
pub(crate) fn cut(response: &Response, asked: Block, szx: u8) -> Option<(Packet, Block)> {
    let body = &response.payload;
    let offset = asked.offset();
    if offset > 0 && offset >= body.len() {
        return None;
    }
    let block = Block::at(offset, body.len(), asked.szx.min(szx))?;
    let end = body.len().min(offset + size_of(block.szx));
    let mut packet = write_response(response);
    packet.payload = body[offset..end].to_vec();
    packet.add_option(CoapOption::Block2, block.encode());
    if block.num > 0 || block.more {
        packet.add_option(CoapOption::ETag, Sha256::digest(body)[..4].to_vec());
    }
    if block.num == 0 && block.more {
        packet.add_option(CoapOption::Size2, uint(u32::try_from(body.len()).unwrap_or(u32::MAX)));
    }
    Some((packet, block))
}
