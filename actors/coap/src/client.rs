//! Our requests (RFC 7252 §5.3; their bodies in blocks: RFC 7959).

use crate::block::{Block, size_of};
use crate::download::{Download, Piece};
use crate::message::{Kind, Message};
use crate::options::{Answer, uint, write_request};
use crate::transmission::Cargo;
use crate::wire::Wire;
use crate::{Output, Params, RequestId, Token};
use claviger_machine::{Code, Request, Response, Unanswered};
use coap_lite::{CoapOption, Packet};
use core::time::Duration;
use rand_core::CryptoRng;
use zeroize::Zeroize;

/// The client half of an association: our requests, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Client {
    asked: Vec<Asked>,
    next_request: u64,
    /// The largest block that the peer takes, once it has said less than ours: what it said of
    /// one body holds for the next ones.
    peer_szx: Option<u8>,
}

struct Asked {
    id: RequestId,
    request: Request,
    token: Token,
    state: State,
    body: Body,
}

/// Where the message of the moment stands.
enum State {
    Queued,
    Sent {
        message_id: u16,
    },
    /// It was acknowledged; the response comes apart.
    Acknowledged {
        until: Duration,
    },
}

/// Where the bodies stand.
enum Body {
    /// The request goes in one message.
    Whole,
    /// The block of the request that begins at `offset`.
    Upload { offset: usize, szx: u8 },
    /// The request is over, its response comes in blocks.
    Download(Download),
}

/// What a response led to.
enum Next {
    Block(Body),
    Done(Response),
}

impl Client {
    pub(crate) fn request(
        &mut self,
        now: Duration,
        wire: &mut Wire,
        request: Request,
        token: Token,
    ) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let szx = self.peer_szx.unwrap_or(wire.block_szx);
        let body = match request.payload.len() {
            length if length <= size_of(szx) => Body::Whole,
            _ => Body::Upload { offset: 0, szx },
        };
        let too_large = request.payload.len() > wire.params.max_body;
        self.asked.push(Asked { id, request, token, state: State::Queued, body });
        if too_large {
            self.finish(wire, self.asked.len() - 1, Err(Unanswered::Garbled));
        }
        self.send_next(now, wire);
        id
    }

    pub(crate) fn cancel(&mut self, now: Duration, wire: &mut Wire, id: RequestId) {
        let Some(index) = self.asked.iter().position(|asked| asked.id == id) else { return };
        if let State::Sent { message_id } = self.asked.remove(index).state {
            wire.settle(message_id);
        }
        self.send_next(now, wire);
    }

    /// An empty acknowledgement came for a request.
    pub(crate) fn acknowledged(&mut self, now: Duration, wire: &mut Wire, message_id: u16) {
        if let Some(index) = self.sent_as(message_id) {
            let until = now.saturating_add(wire.params.exchange_lifetime);
            self.asked[index].state = State::Acknowledged { until };
        }
    }

    /// A request was rejected, or never acknowledged.
    pub(crate) fn failed(
        &mut self,
        now: Duration,
        wire: &mut Wire,
        message_id: u16,
        why: Unanswered,
    ) {
        if let Some(index) = self.sent_as(message_id) {
            self.finish(wire, index, Err(why));
        }
        self.send_next(now, wire);
    }

    /// True if the response is one that we wait for.
    pub(crate) fn awaits(&self, message: &Message) -> bool {
        self.find(message).is_some()
    }

    /// Takes a response that is no duplicate; `None` is one that could not be understood.
    pub(crate) fn receive(
        &mut self,
        now: Duration,
        wire: &mut Wire,
        message: &Message,
        answer: Option<Answer>,
        rng: &mut dyn CryptoRng,
    ) {
        let Some(index) = self.find(message) else { return };
        let asked = &mut self.asked[index];
        if let State::Sent { message_id } = asked.state {
            wire.settle(message_id);
        }
        match answer
            .ok_or(Unanswered::Garbled)
            .and_then(|answer| asked.advance(&wire.params, wire.block_szx, answer))
        {
            Ok(Next::Block(body)) => {
                if let Body::Upload { szx, .. } = body {
                    self.peer_szx = (szx < wire.block_szx).then_some(szx);
                }
                asked.body = body;
                let mut token = [0; 8];
                rng.fill_bytes(&mut token);
                wire.stir(u64::from_be_bytes(token));
                asked.token = token.into();
                asked.send(now, wire);
            }
            Ok(Next::Done(response)) => self.finish(wire, index, Ok(response)),
            Err(why) => self.finish(wire, index, Err(why)),
        }
        self.send_next(now, wire);
    }

    /// Gives up the separate responses that never came.
    pub(crate) fn handle_timeout(&mut self, now: Duration, wire: &mut Wire) {
        let late =
            |asked: &Asked| matches!(asked.state, State::Acknowledged { until } if until <= now);
        while let Some(index) = self.asked.iter().position(late) {
            wire.count().timeouts += 1;
            self.finish(wire, index, Err(Unanswered::TimedOut));
        }
        self.send_next(now, wire);
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let until = |asked: &Asked| match asked.state {
            State::Acknowledged { until } => Some(until),
            _ => None,
        };
        self.asked.iter().filter_map(until).min()
    }

    /// Gives back unused room.
    pub(crate) fn shrink(&mut self) {
        self.asked.shrink_to_fit();
    }

    /// True if no request of ours is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// Sends what NSTART allows. RFC 7252 §4.7 would count a request only until it is
    /// acknowledged; here it counts until it is answered, or two bodies that go in blocks to or
    /// from one resource would run into each other (RFC 7959 §2.4, §2.5).
    fn send_next(&mut self, now: Duration, wire: &mut Wire) {
        let queued = |asked: &Asked| matches!(asked.state, State::Queued);
        let open = self.asked.iter().filter(|asked| !queued(asked)).count();
        let free = wire.params.nstart.saturating_sub(open);
        for asked in self.asked.iter_mut().filter(|asked| queued(asked)).take(free) {
            asked.send(now, wire);
        }
    }

    fn finish(&mut self, wire: &mut Wire, index: usize, result: Result<Response, Unanswered>) {
        let asked = self.asked.remove(index);
        if !matches!(asked.body, Body::Whole) || result == Err(Unanswered::Garbled) {
            match &result {
                Ok(response) if response.code.is_success() => wire.count().blockwise_completed += 1,
                _ => wire.count().blockwise_failed += 1,
            }
        }
        wire.outputs.push_back(Output::Response { request: asked.id, result });
    }

    fn sent_as(&self, id: u16) -> Option<usize> {
        self.asked
            .iter()
            .position(|asked| matches!(asked.state, State::Sent { message_id } if message_id == id))
    }

    /// A piggybacked response belongs to a message id and a token, a separate one to a token
    /// (RFC 7252 §5.3.2).
    fn find(&self, message: &Message) -> Option<usize> {
        self.asked.iter().position(|asked| {
            asked.token == message.token
                && match asked.state {
                    State::Queued => false,
                    State::Sent { message_id } => {
                        message.kind != Kind::Acknowledgement || message.message_id == message_id
                    }
                    State::Acknowledged { .. } => message.kind != Kind::Acknowledgement,
                }
        })
    }
}

