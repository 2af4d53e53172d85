//! What an edge and a node of the ledger say to each other before frames pass: who is there, and who
//! leads.
//!
//! The edge begins with one [`Hello`]. The node answers with a [`Greeting`]: while it does not lead,
//! [`Greeting::Standby`], now and when something changes; once it leads, [`Greeting::Welcome`].
//! Behind that the stream carries [`crate::FromEdge`] and [`crate::ToEdge`] as they are, until the
//! node leads no more: then it ends the stream, and the edge comes again. Among them the edge says
//! every two seconds how it stands, by an [`EdgeReport`], and the node which nodes there are, by
//! [`Nodes`], when that changes, and whom nodes are to believe, by [`Believed`].

use crate::{Unreadable, decode, encode};
use minicbor::{Decode, Encode};

/// What fields of fixed length take, with room to spare.
const AROUND: usize = 64;

/// An edge that has come.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// One listener of one process: random at its start.
    #[n(0)]
    pub edge: u64,
    /// The listener.
    #[n(1)]
    pub listener: String,
    /// The realm that it stands for.
    #[n(2)]
    pub realm: String,
    /// The version of Claviger, for people.
    #[n(3)]
    pub version: String,
}

/// How an edge stands: for people, and a sign of life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct EdgeReport {
    /// Sessions whose keys it holds.
    #[n(0)]
    pub sessions: u64,
    /// Handshakes under way.
    #[n(1)]
    pub handshakes: u64,
    /// Handshakes that ended with a session, since it started.
    #[n(2)]
    pub established: u64,
    /// Handshakes that ended without one.
    #[n(3)]
    pub failed: u64,
    /// True if it hears of a leader and has the keys of now: else it answers no device.
    #[n(4)]
    pub serves: bool,
    /// True if it leaves: it takes no new handshakes.
    #[n(5)]
    pub draining: bool,
}

/// How a report begins, which no other frame does.
const REPORT: u8 = b'R';

/// The nodes of the ledger, which the leader tells its edges anew when they change: one that knows
/// the leader alone would look for the next one in vain.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Nodes {
    /// They.
    #[n(0)]
    pub nodes: Vec<Peer>,
}

/// How these begin, which no other frame does.
const NODES: u8 = b'N';

/// The authorities of the cluster's nodes, as certificates in DER, which the leader tells its edges when
/// they are welcome and when these change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Believed {
    /// Those that are to be believed, the newest first: what an edge shows is to be of that one.
    #[n(0)]
    pub authorities: Vec<Certificate>,
    /// What is shown behind a certificate of the newest, for those who believe one before.
    #[n(1)]
    pub bridge: Vec<Certificate>,
}

/// A certificate in DER.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Certificate(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// How these begin, which no other frame does.
const BELIEVED: u8 = b'A';

/// How a node of the ledger stands to edges.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Greeting {
    /// It does not lead; it says so when it does.
    #[n(0)]
    Standby {
        /// The nodes of the ledger.
        #[n(0)]
        nodes: Vec<Peer>,
    },
    /// It leads: frames pass.
    #[n(1)]
    Welcome {
        /// The term in which it leads. Who is welcome at two nodes believes the higher one.
        #[n(0)]
        term: u64,
        /// The nodes of the ledger.
        #[n(1)]
        nodes: Vec<Peer>,
    },
    /// It takes no frames of this edge, which may come again later.
    #[n(2)]
    Refused {
        /// Why.
        #[n(0)]
        why: WhyRefused,
    },
}

/// A node of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Peer {
    /// Its id.
    #[n(0)]
    pub id: u64,
    /// Where it is reached.
    #[n(1)]
    pub address: String,
}

/// Why an edge is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum WhyRefused {
    /// Too many edges are connected.
    #[n(0)]
    Full,
    /// Its id is the one of another node's edge: it takes another one.
    #[n(1)]
    Taken,
}

impl Hello {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let texts = self.listener.len() + self.realm.len() + self.version.len();
        core::mem::take(&mut encode(self, AROUND + texts))
    }

    /// The frame in `bytes`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode(bytes)
    }
}

impl EdgeReport {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        behind(REPORT, self, AROUND)
    }

    /// The report in `bytes`; none if that is another frame.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Result<Self, Unreadable>> {
        bytes.strip_prefix(&[REPORT]).map(decode)
    }
}

impl Nodes {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        behind(NODES, self, room(&self.nodes))
    }

    /// The nodes in `bytes`; none if that is another frame.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Result<Self, Unreadable>> {
        bytes.strip_prefix(&[NODES]).map(decode)
    }
}

impl Believed {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let all = self.authorities.iter().chain(&self.bridge);
        let room = AROUND + all.map(|it| AROUND + it.0.len()).sum::<usize>();
        behind(BELIEVED, self, room)
    }

    /// The authorities in `bytes`; none if that is another frame.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Result<Self, Unreadable>> {
        bytes.strip_prefix(&[BELIEVED]).map(decode)
    }
}

