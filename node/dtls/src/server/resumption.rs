//! Abbreviated handshakes: asked for by a hello, answered by whoever keeps the session.

use core::net::SocketAddr;
use core::time::Duration;

use super::endpoint::Endpoint;
use super::half_open::GIVE_UP;
use super::hello::Numbers;
use super::output::{CallId, FailureReason, HandshakeEvent, Opened, Output, Refusal, SessionCall};
use super::resuming::{Resumed, Resuming, Wish};
use super::session::{LastFlight, Place, Session, Watch};
use crate::cid;
use crate::counters::DropReason;
use crate::handle;
use crate::limit;
use crate::resume::Accepted;
use crate::stored::hello_mark;
use crate::suite::Suite;
use crate::wire::alert::{Alert, AlertDescription};
use crate::wire::hello::ClientHello;
use crate::wire::record;

/// Why a session is not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotResumed {
    /// It is not known, or this hello cannot resume it: a full handshake takes place.
    FullHandshake,
    /// The hello must not resume it (RFC 7627 §5.3): fatal alert 40.
    Forbidden,
    /// No answer could be had: silence, and it is asked for again.
    Unavailable,
}

impl Endpoint {
    /// Begins an abbreviated handshake if the hello, whose cookie was good, asks for one; `body` is
    /// that of the hello.
    pub(super) fn resume(
        &mut self,
        now: Duration,
        from: SocketAddr,
        numbers: Numbers,
        body: &[u8],
        hello: &ClientHello<'_>,
    ) -> bool {
        // What is wrong with a hello is said in the full handshake.
        let handle = handle::asked(&self.keys.checks, hello);
        let Some(handle) = handle.filter(|_| Self::admissible(hello).is_ok()) else {
            return false;
        };
        let cid = hello.extensions.cid.and_then(|_| self.new_cid());
        let random = self.new_random(now);
        let wish = Wish::of(handle, hello, cid, random);
        self.make_room(from, |endpoint| endpoint.resuming.evict());
        let times = (now, self.config.retransmit);
        let resuming = Resuming::new(times, wish, numbers, body, self.call());
        self.ask_session(from, Box::new(resuming));
        true
    }

    /// A first step went well: our flight leaves. If the handshake is gone by now, or has heard the
    /// answer, nothing happens. A session of a suite that this listener does not take, hence of
    /// another listener, is not resumed here: a full handshake takes place.
    pub fn resumed(&mut self, now: Duration, call: CallId, accepted: &Accepted) {
        let Some(peer) = self.resuming.asker(call) else {
            self.counters.late_answers += 1;
            return;
        };
        let silent = self.resuming.peek(peer).is_some_and(Resuming::is_silent);
        if silent && !self.config.suites.contains(&accepted.suite) {
            let resuming = self.resuming.take(peer);
            return resuming.into_iter().for_each(|it| self.begin_instead(now, peer, *it));
        }
        let buffer = self.spare.take();
        let flight = self.resuming.change(peer, |resuming| resuming.accepted(accepted, buffer));
        if let Some(bytes) = flight.flatten() {
            self.outputs.push_back(Output::Datagram { to: peer, bytes });
        }
    }

    /// A first step went otherwise.
    pub fn not_resumed(&mut self, now: Duration, call: CallId, why: NotResumed) {
        let Some((peer, mut resuming)) = self.take_resuming(call) else { return };
        if !resuming.is_silent() {
            // The client has heard that the session is resumed: there is no way back.
            resuming.not_again();
            return self.resuming.put(peer, resuming);
        }
        match why {
            NotResumed::Unavailable => self.resuming.put(peer, resuming),
            NotResumed::Forbidden => {
                let alert = Alert::fatal(AlertDescription::HANDSHAKE_FAILURE);
                self.alert(now, peer, resuming.next_record, alert);
                self.fail(peer, FailureReason::Denied);
            }
            NotResumed::FullHandshake => self.begin_instead(now, peer, *resuming),
        }
    }

    /// A full handshake takes place instead.
    fn begin_instead(&mut self, now: Duration, peer: SocketAddr, resuming: Resuming) {
        let (numbers, body) = resuming.into_hello();
        let hello = ClientHello::decode(&body).expect("it was decoded before it was kept");
        if let Err(reason) = self.begin(now, peer, numbers, &body, &hello) {
            self.counters.drop_for(reason);
        }
    }

    /// The client repeats its hello, so it may have missed our flight.
    pub(super) fn repeat_resumption(&mut self, from: SocketAddr) -> Result<(), DropReason> {
        let Some(mut resuming) = self.resuming.take(from) else { return Ok(()) };
        let again = resuming.again(self.call());
        if again.is_ok() {
            self.counters.retransmissions += 1;
            self.ask_session(from, resuming);
        } else {
            self.resuming.put(from, resuming);
        }
        again
    }

    /// Lets a resumption take something in, and asks for its second step once it is complete.
    pub(super) fn advance_resumption(
        &mut self,
        now: Duration,
        from: SocketAddr,
        step: impl FnOnce(&mut Resuming) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let call = self.call();
        let advanced = self.resuming.change(from, |resuming| {
            let result = step(resuming);
            (result, resuming.open(now, call).then(|| resuming.ask(from)).flatten())
        });
        let (result, question) = advanced.ok_or(DropReason::PlaintextRecord)?;
        question.into_iter().for_each(|question| self.need_session(question));
        result
    }

