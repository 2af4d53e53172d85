//! ClientHellos: the cookie, and what the two sides agree on.

use core::net::SocketAddr;
use core::time::Duration;

use super::endpoint::Endpoint;
use super::half_open::{Agreement, HalfOpen, MAX_FLIGHTS, Start};
use super::output::{FailureReason, HandshakeEvent, Output};
use super::resuming::Resuming;
use crate::cid;
use crate::cookie;
use crate::counters::DropReason;
use crate::curves::{CertificateType, Group, KeyPair, PublicIdentity};
use crate::handle;
use crate::limit;
use crate::suite::Suite;
use crate::wire::alert::{Alert, AlertDescription};
use crate::wire::certificate::pairs;
use crate::wire::cursor::put_vec8;
use crate::wire::extension::{Extensions, UNCOMPRESSED, offered_types};
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::{self, ContentType, RawRecord};
use crate::wire::{DTLS_1_0, DTLS_1_2};

/// Highest number of a ClientHello: 0 and 1, and some more for cookies that grew old.
const MAX_MESSAGE: u16 = 15;
/// Highest number of its record, so that ours never run out.
const MAX_RECORD: u64 = record::MAX_SEQUENCE / 2;

/// The numbers of a ClientHello, which ours go on from (RFC 6347 §4.2.1, §4.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) message: u16,
    pub(super) record: u64,
    /// Flights that its address got in handshakes which it did not end.
    pub(super) flights: u8,
}

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
        if !cookie::verify(&self.keys, now, from, &hello) {
            self.verify_request(now, from, record, fragment, &hello)?;
            // A cookie that does not hold is as good as none (RFC 6347 §4.2.1).
            return if hello.cookie.is_empty() { Ok(()) } else { Err(DropReason::BadCookie) };
        }
        let known = self.pending.peek(from);
        if known.is_some_and(|known| known.agreement.client_random == hello.random) {
            return self.repeat_flight(from);
        }
        if self.resuming.peek(from).is_some_and(|known| known.knows_hello(&hello.random)) {
            return self.repeat_resumption(from);
        }
        if self.sessions.knows_hello(from, &hello.random) {
            return Err(DropReason::RepeatedHello);
        }
        let flights = self.admit(now, from)?;
        self.counters.cookies_accepted += 1;
        self.outputs.push_back(Output::Event(HandshakeEvent::CookieVerified { peer: from }));
        let numbers = Numbers { message: fragment.sequence, record: record.sequence, flights };
        if self.config.resumption && self.resume(now, from, numbers, fragment.body, &hello) {
            return Ok(());
        }
        self.begin(now, from, numbers, fragment.body, &hello)
    }

    /// What a cookie buys: a new hello makes the flights that its address got no fewer, and while
    /// the queue is full each prefix has a share of it. Gives the number of those flights.
    fn admit(&mut self, now: Duration, from: SocketAddr) -> Result<u8, DropReason> {
        if self.draining {
            return Err(DropReason::Draining);
        }
        let full = self.pending.peek(from).map(HalfOpen::flights);
        let resuming = self.resuming.peek(from).map(Resuming::flights);
        let flights = full.max(resuming).unwrap_or(0);
        if flights >= MAX_FLIGHTS {
            return Err(DropReason::RepeatLimit);
        }
        let crowded = self.pending.is_full() || self.resuming.is_full();
        if crowded && !self.crowd.allow(now, from.ip()) {
            return Err(DropReason::Crowded);
        }
        Ok(flights)
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
        if self.draining {
            return Err(DropReason::Draining);
        }
        if core::mem::replace(&mut self.verify_requested, true) {
            return Err(DropReason::RepeatLimit);
        }
        let cookie = cookie::make(&self.keys, now, from, hello).ok_or(DropReason::NoKeys)?;
        let mut bytes = self.spare.take();
        let out = &mut bytes;
        let body = 2 + 1 + cookie.len();
        let length = handshake::HEADER + body;
        let (place, kind) = ((0, record.sequence), kind::HELLO_VERIFY_REQUEST);
        out.reserve(record::HEADER + length);
        record::put_header(out, ContentType::Handshake, DTLS_1_0, place, &[], length);
        out.extend_from_slice(&handshake::header(kind, fragment.sequence, body));
        out.extend_from_slice(&DTLS_1_0.to_be_bytes());
        put_vec8(out, &cookie).expect("a cookie has 17 bytes");
        self.counters.cookies_sent += 1;
        self.outputs.push_back(Output::Datagram { to: from, bytes });
        Ok(())
    }

    fn repeat_flight(&mut self, from: SocketAddr) -> Result<(), DropReason> {
        let Some(flight) = self.pending.change(from, HalfOpen::repeat) else {
            return Ok(());
        };
        let datagrams = flight?;
        self.counters.retransmissions += 1;
        self.send(from, datagrams);
        Ok(())
    }

    /// Begins a full handshake; `body` is that of the hello.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        from: SocketAddr,
        numbers: Numbers,
        body: &[u8],
        hello: &ClientHello<'_>,
    ) -> Result<(), DropReason> {
        let (agreement, group) = match self.agree(hello) {
            Ok(agreed) => agreed,
            Err(description) => {
                self.alert(now, from, numbers.record, Alert::fatal(description));
                self.fail(from, FailureReason::NoCommonSuite);
                return Err(DropReason::NoCommonSuite);
            }
        };
        let key_pair = group.and_then(|group| {
            let key = self.curves.as_ref()?.ephemeral(group)?;
            Some(KeyPair { group, key })
        });
        if key_pair.is_some() != group.is_some() {
            self.fail(from, FailureReason::Unavailable);
            return Err(DropReason::NoCommonSuite);
        }
        let random = self.new_random(now);
        let server_hello = server_hello(hello, &agreement, random);
        let start = Start { now, interval: self.config.retransmit, numbers };
        let half_open = HalfOpen::new(&start, agreement, key_pair, body, &server_hello);
        let mut half_open = Box::new(half_open);
        self.make_room(from, |endpoint| endpoint.pending.evict());
        let call = self.call();
        half_open.answer(now, &random, self.config.identity.as_ref(), call);
        match half_open.ask(from) {
            Some(question) => self.ask(question),
            None => {
                let flight = half_open.write_flight();
                self.send(from, flight);
            }
        }
        self.pending.put(from, half_open);
        Ok(())
    }

    /// A handshake gives way to a newer one of its address, the oldest of all to a newer one.
    pub(super) fn make_room(
        &mut self,
        from: SocketAddr,
        oldest: impl FnOnce(&mut Self) -> Option<SocketAddr>,
    ) {
        let own = self.pending.take(from).map(|_| from);
        let own = own.or(self.resuming.take(from).map(|_| from));
        if let Some(peer) = own.or_else(|| oldest(self)) {
            self.counters.evicted += 1;
            self.fail(peer, FailureReason::Evicted);
        }
    }

    /// What a hello must have whatever its credential.
    pub(super) fn admissible(hello: &ClientHello<'_>) -> Result<(), AlertDescription> {
        // DTLS counts versions downwards; a later one is answered with ours (RFC 5246 §E.1).
        if hello.version > DTLS_1_2 || hello.version >> 8 != 0xFE {
            return Err(AlertDescription::PROTOCOL_VERSION);
        }
        let first_handshake = hello.extensions.renegotiation.is_none_or(<[u8]>::is_empty);
        if !hello.compressions.contains(&0) || !first_handshake {
            return Err(AlertDescription::HANDSHAKE_FAILURE);
        }
        limit::of(&hello.extensions).map(|_| ())
    }

    /// What the hello and this listener have in common, and the group of its key agreement.
    fn agree(
        &mut self,
        hello: &ClientHello<'_>,
    ) -> Result<(Agreement, Option<Group>), AlertDescription> {
        Self::admissible(hello)?;
        let group = self.curves.as_ref().and_then(|_| common_group(&hello.extensions));
        let identity = self.config.identity.as_ref();
        let accepts = &self.config.client_types[..];
        let types =
            identity.and_then(|identity| common_types(&hello.extensions, identity, accepts));
        let suite = Suite::choose(hello.suites(), |suite| {
            let exchange = suite.key_exchange;
            self.config.suites.contains(&suite.id)
                && (!exchange.is_ephemeral() || group.is_some())
                && (!exchange.is_signed() || types.is_some())
        });
        let suite = suite.ok_or(AlertDescription::HANDSHAKE_FAILURE)?;
        let (server_type, client_type) =
            types.unwrap_or((CertificateType::X509, CertificateType::X509));
        // Without extended master secret nothing would bind a resumption to its session; and where
        // no pre-shared key goes into the master secret, it follows from what this edge holds.
        let resumable = self.config.resumption
            && suite.key_exchange.uses_psk()
            && hello.extensions.extended_master_secret;
        let checks = &self.keys.checks[..];
        let handle = resumable.then(|| handle::make(checks, &mut *self.rng)).flatten();
        let agreement = Agreement {
            client_random: hello.random,
            suite,
            server_type,
            client_type,
            sni: hello.extensions.sni(),
            cid: hello.extensions.cid.and_then(|_| self.new_cid()),
            peer_cid: hello.extensions.cid.map(<[u8]>::to_vec),
            handle,
            ticket: handle.is_some() && hello.extensions.session_ticket.is_some(),
            limit: limit::of(&hello.extensions)?,
            rrc: hello.extensions.asks_rrc(),
        };
        Ok((agreement, group.filter(|_| suite.key_exchange.is_ephemeral())))
    }

    /// An id that no session here has. Elsewhere it may exist; then the MAC decides.
    pub(super) fn new_cid(&mut self) -> Option<[u8; cid::LENGTH]> {
        let id = cid::make(&self.keys.checks, &mut *self.rng)?;
        match self.sessions.has_cid(id) {
            true => cid::make(&self.keys.checks, &mut *self.rng),
            false => Some(id),
        }
    }

    /// The time, by which the holder of the key sees how old the handshake is, and randomness.
    pub(super) fn new_random(&mut self, now: Duration) -> [u8; 32] {
        let mut random = [0; 32];
        random[..4].copy_from_slice(&(now.as_secs() as u32).to_be_bytes());
        self.rng.fill_bytes(&mut random[4..]);
        random
    }
}

