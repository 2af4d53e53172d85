//! The frames between an edge and the node that runs the actors: versioned bytes.
//!
//! An edge holds sockets and session keys; the actors hold conversations. Whatever one tells the
//! other is a [`FromEdge`] or a [`ToEdge`], serialized also where both live in one process, so
//! that one process exercises what a cluster runs. A frame is one byte of version, then CBOR with
//! numbered fields. What carries the frames (a channel, QUIC) is not here.

mod from_edge;
mod to_edge;
mod trace;

pub use from_edge::{Deliver, FromEdge, Open, Repeat};
pub use to_edge::{Close, Content, Opened, Refusal, Refused, ToEdge, Transmit};
pub use trace::Trace;

use minicbor::{Decode, Encode};

/// The version written today.
const VERSION: u8 = 1;

/// A frame that this version cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of another version, or a damaged one")]
pub struct Unreadable;

fn encode<T: Encode<()>>(frame: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    minicbor::encode(frame, &mut bytes).expect("writing to memory does not fail");
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
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
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
    pub fn encode(&self) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(encode(self))
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
        })
    }

    #[test]
    fn a_frame_reads_back_as_written() {
        let open = FromEdge::Open(Open {
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
        });
        for frame in [deliver(), open] {
            assert_eq!(FromEdge::decode(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn refuses_another_version_a_tail_and_every_cut() {
        let bytes = deliver().encode();
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert_eq!(FromEdge::decode(&newer), Err(Unreadable));
        assert_eq!(FromEdge::decode(&[bytes.clone(), vec![0]].concat()), Err(Unreadable));
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
