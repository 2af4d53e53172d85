//! The frames between an edge and the node that runs the actors: versioned bytes.
//!
//! An edge holds sockets and session keys; the actors hold conversations. Whatever one tells the
//! other is a [`FromEdge`] or a [`ToEdge`], serialized also where both live in one process, so
//! that one process exercises what a cluster runs. A frame is one byte of version, then CBOR with
//! numbered fields. What carries the frames (a channel, QUIC) is not here.

mod from_edge;
#[cfg(test)]
mod golden;
mod leader;
mod to_edge;
mod trace;
mod uplink;

pub use from_edge::{
    Check, Deliver, Find, FromEdge, Listen, Open, Repeat, Resume, Shared, Sign, Step,
};
pub use leader::{Ask, AttemptSeen, EdgeSeen, Told};
pub use to_edge::{
    Accepted, CheckKey, Close, Content, Continue, CookieKey, Hold, Keys, NotResumed, Opened,
    Present, Refusal, Refused, Signed, ToEdge, Transmit, Unknown, WhyNotResumed,
};
pub use trace::Trace;
pub use uplink::{Believed, Certificate, EdgeReport, Greeting, Hello, Nodes, Peer, WhyRefused};

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

/// The version written today.
const VERSION: u8 = 1;

/// A frame that this version cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of another version, or a damaged one")]
pub struct Unreadable;

/// What a frame takes beside its payload and the names of tenant and device, with room to spare.
const AROUND: usize = 160;

/// `room` is how long the frame becomes at most: a vector that grows on the way costs a copy each
/// time, and leaves what it held, perhaps a key, where nobody wipes it.
fn encode<T: Encode<()>>(frame: &T, room: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    bytes.push(VERSION);
    minicbor::encode(frame, &mut *bytes).expect("writing to memory does not fail");
    debug_assert!(bytes.len() <= room, "{} > {room}", bytes.len());
    bytes
}

fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, Unreadable> {
    let (&VERSION, body) = bytes.split_first().ok_or(Unreadable)? else {
        return Err(Unreadable);
    };
    let mut decoder = minicbor::Decoder::new(body);
    let frame = decoder.decode().map_err(|_| Unreadable)?;
    if decoder.position() == body.len() { Ok(frame) } else { Err(Unreadable) }
}

impl FromEdge {
    /// The frame as bytes; they may hold the secret of a key agreement, so they are zeroized when
    /// dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        encode(self, self.room())
    }

    /// The frame in `bytes`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode(bytes)
    }
}