/// The group to take. A client that says nothing has P-256 (RFC 8422 §4, RFC 7925 §4.4); one
/// that does not take uncompressed points has none (§5.1.2).
fn common_group(extensions: &Extensions<'_>) -> Option<Group> {
    if extensions.point_formats.is_some_and(|formats| !formats.contains(&UNCOMPRESSED)) {
        return None;
    }
    match extensions.groups {
        None => Some(Group::Secp256r1),
        Some(groups) => Group::choose(pairs(groups)),
    }
}

/// In which forms the listener and the client present their keys: for each the first of the
/// client's that we have. None if the client does not have the curve of the listener's key (RFC
/// 8422 §5.3), or does not verify what that signs: to a hello without the extension RFC 5246
/// §7.4.1.4.1 answers with SHA-1, which RFC 9155 §2 forbids.
fn common_types(
    extensions: &Extensions<'_>,
    identity: &PublicIdentity,
    accepts: &[CertificateType],
) -> Option<(CertificateType, CertificateType)> {
    let (scheme, group) = (identity.scheme as u16, identity.group as u16);
    if extensions.groups.is_some_and(|groups| !pairs(groups).any(|id| id == group)) {
        return None;
    }
    pairs(extensions.signature_schemes?).find(|id| *id == scheme)?;
    let offered = |body| Some(offered_types(body)?.iter().copied());
    let mut server = offered(extensions.server_certificate_type)?;
    let server = server.find_map(|id| CertificateType::by_id(id).filter(|it| identity.has(*it)))?;
    let client = offered(extensions.client_certificate_type)?.filter_map(CertificateType::by_id);
    let client = client.into_iter().find(|kind| accepts.contains(kind))?;
    Some((server, client))
}

