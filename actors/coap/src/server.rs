//! The peer's requests (RFC 7252 §5.2, §5.8).

use crate::block::{Block, size_of};
use crate::identity::{digest, transfer_key};
use crate::message::{Kind, Message};
use crate::options::{Incoming, read_request, uint, write_response};
use crate::served::{Served, cut};
use crate::upload::{Piece, Step, Uploads};
use crate::wire::{ReplyTo, Wire};
use crate::{ExchangeId, Output, Refusal, RequestIdentity};
use claviger_machine::{Code, Method, Request, Response};
use coap_lite::CoapOption;
use core::time::Duration;

/// The server half of an association.
#[derive(Default)]
pub(crate) struct Server {
    open: Vec<Exchange>,
    /// None while nothing goes in blocks: most associations are silent.
    transfers: Option<Box<Transfers>>,
    next_exchange: u64,
}

/// What goes in blocks.
#[derive(Default)]
struct Transfers {
    uploads: Uploads,
    served: Served,
}

/// A request that waits for its response.
struct Exchange {
    id: ExchangeId,
    to: ReplyTo,
    since: Duration,
    key: [u8; 16],
    /// The last block of the request, to be echoed.
    block1: Option<Block>,
    /// The block of the response that is asked for.
    block2: Option<Block>,
}

impl Server {
    /// Takes a request that is no duplicate.
    pub(crate) fn receive(&mut self, now: Duration, wire: &mut Wire, mut message: Message) {
        wire.remember(now, &message);
        let to = reply_to(&message);
        let incoming = match read_request(&mut message) {
            Ok(incoming) => incoming,
            Err((code, why)) => return refuse(now, wire, to, code, why),
        };
        let key = transfer_key(&incoming.request, &incoming.tags);
        let Incoming { mut request, block1, block2, size1, .. } = incoming;
        if let Some(block) = block1 {
            let payload = core::mem::take(&mut request.payload);
            let piece = Piece { key, block, format: request.content_format, total: size1, payload };
            match self.upload(now, wire, to, piece) {
                Some(body) => request.payload = body,
                None => return,
            }
        } else if request.payload.len() > wire.params.max_request_body {
            return too_large(now, wire, to, None);
        }
        if let Some(block) = block2.filter(|block| block.num > 0)
            && self.serve(now, wire, to, key, block, request.method)
        {
            return;
        }
        self.open(
            now,
            wire,
            Exchange { id: ExchangeId(0), to, since: now, key, block1, block2 },
            request,
        );
    }

    /// Turns away a request that is no duplicate, whatever it asks for.
    pub(crate) fn turn_away(now: Duration, wire: &mut Wire, message: &Message) {
        wire.remember(now, message);
        turn_away(now, wire, reply_to(message));
    }

    /// Takes a block; gives the whole body once it is there.
    fn upload(
        &mut self,
        now: Duration,
        wire: &mut Wire,
        to: ReplyTo,
        piece: Piece,
    ) -> Option<Vec<u8>> {
        let block = piece.block;
        match self.transfers.get_or_insert_default().uploads.take(now, &wire.params, piece) {
            Step::Whole(body) => {
                if block.num > 0 {
                    wire.count().blockwise_completed += 1;
                }
                Some(body)
            }
            Step::More => {
                let mut packet = write_response(&Response::new(Code::CONTINUE));
                packet.add_option(CoapOption::Block1, block.encode());
                wire.reply(now, to, Code::CONTINUE.0, &mut packet);
                None
            }
            Step::Uneven => {
                bad_block(now, wire, to, Some(block), Code::BAD_REQUEST);
                None
            }
            Step::Incomplete => {
                bad_block(now, wire, to, Some(block), Code::REQUEST_ENTITY_INCOMPLETE);
                None
            }
            Step::TooLarge => {
                wire.count().blockwise_failed += 1;
                too_large(now, wire, to, Some(block));
                None
            }
        }
    }

