//! An established session as bytes that any edge can continue it from.
//!
//! Whoever checks the credential makes one ([`StoredSession::at_open`]), seals its bytes and keeps
//! them; an edge that never saw the handshake opens it with [`crate::Endpoint::restore`]. What is
//! not in it is the number of the next record to be sealed: that comes with each record, from the
//! one who numbers them. The first byte is a version; the bytes of every version stay in the tests.
//!
//! ```text
//! version 1 | flags | suite 2 | session 16 | created 6 | window 8 + 8 | port 2 | address 4 or 16
//! cid 8? | n, peer's cid | n, key block | (message 2 | verify_data 12 | hello 8 | ticket 16?)?
//! record limit 2?
//! ```

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use zeroize::Zeroizing;

use crate::cid;
use crate::handle;
use crate::keys::{SessionId, SessionKeys};
use crate::limit;
use crate::protection::Direction;
use crate::replay::Window;
use crate::schedule::Evidence;
use crate::server::Opened;
use crate::suite::Suite;
use crate::wire::cursor::{Cursor, put_vec8};
use crate::wire::handshake::{Fragment, kind};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::{self, ContentType, Records};

const VERSION: u8 = 1;
/// The bits of the flags.
mod flag {
    pub(super) const EXTENDED_MASTER_SECRET: u8 = 1;
    pub(super) const CID: u8 = 2;
    pub(super) const IPV6: u8 = 4;
    pub(super) const FLIGHT: u8 = 8;
    pub(super) const TICKET: u8 = 16;
    pub(super) const RECORD_LIMIT: u8 = 32;
    pub(super) const RRC: u8 = 64;
    pub(super) const ALL: u8 = 127;
}

/// An established session, as it is stored: at most 250 bytes, and what the peer's connection id
/// has beyond 16.
#[derive(Clone)]
pub struct StoredSession {
    /// Its name.
    pub session: SessionId,
    /// IANA number of the cipher suite, one of [`crate::SUITES`].
    pub suite: u16,
    /// Its record keys.
    pub keys: SessionKeys,
    /// Whether the master secret is the extended one (RFC 7627).
    pub extended_master_secret: bool,
    /// Our connection id.
    pub cid: Option<[u8; cid::LENGTH]>,
    /// The id that we put into our records; empty if none.
    pub peer_cid: Vec<u8>,
    /// The address of the handshake.
    pub peer: SocketAddr,
    /// When it was opened, since the Unix epoch; milliseconds count.
    pub created: Duration,
    /// What was read. Who heard of later records puts [`Window::above`] the highest here.
    pub window: Window,
    /// What it takes to send our last flight again; none if the client's was the last.
    pub flight: Option<StoredFlight>,
    /// Most plaintext that the peer takes in a record, at least 64 bytes (RFC 8449); `None` if it
    /// does not say.
    pub record_limit: Option<u16>,
    /// Whether the peer answers checks of its address (RFC 9853).
    pub rrc: bool,
}

/// What the session of a record is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Our connection id.
    Cid([u8; cid::LENGTH]),
    /// The address of the handshake.
    Address,
}

impl Sought {
    /// By what the session of a datagram's first protected record is found; `None` if there is none
    /// in it.
    pub fn of(datagram: &[u8]) -> Option<Self> {
        let mut records = Records::new(datagram, cid::LENGTH).map_while(Result::ok);
        let record = records.find(|record| record.epoch == 1)?;
        match record.kind {
            ContentType::Tls12Cid => Some(Self::Cid(record.cid.try_into().ok()?)),
            _ => Some(Self::Address),
        }
    }
}

/// The server's last flight: NewSessionTicket if there was one, ChangeCipherSpec, Finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFlight {
    /// Number of the flight's first message.
    pub message: u16,
    /// The server's verify_data (RFC 5246 §7.4.9).
    pub verify_data: [u8; 12],
    /// The end of the client's random, by which a late copy of its hello is known.
    pub hello: [u8; 8],
    /// The ticket that the flight bears (RFC 5077 §3.3).
    pub ticket: Option<[u8; handle::LENGTH]>,
}