/// A frame behind the byte that tells it from others.
fn behind<T: Encode<()>>(tag: u8, frame: &T, room: usize) -> Vec<u8> {
    let mut bytes = core::mem::take(&mut *encode(frame, room));
    bytes.insert(0, tag);
    bytes
}

fn room(nodes: &[Peer]) -> usize {
    AROUND + nodes.iter().map(|node| AROUND + node.address.len()).sum::<usize>()
}

impl Greeting {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let nodes = match self {
            Self::Standby { nodes } | Self::Welcome { nodes, .. } => &nodes[..],
            Self::Refused { .. } => &[],
        };
        core::mem::take(&mut encode(self, room(nodes)))
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

    fn hello() -> Hello {
        let (listener, realm) = ("coaps".to_owned(), "default".to_owned());
        Hello { edge: 7, listener, realm, version: "0.1.0".to_owned() }
    }

    fn nodes() -> Vec<Peer> {
        vec![Peer { id: 258, address: "[::1]:1".to_owned() }]
    }

    #[test]
    fn the_bytes_of_version_1_stay() {
        let hello_bytes = b"\x01\x84\x07\x65coaps\x67default\x650.1.0";
        assert_eq!(Hello::decode(hello_bytes), Ok(hello()));
        assert_eq!(hello().encode(), hello_bytes);
        let standby = b"\x01\x82\x00\x81\x81\x82\x19\x01\x02\x67[::1]:1";
        let welcome = b"\x01\x82\x01\x82\x18\x40\x81\x82\x19\x01\x02\x67[::1]:1";
        for (bytes, greeting) in [
            (&standby[..], Greeting::Standby { nodes: nodes() }),
            (&welcome[..], Greeting::Welcome { term: 64, nodes: nodes() }),
            (b"\x01\x82\x02\x81\x00", Greeting::Refused { why: WhyRefused::Full }),
            (b"\x01\x82\x02\x81\x01", Greeting::Refused { why: WhyRefused::Taken }),
        ] {
            assert_eq!(greeting.encode(), bytes);
            assert_eq!(Greeting::decode(bytes), Ok(greeting));
        }
    }

    #[test]
    fn a_report_is_told_from_other_frames() {
        let (sessions, handshakes, established, failed) = (1, 2, 3, 4);
        let (serves, draining) = (true, false);
        let report = EdgeReport { sessions, handshakes, established, failed, serves, draining };
        let bytes = b"R\x01\x86\x01\x02\x03\x04\xf5\xf4";

        assert_eq!(report.encode(), bytes);
        assert_eq!(EdgeReport::decode(bytes), Some(Ok(report)));
        assert_eq!(EdgeReport::decode(&bytes[..4]), Some(Err(Unreadable)));
        assert_eq!(EdgeReport::decode(&bytes[1..]), None);
        assert_eq!(crate::FromEdge::decode(bytes), Err(Unreadable));
    }

    #[test]
    fn nodes_are_told_from_other_frames() {
        let nodes = Nodes { nodes: vec![Peer { id: 7, address: "n:1".to_owned() }] };
        let bytes = b"N\x01\x81\x81\x82\x07\x63n:1";

        assert_eq!(nodes.encode(), bytes);
        assert_eq!(Nodes::decode(bytes), Some(Ok(nodes)));
        assert_eq!(Nodes::decode(&bytes[..4]), Some(Err(Unreadable)));
        assert_eq!(Nodes::decode(&bytes[1..]), None);
        assert_eq!(crate::ToEdge::decode(bytes).err(), Some(Unreadable));
    }

    #[test]
    fn whom_to_believe_is_told_from_other_frames() {
        let all = |bytes: &[u8]| bytes.iter().map(|it| Certificate(vec![*it; 2])).collect();
        let believed = Believed { authorities: all(&[2, 1]), bridge: all(&[3]) };
        let bytes = b"A\x01\x82\x82\x42\x02\x02\x42\x01\x01\x81\x42\x03\x03";

        assert_eq!(believed.encode(), bytes);
        assert_eq!(Believed::decode(bytes), Some(Ok(believed)));
        assert_eq!(Believed::decode(&bytes[..4]), Some(Err(Unreadable)));
        assert_eq!(Believed::decode(&bytes[1..]), None);
        assert_eq!(Nodes::decode(bytes), None);
    }

    #[test]
    fn refuses_a_cut_a_tail_and_another_version() {
        let bytes = Greeting::Welcome { term: 1, nodes: nodes() }.encode();
        for length in 0..bytes.len() {
            assert_eq!(Greeting::decode(&bytes[..length]), Err(Unreadable), "{length}");
        }
        assert_eq!(Greeting::decode(&[&bytes[..], &[0]].concat()), Err(Unreadable));
        assert_eq!(Greeting::decode(&[&[9], &bytes[1..]].concat()), Err(Unreadable));
    }
}