    /// Serves a later block of a response that was kept. True if the request is answered: if
    /// nothing was kept, a safe method may be asked again, another must not.
    fn serve(
        &mut self,
        now: Duration,
        wire: &mut Wire,
        to: ReplyTo,
        key: [u8; 16],
        block: Block,
        method: Method,
    ) -> bool {
        let served = self.transfers.as_mut().map(|transfers| &mut transfers.served);
        if let Some(response) = served.and_then(|served| served.find(now, &wire.params, key)) {
            send_block(now, wire, to, response, block, None);
            return true;
        }
        if matches!(method, Method::Get | Method::Fetch) {
            return false;
        }
        bad_block(now, wire, to, None, Code::REQUEST_ENTITY_INCOMPLETE);
        true
    }

    fn open(&mut self, now: Duration, wire: &mut Wire, exchange: Exchange, request: Request) {
        let to = exchange.to;
        if self.open.len() >= wire.params.max_open {
            return turn_away(now, wire, to);
        }
        let id = ExchangeId(self.next_exchange);
        self.next_exchange += 1;
        let identity = RequestIdentity {
            message_id: to.message_id,
            token: to.token,
            confirmable: to.confirmable,
            sha256: digest(&request),
        };
        self.open.push(Exchange { id, ..exchange });
        wire.outputs.push_back(Output::Request { exchange: id, identity, request });
    }

    /// Answers an exchange; one that is gone is passed over.
    pub(crate) fn respond(
        &mut self,
        now: Duration,
        wire: &mut Wire,
        id: ExchangeId,
        response: Response,
    ) {
        let Some(position) = self.open.iter().position(|exchange| exchange.id == id) else {
            return;
        };
        let exchange = self.open.remove(position);
        let response = if response.payload.len() > wire.params.max_body {
            wire.count().blockwise_failed += 1;
            Response::new(Code::INTERNAL_SERVER_ERROR)
        } else {
            response
        };
        let large = response.payload.len() > size_of(wire.block_szx);
        let asked = exchange.block2.filter(|_| response.code.is_success());
        if asked.is_none() && !large {
            let mut packet = write_response(&response);
            packet.payload = response.payload;
            echo(&mut packet, exchange.block1);
            return wire.reply(now, exchange.to, response.code.0, &mut packet);
        }
        let first = Block { num: 0, more: false, szx: wire.block_szx };
        let more =
            send_block(now, wire, exchange.to, &response, asked.unwrap_or(first), exchange.block1);
        if more {
            self.transfers.get_or_insert_default().served.keep(
                now,
                &wire.params,
                exchange.key,
                response,
            );
        }
    }

    /// Gives up an exchange without a word; a repetition of its message counts as new.
    pub(crate) fn forget(&mut self, wire: &mut Wire, id: ExchangeId) {
        if let Some(position) = self.open.iter().position(|exchange| exchange.id == id) {
            let exchange = self.open.remove(position);
            wire.forget(exchange.to.message_id);
        }
    }

    /// Sends the acknowledgements that are due; drops what is stale.
    pub(crate) fn handle_timeout(&mut self, now: Duration, wire: &mut Wire) {
        for exchange in &mut self.open {
            if exchange.ack_due(wire).is_some_and(|due| due <= now) {
                exchange.to.acknowledged = true;
                wire.acknowledge(exchange.to.message_id);
            }
        }
        let before = self.open.len();
        self.open.retain(|exchange| exchange.given_up(wire) > now);
        let unanswered = before - self.open.len();
        let stale = self.transfers.as_mut().map_or(0, |transfers| transfers.expire(now));
        self.transfers.take_if(|transfers| transfers.next_expiry().is_none());
        if unanswered > 0 || stale > 0 {
            wire.count().never_answered += unanswered as u64;
            wire.count().blockwise_failed += stale;
        }
    }

    pub(crate) fn next_timeout(&self, wire: &Wire) -> Option<Duration> {
        let exchanges = self
            .open
            .iter()
            .map(|exchange| exchange.ack_due(wire).unwrap_or_else(|| exchange.given_up(wire)));
        exchanges.chain(self.next_stale()).min()
    }

    /// When what goes in blocks is stale.
    pub(crate) fn next_stale(&self) -> Option<Duration> {
        self.transfers.as_ref().and_then(|transfers| transfers.next_expiry())
    }