impl StoredSession {
    /// The session that this credential step has opened. `None` if the evidence does not parse,
    /// which an answer to it rules out.
    pub fn at_open(
        evidence: &Evidence<'_>,
        opened: &Opened,
        peer: SocketAddr,
        now: Duration,
    ) -> Option<Self> {
        let cid: Option<[u8; cid::LENGTH]> = match evidence.cid {
            Some(cid) => Some(cid.try_into().ok()?),
            None => None,
        };
        let finished = record::decode(evidence.finished, cid.map_or(0, |cid| cid.len())).ok()?;
        let mut window = Window::default();
        window.accept(finished.sequence);
        let said = Said::decode(evidence.transcript)?;
        Some(Self {
            session: opened.session,
            suite: evidence.suite,
            keys: opened.keys.clone(),
            extended_master_secret: said.extended_master_secret,
            cid,
            peer_cid: evidence.peer_cid.unwrap_or_default().to_vec(),
            peer,
            created: Duration::from_millis(now.as_millis() as u64),
            window,
            flight: said.last.map(|message| StoredFlight {
                message,
                verify_data: opened.verify_data,
                hello: said.hello,
                ticket: said.ticket,
            }),
            record_limit: said.record_limit,
            rrc: said.rrc,
        })
    }

    /// The highest number of a record in `datagram` that verifies as one of this session; `None` if
    /// none does. Whether it was read before is not looked at.
    pub fn newest_in(&self, datagram: &[u8]) -> Option<u64> {
        let cipher = Suite::by_id(self.suite).filter(|suite| self.keys.fit(suite.cipher))?.cipher;
        let cid = self.cid.as_ref().map_or(&[][..], |cid| &cid[..]);
        let direction = Direction::from_client(cipher, &self.keys, cid);
        let verified = Records::new(datagram, cid::LENGTH).map_while(Result::ok).filter(|record| {
            let mut payload = Zeroizing::new(Vec::new());
            record.epoch == 1 && direction.open(record, &mut payload).is_ok()
        });
        verified.map(|record| record.sequence).max()
    }

    /// The bytes to be sealed and kept. `None` if a connection id exceeds 255 bytes.
    pub fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(Vec::with_capacity(256));
        out.extend([VERSION, self.flags()]);
        out.extend(self.suite.to_be_bytes());
        out.extend(self.session.0);
        out.extend_from_slice(&(self.created.as_millis() as u64).to_be_bytes()[2..]);
        let (next, seen) = self.window.parts();
        out.extend(next.to_be_bytes());
        out.extend(seen.to_be_bytes());
        out.extend(self.peer.port().to_be_bytes());
        match self.peer.ip() {
            IpAddr::V4(ip) => out.extend(ip.octets()),
            IpAddr::V6(ip) => out.extend(ip.octets()),
        }
        out.extend(self.cid.iter().flatten());
        put_vec8(&mut out, &self.peer_cid)?;
        put_vec8(&mut out, &self.keys.to_bytes())?;
        if let Some(flight) = &self.flight {
            out.extend(flight.message.to_be_bytes());
            out.extend(flight.verify_data);
            out.extend(flight.hello);
            out.extend(flight.ticket.iter().flatten());
        }
        out.extend(self.record_limit.iter().flat_map(|limit| limit.to_be_bytes()));
        Some(out)
    }

    fn flags(&self) -> u8 {
        let ticket = self.flight.as_ref().is_some_and(|flight| flight.ticket.is_some());
        let set = [
            (flag::EXTENDED_MASTER_SECRET, self.extended_master_secret),
            (flag::CID, self.cid.is_some()),
            (flag::IPV6, self.peer.is_ipv6()),
            (flag::FLIGHT, self.flight.is_some()),
            (flag::TICKET, ticket),
            (flag::RECORD_LIMIT, self.record_limit.is_some()),
            (flag::RRC, self.rrc),
        ];
        set.into_iter().filter(|(_, on)| *on).fold(0, |flags, (bit, _)| flags | bit)
    }

    /// Reads what [`StoredSession::encode`] wrote, to its last byte. `None` for anything else, a
    /// version or a suite that is not known here among it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let flags = match cursor.array()? {
            [VERSION, flags] if flags & !flag::ALL == 0 => flags,
            _ => return None,
        };
        let has = |bit: u8| flags & bit != 0;
        let suite = Suite::by_id(cursor.u16()?)?;
        let session = SessionId(cursor.array()?);
        let created = Duration::from_millis(cursor.u48()?);
        let window = Window::from_parts(cursor.u64()?, cursor.u64()?);
        let port = cursor.u16()?;
        let ip: IpAddr = match has(flag::IPV6) {
            true => cursor.array::<16>()?.into(),
            false => cursor.array::<4>()?.into(),
        };
        let cid = if has(flag::CID) { Some(cursor.array()?) } else { None };
        let peer_cid = cursor.vec8()?.to_vec();
        let keys = SessionKeys::from_bytes(cursor.vec8()?).filter(|keys| keys.fit(suite.cipher))?;
        let flight = if has(flag::FLIGHT) {
            Some(StoredFlight::decode(&mut cursor, has(flag::TICKET))?)
        } else {
            None
        };
        let record_limit = if has(flag::RECORD_LIMIT) {
            Some(cursor.u16().filter(|limit| *limit >= limit::LEAST)?)
        } else {
            None
        };
        (cursor.is_empty() && (flight.is_some() || !has(flag::TICKET))).then_some(Self {
            session,
            suite: suite.id,
            keys,
            extended_master_secret: has(flag::EXTENDED_MASTER_SECRET),
            cid,
            peer_cid,
            peer: SocketAddr::new(ip, port),
            created,
            window,
            flight,
            record_limit,
            rrc: has(flag::RRC),
        })
    }
}