    /// Asks for the second step if there is something to ask about.
    fn open_resumption(&mut self, now: Duration, peer: SocketAddr, mut resuming: Box<Resuming>) {
        if resuming.open(now, self.call()) {
            self.ask_session(peer, resuming);
        } else {
            self.resuming.put(peer, resuming);
        }
    }

    pub(super) fn resumptions_due(&mut self, now: Duration) {
        while let Some((peer, mut resuming)) = self.resuming.take_due(now) {
            if resuming.age(now) >= GIVE_UP {
                self.counters.timed_out += 1;
                self.fail(peer, FailureReason::TimedOut);
                continue;
            }
            if resuming.due(now, self.call()) {
                self.ask_session(peer, resuming);
            } else {
                self.resuming.put(peer, resuming);
            }
        }
    }

    /// The second step went well: the session is open, and what was held is read.
    pub(super) fn resumption_opened(
        &mut self,
        now: Duration,
        call: CallId,
        opened: Opened,
    ) -> bool {
        let Some((peer, resuming)) = self.take_resuming(call) else { return false };
        if !resuming.is_opening() {
            // The answer to another question than was asked.
            self.resuming.put(peer, resuming);
            return false;
        }
        let took = resuming.age(now);
        let Some(resumed) = resuming.opened() else { return false };
        let suite = Suite::by_id(resumed.suite).filter(|suite| opened.keys.fit(suite.cipher));
        let Some(suite) = suite else {
            self.fail(peer, FailureReason::Unavailable);
            return false;
        };
        let (session, cid) = (opened.session, resumed.wish.cid.is_some());
        let held = self.install(now, peer, suite, resumed, opened);
        self.counters.established += 1;
        self.counters.resumed += 1;
        self.outputs.push_back(Output::Event(HandshakeEvent::Established {
            session,
            peer,
            suite: suite.id,
            cid,
            resumed: true,
            took,
        }));
        self.read_held(now, peer, &held);
        true
    }

    /// Keeps the session; gives what was held for it.
    fn install(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        suite: &Suite,
        resumed: Resumed,
        opened: Opened,
    ) -> Vec<Vec<u8>> {
        let wish = resumed.wish;
        let peer_cid = wish.peer_cid.unwrap_or_default();
        let mut session = Session {
            cipher: suite.cipher,
            keys: opened.keys,
            place: Place::new(wish.cid, peer),
            longest: limit::payload(wish.limit, !peer_cid.is_empty()),
            rrc: wish.rrc,
            peer_cid: peer_cid.into(),
            sealed: resumed.sealed,
            window: Default::default(),
            flight: None,
            owner: Box::default(),
            watch: Watch::default(),
        };
        if let Ok(finished) = record::decode(&resumed.finished, cid::LENGTH) {
            session.window.accept(finished.sequence);
        }
        let hello = hello_mark(&wish.client_random);
        let first_record = resumed.next_record;
        session.flight = Some(Box::new(LastFlight {
            home: peer,
            said: None,
            first_record,
            hello,
            finished: Box::default(),
            quiet_until: now,
        }));
        let displaced = self.sessions.insert(now, opened.session, session);
        if let Some(session) = displaced {
            self.outputs.push_back(Output::Displaced { session });
        }
        resumed.held
    }

    fn read_held(&mut self, now: Duration, peer: SocketAddr, held: &[Vec<u8>]) {
        for bytes in held {
            let record = record::decode(bytes, cid::LENGTH);
            let result = record.and_then(|record| self.protected(now, peer, &record));
            if let Err(reason) = result {
                self.counters.drop_for(reason);
            }
        }
    }

    /// The second step went otherwise.
    pub(super) fn resumption_refused(&mut self, now: Duration, call: CallId, refusal: Refusal) {
        let Some((peer, mut resuming)) = self.take_resuming(call) else { return };
        match refusal {
            Refusal::Denied | Refusal::UnknownIdentity | Refusal::Untrusted => {
                let alert = Alert::fatal(AlertDescription::ACCESS_DENIED);
                self.alert(now, peer, resuming.next_record, alert);
                self.fail(peer, FailureReason::Denied);
            }
            Refusal::BadFinished | Refusal::Unavailable => {
                resuming.reopen(now, refusal == Refusal::Unavailable);
                self.open_resumption(now, peer, resuming);
            }
        }
    }

    fn ask_session(&mut self, peer: SocketAddr, resuming: Box<Resuming>) {
        if let Some(call) = resuming.ask(peer) {
            self.need_session(call);
        }
        self.resuming.put(peer, resuming);
    }

    fn need_session(&mut self, call: SessionCall) {
        self.counters.resumption_calls += 1;
        self.ask(Output::NeedSession(Box::new(call)));
    }

    fn take_resuming(&mut self, call: CallId) -> Option<(SocketAddr, Box<Resuming>)> {
        let found = self.resuming.take_call(call, |_| true);
        if found.is_none() {
            self.counters.late_answers += 1;
        }
        found
    }
}