impl ToEdge {
    /// The frame as bytes; they may hold keys, so they are zeroized when dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        encode(self, self.room())
    }

    /// The frame in `bytes`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver() -> FromEdge {
        FromEdge::Deliver(Deliver {
            trace: Trace { id: [1; 16], span: [2; 8], sampled: true },
            session: [3; 16],
            tenant: "t".into(),
            device: "d".into(),
            alert: false,
            epoch: 1,
            sequence: 9,
            from: "192.0.2.1:5684".parse().unwrap(),
            newest: true,
            payload: vec![0x40, 0, 0, 1],
            check: None,
            limit: None,
        })
    }

    fn open() -> Open {
        Open {
            trace: Trace { id: [1; 16], span: [2; 8], sampled: true },
            call: 7,
            listener: "coaps".into(),
            realm: "default".into(),
            peer: "[2001:db8::1]:5684".parse().unwrap(),
            identity: b"urn:dev:1".to_vec(),
            suite: 0xc0a8,
            transcript: vec![1; 300],
            finished: vec![2; 60],
            cid: Some([4; 8]),
            peer_cid: None,
            shared: Some(Shared(vec![5; 32])),
        }
    }

    #[test]
    fn a_frame_reads_back_as_written() {
        let open = FromEdge::Open(open());
        for frame in [deliver(), open] {
            assert_eq!(FromEdge::decode(&frame.encode()), Ok(frame));
        }
    }

    /// With the longest secret, that of P-521, and the longest numbers.
    fn open_with_everything() -> FromEdge {
        FromEdge::Open(Open {
            trace: Trace { id: [255; 16], span: [255; 8], sampled: true },
            call: u64::MAX,
            listener: "l".repeat(64),
            realm: "r".repeat(64),
            peer: "[2001:db8:1:2:3:4:5:6]:65535".parse().unwrap(),
            identity: vec![255; 4096],
            suite: u16::MAX,
            transcript: vec![255; 20_000],
            finished: vec![255; 500],
            cid: Some([255; 8]),
            peer_cid: Some(vec![255; 255]),
            shared: Some(Shared(vec![255; 66])),
        })
    }

    #[test]
    fn a_frame_without_a_shared_secret_has_no_place_for_it() {
        let open = Open { peer_cid: Some(vec![5]), shared: None, ..open() };

        let bytes = FromEdge::Open(open.clone()).encode();

        // Eleven fields, as before there was a twelfth; the last one is the peer's id.
        assert_eq!(bytes[1..5], [0x82, 0x00, 0x81, 0x8B]);
        assert!(bytes.ends_with(&[0x41, 5]));
        assert!(
            !format!("{:?}", Open { shared: Some(Shared(vec![0xAB])), ..open }).contains("171")
        );
    }

    #[test]
    fn checks_of_addresses_and_limits_take_numbers_that_were_free() {
        let FromEdge::Deliver(before) = deliver() else { unreachable!() };
        let plain = FromEdge::Deliver(before.clone()).encode();
        let limited = FromEdge::Deliver(Deliver { limit: Some(512), ..before.clone() });
        let answered = FromEdge::Deliver(Deliver { check: Some(Check::Answered), ..before });
        // Ten fields, as before there was an eleventh.
        assert_eq!(plain[1..5], [0x82, 0x01, 0x81, 0x8A]);
        assert_eq!(answered.encode()[1..5], [0x82, 0x01, 0x81, 0x8B]);
        assert_eq!(FromEdge::decode(&answered.encode()), Ok(answered));
        assert!(limited.encode().ends_with(&[0xF6, 0x19, 2, 0]));
        assert_eq!(FromEdge::decode(&limited.encode()), Ok(limited));
        for (content, number) in
            [(Content::PathChallenge([7; 8]), 3), (Content::PathResponse([7; 8]), 4)]
        {
            let frame = ToEdge::Transmit(Transmit {
                session: [0; 16],
                sequence: 1,
                deadline: 1,
                to: None,
                content,
            });
            let bytes = frame.encode();
            assert!(bytes.ends_with(&[0x82, number, 0x81, 0x48, 7, 7, 7, 7, 7, 7, 7, 7]));
            assert_eq!(ToEdge::decode(&bytes), Ok(frame));
        }
    }

    #[test]
    fn a_frame_does_not_grow_while_it_is_written() {
        let names = || ("t".repeat(64), "d".repeat(300));
        let from = "[2001:db8:1:2:3:4:5:6]:65535".parse().unwrap();
        let (tenant, device) = names();
        let deliver = FromEdge::Deliver(Deliver {
            trace: Trace { id: [255; 16], span: [255; 8], sampled: true },
            session: [255; 16],
            tenant,
            device,
            alert: true,
            epoch: u16::MAX,
            sequence: u64::MAX,
            from,
            newest: true,
            payload: vec![255; 16_384],
            check: Some(Check::Message),
            limit: Some(u16::MAX),
        });
        let transmit = ToEdge::Transmit(Transmit {
            session: [255; 16],
            sequence: u64::MAX,
            deadline: u64::MAX,
            to: Some(from),
            content: Content::Application(vec![255; 16_384]),
        });
        let (tenant, device) = names();
        let opened = ToEdge::Opened(Opened {
            call: u64::MAX,
            session: [255; 16],
            tenant,
            device,
            keys: vec![255; 200],
            verify_data: [255; 12],
        });

        for frame in [deliver, open_with_everything()] {
            let bytes = frame.encode();
            assert!(bytes.len() <= frame.room(), "{}", bytes.len());
        }
        for frame in [transmit, opened] {
            assert!(frame.encode().len() <= frame.room());
        }
    }

    #[test]
    fn refuses_another_version_a_tail_and_every_cut() {
        let bytes = deliver().encode();
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert_eq!(FromEdge::decode(&newer), Err(Unreadable));
        assert_eq!(FromEdge::decode(&[&bytes[..], &[0]].concat()), Err(Unreadable));
        for length in 0..bytes.len() {
            assert_eq!(FromEdge::decode(&bytes[..length]), Err(Unreadable), "{length}");
        }
    }

    #[test]
    fn debug_shows_neither_keys_nor_payload() {
        let opened = ToEdge::Opened(Opened {
            call: 1,
            session: [0; 16],
            tenant: "t".into(),
            device: "d".into(),
            keys: vec![0xab; 40],
            verify_data: [0xcd; 12],
        });
        let text = format!("{opened:?}{:?}", deliver());
        assert!(!text.contains("171") && !text.contains("205") && !text.contains("payload: ["));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

        #[test]
        fn any_record_reads_back_as_written(
            session: [u8; 16],
            sequence in 0_u64..1 << 48,
            deadline: u64,
            port: u16,
            v6: bool,
            payload: Vec<u8>,
        ) {
            let ip: [core::net::IpAddr; 2] = [[192, 0, 2, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()];
            let to = Some(core::net::SocketAddr::new(ip[usize::from(v6)], port));
            let content = Content::Application(payload);
            let frame = ToEdge::Transmit(Transmit { session, sequence, deadline, to, content });
            assert_eq!(ToEdge::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let versioned = [&[VERSION][..], &bytes].concat();
            for bytes in [&bytes, &versioned] {
                let _ = (FromEdge::decode(bytes), ToEdge::decode(bytes));
            }
        }
    }
}