impl StoredFlight {
    fn decode(cursor: &mut Cursor<'_>, ticket: bool) -> Option<Self> {
        Some(Self {
            // A ticket in front of the Finished takes a number too.
            message: cursor.u16().filter(|message| *message < u16::MAX)?,
            verify_data: cursor.array()?,
            hello: cursor.array()?,
            ticket: if ticket { Some(cursor.array()?) } else { None },
        })
    }
}

impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSession")
            .field("session", &self.session)
            .field("suite", &self.suite)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// The end of a client's random: enough to know its hello again by.
pub(crate) fn hello_mark(client_random: &[u8; 32]) -> [u8; 8] {
    *client_random.last_chunk().expect("8 is less than 32")
}

/// What a transcript says of the session beside its keys.
struct Said {
    extended_master_secret: bool,
    hello: [u8; 8],
    /// Number of the first message of the server's last flight, if there is one to come.
    last: Option<u16>,
    ticket: Option<[u8; handle::LENGTH]>,
    record_limit: Option<u16>,
    rrc: bool,
}

impl Said {
    fn decode(transcript: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(transcript);
        let client = Fragment::decode(&mut cursor).ok()?;
        let client = ClientHello::decode(client.body)?;
        let server = Fragment::decode(&mut cursor).ok()?;
        let server = ServerHello::decode(server.body)?;
        let mut last = None;
        while !cursor.is_empty() {
            let message = Fragment::decode(&mut cursor).ok()?;
            if message.kind == kind::SERVER_HELLO_DONE {
                last = message.sequence.checked_add(1).filter(|number| *number < u16::MAX);
            }
        }
        Some(Self {
            extended_master_secret: client.extensions.extended_master_secret
                && server.extensions.extended_master_secret,
            hello: hello_mark(&client.random),
            last,
            ticket: server.ticket(),
            record_limit: limit::of(&client.extensions).ok()?,
            rrc: client.extensions.asks_rrc() && server.extensions.rrc,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::hex;

    fn sample() -> StoredSession {
        StoredSession {
            session: SessionId(core::array::from_fn(|i| 0x10 + i as u8)),
            suite: 0xC0A8,
            keys: SessionKeys::from_bytes(&core::array::from_fn::<u8, 40, _>(|i| 0x80 + i as u8))
                .expect("the key block of an AEAD"),
            extended_master_secret: true,
            cid: Some([1, 2, 3, 4, 5, 6, 7, 8]),
            peer_cid: vec![0xC1, 0x1D],
            peer: "192.0.2.1:5000".parse().expect("an address"),
            created: Duration::from_millis(1_800_000_000_123),
            window: Window::from_parts(6, 0b11_1101),
            flight: Some(StoredFlight {
                message: 3,
                verify_data: [0xF1; 12],
                hello: [0xC5; 8],
                ticket: None,
            }),
            record_limit: None,
            rrc: false,
        }
    }

    /// The bytes of version 1: they are kept in ledgers, so they stay readable for ever.
    const VERSION_1: [&str; 3] = [
        "01 0b c0a8 101112131415161718191a1b1c1d1e1f 01a3185c507b 0000000000000006 \
         000000000000003d 1388 c0000201 0102030405060708 02c11d 28 \
         808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3a4a5a6a7 \
         0003 f1f1f1f1f1f1f1f1f1f1f1f1 c5c5c5c5c5c5c5c5",
        "01 04 c0a8 101112131415161718191a1b1c1d1e1f 01a3185c507b 0000000000000006 \
         000000000000003d 1388 20010db8000000000000000000000001 00 28 \
         808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3a4a5a6a7",
        // With a limit of records and checks of addresses.
        "01 6b c0a8 101112131415161718191a1b1c1d1e1f 01a3185c507b 0000000000000006 \
         000000000000003d 1388 c0000201 0102030405060708 02c11d 28 \
         808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3a4a5a6a7 \
         0003 f1f1f1f1f1f1f1f1f1f1f1f1 c5c5c5c5c5c5c5c5 0200",
    ];

    fn samples() -> [StoredSession; 3] {
        let bare = StoredSession {
            extended_master_secret: false,
            cid: None,
            peer_cid: Vec::new(),
            peer: "[2001:db8::1]:5000".parse().expect("an address"),
            flight: None,
            ..sample()
        };
        let limited = StoredSession { record_limit: Some(512), rrc: true, ..sample() };
        [sample(), bare, limited]
    }

    #[test]
    fn version_1_is_written_and_read_as_ever() {
        for (session, golden) in samples().into_iter().zip(VERSION_1) {
            let golden = hex(golden);

            assert_eq!(session.encode().expect("short ids")[..], golden);
            let read = StoredSession::decode(&golden).expect("version 1");
            assert_eq!(read.encode().expect("short ids")[..], golden);
            assert_eq!((read.suite, read.peer, read.cid), (0xC0A8, session.peer, session.cid));
            assert_eq!((read.created, read.window), (session.created, session.window));
            assert_eq!((&read.peer_cid, read.flight), (&session.peer_cid, session.flight));
            assert_eq!((read.record_limit, read.rrc), (session.record_limit, session.rrc));
        }
    }

    #[test]
    fn the_longest_has_at_most_250_bytes() {
        let flight = sample().flight.map(|flight| StoredFlight { ticket: Some([9; 16]), ..flight });
        let longest = StoredSession {
            suite: 0x00AE,
            keys: SessionKeys::from_bytes(&[1; 97]).expect("the key block of CBC"),
            peer_cid: vec![7; 16],
            peer: "[2001:db8::1]:5000".parse().expect("an address"),
            flight,
            record_limit: Some(512),
            ..sample()
        };

        let bytes = longest.encode().expect("short ids");
        assert!(bytes.len() <= 250, "{}", bytes.len());
        assert!(StoredSession::decode(&bytes).is_some());
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        let bytes = sample().encode().expect("short ids").to_vec();
        for length in 0..bytes.len() {
            assert!(StoredSession::decode(&bytes[..length]).is_none(), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(StoredSession::decode(&longer).is_none());
        let limited = StoredSession { record_limit: Some(63), ..sample() };
        assert!(StoredSession::decode(&limited.encode().expect("short ids")).is_none());
        let far = StoredFlight { message: u16::MAX, ..sample().flight.expect("it has one") };
        let far = StoredSession { flight: Some(far), ..sample() };
        assert!(StoredSession::decode(&far.encode().expect("short ids")).is_none());
        // Another version, an unknown flag, a ticket without a flight, an unknown suite.
        for (at, value) in [(0, 0), (0, 2), (1, 0x8B), (1, 0x13), (2, 0x13)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert!(StoredSession::decode(&changed).is_none(), "{at} {value}");
        }
    }

    #[test]
    fn its_keys_do_not_print() {
        assert!(!format!("{:?}", sample()).contains("keys"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn stored_sessions_round_trip(
            session: [u8; 16],
            keys in proptest::collection::vec(any::<u8>(), 40),
            cid: Option<[u8; 8]>,
            peer_cid in proptest::collection::vec(any::<u8>(), 0..=255),
            ip: core::net::IpAddr,
            port: u16,
            created in 0_u64..1 << 48,
            window: (u64, u64),
            extended_master_secret: bool,
            flight in proptest::option::of((
                0..u16::MAX,
                any::<[u8; 12]>(),
                any::<[u8; 8]>(),
                any::<Option<[u8; 16]>>(),
            )),
            record_limit in proptest::option::of(64_u16..),
            rrc: bool,
        ) {
            let stored = StoredSession {
                session: SessionId(session),
                suite: 0x00A8,
                keys: SessionKeys::from_bytes(&keys).expect("the key block of an AEAD"),
                extended_master_secret,
                cid,
                peer_cid,
                peer: SocketAddr::new(ip, port),
                created: Duration::from_millis(created),
                window: Window::from_parts(window.0, window.1),
                flight: flight.map(|(message, verify_data, hello, ticket)| StoredFlight {
                    message, verify_data, hello, ticket,
                }),
                record_limit,
                rrc,
            };

            let bytes = stored.encode().expect("short ids");

            let read = StoredSession::decode(&bytes).expect("it was just written");
            prop_assert_eq!(read.encode().expect("short ids"), bytes);
            prop_assert_eq!((read.peer, read.created), (stored.peer, stored.created));
            prop_assert_eq!((read.peer_cid, read.flight), (stored.peer_cid, stored.flight));
            prop_assert_eq!((read.record_limit, read.rrc), (stored.record_limit, stored.rrc));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = StoredSession::decode(&bytes);
        }
    }
}
