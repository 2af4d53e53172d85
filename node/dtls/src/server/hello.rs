//! ClientHellos: the cookie, and what the two sides agree on.

use core::net::SocketAddr;
use core::time::Duration;

use super::endpoint::Endpoint;
use super::half_open::{Agreement, HalfOpen, Start};
use super::output::{FailureReason, HandshakeEvent, Output};
use crate::cid;
use crate::cookie;
use crate::counters::DropReason;
use crate::suite::Suite;
use crate::wire::alert::{Alert, AlertDescription};
use crate::wire::cursor::put_vec8;
use crate::wire::extension::Extensions;
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{ClientHello, EMPTY_RENEGOTIATION_INFO_SCSV, ServerHello};
use crate::wire::record::{self, ContentType, RawRecord};
use crate::wire::{DTLS_1_0, DTLS_1_2};

/// Highest number of a ClientHello: 0 and 1, and some more for cookies that grew old.
const MAX_MESSAGE: u16 = 15;
/// Highest number of its record, so that ours never run out.
const MAX_RECORD: u64 = record::MAX_SEQUENCE / 2;

impl Endpoint {
    /// A ClientHello of epoch 0. Until its cookie is good, nothing is kept.
    pub(super) fn client_hello(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record: &RawRecord<'_>,
        fragment: &Fragment<'_>,
    ) -> Result<(), DropReason> {
        if !fragment.is_whole() {
            return Err(DropReason::FragmentedHello);
        }
        if fragment.sequence > MAX_MESSAGE || record.sequence > MAX_RECORD {
            return Err(DropReason::Number);
        }
        let hello = ClientHello::decode(fragment.body).ok_or(DropReason::Malformed)?;
        if !cookie::verify(&self.keys.cookie, now, from, &hello) {
            self.verify_request(now, from, record, fragment, &hello)?;
            // A cookie that does not hold is as good as none (RFC 6347 §4.2.1).
            return if hello.cookie.is_empty() { Ok(()) } else { Err(DropReason::BadCookie) };
        }
        let known = self.pending.peek(from);
        if known.is_some_and(|known| known.agreement.client_random == hello.random) {
            return self.repeat_flight(from);
        }
        if self.sessions.knows_hello(from, &hello.random) {
            return Err(DropReason::RepeatedHello);
        }
        self.begin(now, from, record, fragment, &hello)
    }

    /// Answers with a cookie, once a datagram: many hellos in one must not be many datagrams to
    /// an address that nobody has proven.
    fn verify_request(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record: &RawRecord<'_>,
        fragment: &Fragment<'_>,
        hello: &ClientHello<'_>,
    ) -> Result<(), DropReason> {
        if core::mem::replace(&mut self.verify_requested, true) {
            return Err(DropReason::RepeatLimit);
        }
        let mut bytes = self.spare.take();
        let out = &mut bytes;
        let cookie = cookie::make(&self.keys.cookie, now, from, hello);
        let body = 2 + 1 + cookie.len();
        let length = handshake::HEADER + body;
        let (place, kind) = ((0, record.sequence), kind::HELLO_VERIFY_REQUEST);
        record::put_header(out, ContentType::Handshake, DTLS_1_0, place, &[], length);
        handshake::put_header(out, kind, fragment.sequence, body);
        out.extend_from_slice(&DTLS_1_0.to_be_bytes());
        put_vec8(out, &cookie).expect("a cookie has 17 bytes");
        self.counters.cookies_sent += 1;
        self.outputs.push_back(Output::Datagram { to: from, bytes });
        Ok(())
    }

    fn repeat_flight(&mut self, from: SocketAddr) -> Result<(), DropReason> {
        let Some(mut half_open) = self.pending.take(from) else {
            return Ok(());
        };
        let flight = half_open.repeat();
        self.pending.put(from, half_open);
        let bytes = flight?;
        self.counters.retransmissions += 1;
        self.outputs.push_back(Output::Datagram { to: from, bytes });
        Ok(())
    }