fn server_hello(hello: &ClientHello<'_>, agreement: &Agreement, random: [u8; 32]) -> Vec<u8> {
    let offered = &hello.extensions;
    let (suite, exchange) = (agreement.suite, agreement.suite.key_exchange);
    // A type is named where the client named some (RFC 7250 §4.2).
    let (client_type, server_type) = ([agreement.client_type as u8], [agreement.server_type as u8]);
    let named = |offered: Option<&[u8]>| offered.is_some() && exchange.is_signed();
    let server_hello = ServerHello {
        version: DTLS_1_2,
        random,
        session_id: agreement.handle.as_ref().map_or(&[], |handle| &handle[..]),
        suite: suite.id,
        compression: 0,
        extensions: Extensions {
            point_formats: (offered.point_formats.is_some() && exchange.is_ephemeral())
                .then_some(&[UNCOMPRESSED]),
            client_certificate_type: named(offered.client_certificate_type)
                .then_some(&client_type[..]),
            server_certificate_type: named(offered.server_certificate_type)
                .then_some(&server_type[..]),
            encrypt_then_mac: offered.encrypt_then_mac && !suite.cipher.is_aead(),
            extended_master_secret: offered.extended_master_secret,
            session_ticket: agreement.ticket.then_some(&[]),
            cid: agreement.cid.as_ref().map(|cid| &cid[..]),
            renegotiation: hello.signals_renegotiation().then_some(&[]),
            rrc: agreement.rrc,
            ..limit::answer(offered)
        },
    };
    let mut body = Vec::with_capacity(80);
    server_hello.encode(&mut body).expect("each field is short");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndpointConfig, SignatureScheme};

    fn identity(raw_public_key: &[u8]) -> PublicIdentity {
        let (group, scheme) = (Group::Secp256r1, SignatureScheme::EcdsaSha256);
        PublicIdentity::new(vec![vec![1]], raw_public_key.to_vec(), group, scheme).expect("short")
    }

    /// At a listener that takes both forms.
    fn types(
        extensions: &Extensions<'_>,
        identity: &PublicIdentity,
    ) -> Option<(CertificateType, CertificateType)> {
        common_types(extensions, identity, &EndpointConfig::default().client_types)
    }

    #[test]
    fn a_hello_without_signature_algorithms_has_no_signed_suite() {
        // RFC 5246 §7.4.1.4.1 would have SHA-1; RFC 9155 §2 refuses.
        let (sha_1, ours) = ([2, 3], [6, 3, 4, 3]);
        let with = |schemes| Extensions { signature_schemes: schemes, ..Extensions::default() };

        assert_eq!(types(&with(None), &identity(&[2])), None);
        assert_eq!(types(&with(Some(&sha_1)), &identity(&[2])), None);
        let x509 = CertificateType::X509;
        assert_eq!(types(&with(Some(&ours)), &identity(&[2])), Some((x509, x509)));
    }

    #[test]
    fn the_first_types_of_the_clients_that_we_have_are_taken() {
        let schemes = Some(&[4, 3][..]);
        let (both, unknown) = ([3, 1, 2, 0], [1, 1]);
        let with = |client, server| Extensions {
            signature_schemes: schemes,
            client_certificate_type: Some(client),
            server_certificate_type: Some(server),
            ..Extensions::default()
        };
        let (x509, raw) = (CertificateType::X509, CertificateType::RawPublicKey);

        assert_eq!(types(&with(&both, &both), &identity(&[2])), Some((raw, raw)));
        let only = common_types(&with(&both, &both), &identity(&[2]), &[x509]);
        assert_eq!(only, Some((raw, x509)));
        let no_key = identity(&[]);
        assert_eq!(types(&with(&both, &both), &no_key), Some((x509, raw)));
        assert_eq!(types(&with(&unknown, &both), &identity(&[2])), None);
        assert_eq!(types(&with(&both, &unknown), &identity(&[2])), None);
        assert_eq!(types(&with(&[0], &both), &identity(&[2])), None);
    }

    #[test]
    fn a_client_that_lacks_the_curve_of_our_key_has_no_signed_suite() {
        // RFC 8422 §5.3.
        let with = |groups| Extensions {
            signature_schemes: Some(&[4, 3]),
            groups: Some(groups),
            ..Extensions::default()
        };

        assert!(types(&with(&[0, 29, 0, 23]), &identity(&[2])).is_some());
        assert_eq!(types(&with(&[0, 29]), &identity(&[2])), None);
    }

    #[test]
    fn point_formats_must_have_the_uncompressed_one() {
        // RFC 8422 §5.1.2.
        let with = |formats| Extensions { point_formats: formats, ..Extensions::default() };

        assert_eq!(common_group(&with(None)), Some(Group::Secp256r1));
        assert_eq!(common_group(&with(Some(&[1, 0]))), Some(Group::Secp256r1));
        assert_eq!(common_group(&with(Some(&[1, 2]))), None);
    }
}