    /// Gives back unused room.
    pub(crate) fn shrink(&mut self) {
        self.open.shrink_to_fit();
    }

    /// True if no request waits for us.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

impl Transfers {
    /// Drops what is stale; gives how many uploads that were.
    fn expire(&mut self, now: Duration) -> u64 {
        self.served.expire(now);
        self.uploads.expire(now)
    }

    /// When the next one is stale; none if there is nothing.
    fn next_expiry(&self) -> Option<Duration> {
        [self.uploads.next_expiry(), self.served.next_expiry()].into_iter().flatten().min()
    }
}

impl Exchange {
    fn ack_due(&self, wire: &Wire) -> Option<Duration> {
        (self.to.confirmable && !self.to.acknowledged)
            .then(|| self.since.saturating_add(wire.params.ack_delay))
    }

    fn given_up(&self, wire: &Wire) -> Duration {
        self.since.saturating_add(wire.params.exchange_lifetime)
    }
}

/// Where the answer to a message goes that has got none yet.
fn reply_to(message: &Message) -> ReplyTo {
    ReplyTo {
        message_id: message.message_id,
        token: message.token,
        confirmable: message.kind == Kind::Confirmable,
        acknowledged: false,
    }
}

/// Sends one block of a response; true if more follow.
fn send_block(
    now: Duration,
    wire: &mut Wire,
    to: ReplyTo,
    response: &Response,
    asked: Block,
    block1: Option<Block>,
) -> bool {
    let Some((mut packet, block)) = cut(response, asked, wire.block_szx) else {
        bad_block(now, wire, to, None, Code::BAD_REQUEST);
        return false;
    };
    echo(&mut packet, block1);
    if block.num > 0 && !block.more {
        wire.count().blockwise_completed += 1;
    }
    wire.reply(now, to, response.code.0, &mut packet);
    block.more
}

/// Says which block a response is about (RFC 7959 §2.3).
fn echo(packet: &mut coap_lite::Packet, block1: Option<Block>) {
    if let Some(block) = block1 {
        packet.add_option(CoapOption::Block1, block.encode());
    }
}

/// Refuses a request if it was confirmable, else drops it (RFC 7252 §5.4.1).
fn refuse(now: Duration, wire: &mut Wire, to: ReplyTo, code: Code, why: Refusal) {
    refuse_with(now, wire, to, &Response::new(code), why);
}

fn refuse_with(now: Duration, wire: &mut Wire, to: ReplyTo, response: &Response, why: Refusal) {
    wire.refuse(why);
    if to.confirmable {
        wire.reply(now, to, response.code.0, &mut write_response(response));
    }
}

/// Says that no more can be taken now, and when to try again.
fn turn_away(now: Duration, wire: &mut Wire, to: ReplyTo) {
    let max_age = Some(wire.params.busy_for);
    let response = Response { max_age, ..Response::new(Code::SERVICE_UNAVAILABLE) };
    refuse_with(now, wire, to, &response, Refusal::Overloaded);
}

/// Refuses a block that is not where it should be.
fn bad_block(now: Duration, wire: &mut Wire, to: ReplyTo, block: Option<Block>, code: Code) {
    wire.count().blockwise_failed += 1;
    wire.refuse(Refusal::BadBlock);
    let mut packet = write_response(&Response::new(code));
    echo(&mut packet, block);
    wire.reply(now, to, code.0, &mut packet);
}

/// Refuses a body, and says how much would be taken (RFC 7959 §2.9.3).
fn too_large(now: Duration, wire: &mut Wire, to: ReplyTo, block: Option<Block>) {
    wire.refuse(Refusal::BodyTooLarge);
    let code = Code::REQUEST_ENTITY_TOO_LARGE;
    let mut packet = write_response(&Response::new(code));
    echo(&mut packet, block);
    let most = u32::try_from(wire.params.max_request_body).unwrap_or(u32::MAX);
    packet.add_option(CoapOption::Size1, uint(most));
    wire.reply(now, to, code.0, &mut packet);
}