    fn begin(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record: &RawRecord<'_>,
        fragment: &Fragment<'_>,
        hello: &ClientHello<'_>,
    ) -> Result<(), DropReason> {
        self.counters.cookies_accepted += 1;
        self.outputs.push_back(Output::Event(HandshakeEvent::CookieVerified { peer: from }));
        let agreement = match self.agree(hello) {
            Ok(agreement) => agreement,
            Err(description) => {
                self.alert(now, from, record.sequence, Alert::fatal(description));
                self.fail(from, FailureReason::NoCommonSuite);
                return Err(DropReason::NoCommonSuite);
            }
        };
        let server_hello = self.server_hello(now, hello, &agreement);
        let start = Start {
            now,
            interval: self.config.retransmit,
            message: fragment.sequence,
            record: record.sequence,
        };
        let mut half_open = HalfOpen::new(&start, agreement, fragment.body, &server_hello);
        self.make_room(from);
        let bytes = half_open.write_flight();
        self.pending.put(from, half_open);
        self.outputs.push_back(Output::Datagram { to: from, bytes });
        Ok(())
    }

    /// A handshake gives way to a newer one of its address, the oldest of all to a newer one.
    fn make_room(&mut self, from: SocketAddr) {
        let own = self.pending.take(from).map(|half_open| (from, half_open));
        if let Some((peer, _)) = own.or_else(|| self.pending.evict()) {
            self.counters.evicted += 1;
            self.fail(peer, FailureReason::Evicted);
        }
    }

    fn agree(&mut self, hello: &ClientHello<'_>) -> Result<Agreement, AlertDescription> {
        // DTLS counts versions downwards; a later one is answered with ours (RFC 5246 §E.1).
        if hello.version > DTLS_1_2 || hello.version >> 8 != 0xFE {
            return Err(AlertDescription::PROTOCOL_VERSION);
        }
        let first_handshake = hello.extensions.renegotiation.is_none_or(<[u8]>::is_empty);
        if !hello.compressions.contains(&0) || !first_handshake {
            return Err(AlertDescription::HANDSHAKE_FAILURE);
        }
        let suite =
            hello.suites().find_map(Suite::by_id).ok_or(AlertDescription::HANDSHAKE_FAILURE)?;
        let host_name = hello.extensions.host_name.and_then(|name| core::str::from_utf8(name).ok());
        Ok(Agreement {
            client_random: hello.random,
            suite,
            sni: host_name.map(str::to_owned),
            cid: hello.extensions.cid.map(|_| self.new_cid()),
            peer_cid: hello.extensions.cid.map(<[u8]>::to_vec),
        })
    }

    /// An id that no session here has. Elsewhere it may exist; then the MAC decides.
    fn new_cid(&mut self) -> [u8; cid::LENGTH] {
        let id = cid::make(&self.keys.cid, &mut *self.rng);
        if self.sessions.has_cid(id) { cid::make(&self.keys.cid, &mut *self.rng) } else { id }
    }

    fn server_hello(
        &mut self,
        now: Duration,
        hello: &ClientHello<'_>,
        agreement: &Agreement,
    ) -> Vec<u8> {
        let mut random = [0; 32];
        // The time, by which the holder of the key sees how old the handshake is.
        random[..4].copy_from_slice(&(now.as_secs() as u32).to_be_bytes());
        self.rng.fill_bytes(&mut random[4..]);
        let signalled =
            hello.extensions.renegotiation.is_some() || hello.offers(EMPTY_RENEGOTIATION_INFO_SCSV);
        let server_hello = ServerHello {
            version: DTLS_1_2,
            random,
            session_id: &[],
            suite: agreement.suite.id,
            compression: 0,
            extensions: Extensions {
                host_name: None,
                extended_master_secret: hello.extensions.extended_master_secret,
                cid: agreement.cid.as_ref().map(|cid| &cid[..]),
                renegotiation: signalled.then_some(&[]),
            },
        };
        let mut body = Vec::with_capacity(80);
        server_hello.encode(&mut body).expect("each field is short");
        body
    }
}