impl Asked {
    fn send(&mut self, now: Duration, wire: &mut Wire) {
        let (mut packet, code) = self.packet();
        let message_id = wire.send_confirmable(now, Cargo::Request, code, self.token, &mut packet);
        self.state = State::Sent { message_id };
    }

    fn packet(&self) -> (Packet, u8) {
        let (mut packet, code) = write_request(&self.request);
        let payload = &self.request.payload;
        match &self.body {
            Body::Whole => packet.payload = payload.clone(),
            Body::Upload { offset, szx } => {
                let end = payload.len().min(offset + size_of(*szx));
                packet.payload = payload[*offset..end].to_vec();
                if let Some(block) = Block::at(*offset, payload.len(), *szx) {
                    packet.add_option(CoapOption::Block1, block.encode());
                }
                if *offset == 0 {
                    let total = u32::try_from(payload.len()).unwrap_or(u32::MAX);
                    packet.add_option(CoapOption::Size1, uint(total));
                }
            }
            Body::Download(download) => {
                if let Some(block) = download.next() {
                    packet.add_option(CoapOption::Block2, block.encode());
                }
                return (packet, code);
            }
        }
        if let Some(format) = self.request.content_format {
            packet.add_option(CoapOption::ContentFormat, uint(format.into()));
        }
        (packet, code)
    }

    /// What follows from one response.
    fn advance(&mut self, params: &Params, szx: u8, answer: Answer) -> Result<Next, Unanswered> {
        match core::mem::replace(&mut self.body, Body::Whole) {
            Body::Whole => match self.smaller(&answer, 0, szx) {
                Some(body) => Ok(Next::Block(body)),
                None => self.begin_download(params, answer),
            },
            Body::Upload { offset, szx } => {
                // The counters want to know that there were blocks, however it ends.
                self.body = Body::Upload { offset, szx };
                match self.smaller(&answer, offset, szx) {
                    Some(body) => Ok(Next::Block(body)),
                    None => self.uploaded(params, answer, offset, szx),
                }
            }
            Body::Download(download) => {
                self.body = Body::Upload { offset: 0, szx: 0 };
                if !answer.response.code.is_success() {
                    return Ok(Next::Done(answer.response));
                }
                let block = answer.block2.ok_or(Unanswered::Garbled)?;
                next(download.add(answer, block, params.max_body)?)
            }
        }
    }

    /// A 4.13 to the beginning of a body may ask for smaller blocks (RFC 7959 §2.9.3).
    fn smaller(&self, answer: &Answer, offset: usize, szx: u8) -> Option<Body> {
        let hint = answer.block1?.szx;
        let helps = answer.response.code == Code::REQUEST_ENTITY_TOO_LARGE
            && offset == 0
            && hint < szx
            && self.request.payload.len() > size_of(hint);
        helps.then_some(Body::Upload { offset: 0, szx: hint })
    }

    /// One block of ours was answered.
    fn uploaded(
        &self,
        params: &Params,
        answer: Answer,
        offset: usize,
        szx: u8,
    ) -> Result<Next, Unanswered> {
        let sent = Block::at(offset, self.request.payload.len(), szx).ok_or(Unanswered::Garbled)?;
        if !sent.more || !answer.response.code.is_success() {
            return self.begin_download(params, answer);
        }
        match answer.block1 {
            Some(block) if block.num == sent.num => {
                let offset = offset + sent.size();
                Ok(Next::Block(Body::Upload { offset, szx: szx.min(block.szx) }))
            }
            _ => Err(Unanswered::Garbled),
        }
    }

    /// The request is over; its response may be the first block of many.
    fn begin_download(&self, params: &Params, answer: Answer) -> Result<Next, Unanswered> {
        match answer.block2 {
            _ if answer.response.code == Code::CONTINUE => Err(Unanswered::Garbled),
            Some(block) => next(Download::begin(answer, block, params.max_body)?),
            None => Ok(Next::Done(answer.response)),
        }
    }
}

fn next(piece: Piece) -> Result<Next, Unanswered> {
    match piece {
        Piece::Whole(response) => Ok(Next::Done(response)),
        Piece::More(download) if download.next().is_some() => {
            Ok(Next::Block(Body::Download(download)))
        }
        Piece::More(_) => Err(Unanswered::Garbled),
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.request.payload.zeroize();
    }
}
