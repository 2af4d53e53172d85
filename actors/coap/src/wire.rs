//! The message layer: ids, acknowledgements, retransmission, duplicates (RFC 7252 §4).

use crate::dedup::{Again, Seen};
use crate::message::{self, Kind, Message};
use crate::transmission::{Cargo, Transmission};
use crate::{Counters, Output, Params, Refusal, Token};
use coap_lite::Packet;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

/// What both halves of an association share.
pub(crate) struct Wire {
    /// The same for all associations of an owner that has many.
    pub(crate) params: Arc<Params>,
    /// The largest block that is sent here, as SZX.
    pub(crate) block_szx: u8,
    /// None while there is nothing to count: most associations are silent.
    counters: Option<Box<Counters>>,
    pub(crate) outputs: VecDeque<Output>,
    transmissions: Vec<Transmission>,
    seen: Seen,
    next_message_id: u16,
    /// State of a splitmix64 sequence. It spreads timers and nothing else: no secret.
    jitter: u64,
}

/// Whom a response goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplyTo {
    pub(crate) message_id: u16,
    pub(crate) token: Token,
    pub(crate) confirmable: bool,
    /// The empty acknowledgement has left: what follows is a message of its own.
    pub(crate) acknowledged: bool,
}

/// The end of a time-out.
pub(crate) struct Lost {
    pub(crate) message_id: u16,
    pub(crate) cargo: Cargo,
}

impl Wire {
    pub(crate) fn new(params: Arc<Params>, first_message_id: u16, block_szx: u8) -> Self {
        Self {
            params,
            block_szx,
            counters: None,
            outputs: VecDeque::new(),
            transmissions: Vec::new(),
            seen: Seen::default(),
            next_message_id: first_message_id,
            jitter: u64::from(first_message_id),
        }
    }

    /// What is counted, to be added to.
    pub(crate) fn count(&mut self) -> &mut Counters {
        self.counters.get_or_insert_default()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn take_counters(&mut self) -> Option<Counters> {
        self.counters.take().map(|counted| *counted)
    }

    /// Mixes random bits into the spreading of timers.
    pub(crate) fn stir(&mut self, random: u64) {
        self.jitter ^= random;
    }

    /// Sends a confirmable message until it is settled; gives its message id.
    pub(crate) fn send_confirmable(
        &mut self,
        now: Duration,
        cargo: Cargo,
        code: u8,
        token: Token,
        packet: &mut Packet,
    ) -> u16 {
        let message_id = self.take_message_id();
        let bytes = message::encode(Kind::Confirmable, code, message_id, token, packet);
        self.outputs.push_back(Output::Send(bytes.to_vec()));
        let random = self.random();
        let sent = Transmission::new(now, &self.params, message_id, cargo, bytes, random);
        self.transmissions.push(sent);
        message_id
    }

    /// Sends a response in the form that its request asks for (RFC 7252 §5.2).
    pub(crate) fn reply(&mut self, now: Duration, to: ReplyTo, code: u8, packet: &mut Packet) {
        if !to.confirmable {
            let message_id = self.take_message_id();
            let mut bytes =
                message::encode(Kind::NonConfirmable, code, message_id, to.token, packet);
            self.outputs.push_back(Output::Send(core::mem::take(&mut *bytes)));
        } else if to.acknowledged {
            self.send_confirmable(now, Cargo::Response, code, to.token, packet);
        } else {
            let kind = Kind::Acknowledgement;
            let mut bytes = message::encode(kind, code, to.message_id, to.token, packet);
            self.seen.answer(to.message_id, &bytes);
            self.outputs.push_back(Output::Send(core::mem::take(&mut *bytes)));
        }
    }

    /// Sends an empty acknowledgement, now and for each repetition.
    pub(crate) fn acknowledge(&mut self, message_id: u16) {
        let bytes = message::empty(Kind::Acknowledgement, message_id);
        self.seen.answer(message_id, &bytes);
        self.outputs.push_back(Output::Send(bytes));
    }

    /// Counts a message that came to nothing, and says so. One that matches nothing may as well
    /// be late as wrong: it is only counted.
    pub(crate) fn refuse(&mut self, why: Refusal) {
        self.count().refused[why.index()] += 1;
        if why != Refusal::Unmatched {
            self.outputs.push_back(Output::Refused(why));
        }
    }

    /// Rejects a message (RFC 7252 §4.2).
    pub(crate) fn reject(&mut self, message_id: u16) {
        self.outputs.push_back(Output::Send(message::empty(Kind::Reset, message_id)));
    }

    /// True if the message has come before: then it has got what it got the first time.
    pub(crate) fn is_duplicate(&mut self, now: Duration, message_id: u16) -> bool {
        let Some(again) = self.seen.find(now, message_id) else { return false };
        if let Again::Bytes(bytes) = again {
            self.outputs.push_back(Output::Send(bytes.to_vec()));
        }
        self.count().duplicates += 1;
        true
    }

    /// Remembers a message that is going to be acted on.
    pub(crate) fn remember(&mut self, now: Duration, message: &Message) {
        let lifetime = match message.kind {
            Kind::Confirmable => self.params.exchange_lifetime,
            _ => self.params.non_lifetime,
        };
        let limit = self.params.max_remembered;
        self.seen.insert(now, message.message_id, now.saturating_add(lifetime), limit);
    }

    /// Lets a repetition of this message pass as new.
    pub(crate) fn forget(&mut self, message_id: u16) {
        self.seen.remove(message_id);
    }

    /// The message needs no more retransmission; gives what it carried, if it was under way.
    pub(crate) fn settle(&mut self, message_id: u16) -> Option<Cargo> {
        let position = self.transmissions.iter().position(|t| t.message_id == message_id)?;
        Some(self.transmissions.swap_remove(position).cargo)
    }

    /// Sends again what is due; gives one message that has been sent often enough, if any.
    pub(crate) fn retransmit(&mut self, now: Duration) -> Option<Lost> {
        let mut index = 0;
        while let Some(sent) = self.transmissions.get_mut(index) {
            if sent.due > now {
                index += 1;
            } else if sent.back_off(now, &self.params) {
                self.counters.get_or_insert_default().retransmissions += 1;
                self.outputs.push_back(Output::Send(sent.bytes.to_vec()));
                index += 1;
            } else {
                let sent = self.transmissions.swap_remove(index);
                return Some(Lost { message_id: sent.message_id, cargo: sent.cargo });
            }
        }
        None
    }

    /// Gives back unused room.
    pub(crate) fn shrink(&mut self) {
        self.outputs.shrink_to_fit();
        self.transmissions.shrink_to_fit();
        self.seen.shrink();
    }

    /// Drops the message ids that are stale.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.seen.expire(now);
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.transmissions.iter().map(|sent| sent.due).chain(self.seen.last_expiry()).min()
    }

    /// True if nothing of ours waits for an acknowledgement.
    pub(crate) fn is_settled(&self) -> bool {
        self.transmissions.is_empty()
    }

    fn take_message_id(&mut self) -> u16 {
        let message_id = self.next_message_id;
        self.next_message_id = message_id.wrapping_add(1);
        message_id
    }

    fn random(&mut self) -> u32 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 32) as u32
    }
}
