//! What a node of the ledger asks of the one that leads, for an operator: whom only the leader sees,
//! and what only the leader does.

use crate::{EdgeReport, Unreadable, decode, encode};
use minicbor::{Decode, Encode};

/// What fields of fixed length take, with room to spare.
const AROUND: usize = 128;

/// A question, or something to be done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// Which edges are connected; [`Told::Edges`] answers.
    #[n(0)]
    Edges,
    /// A node is to be a learner. This and all that follows is answered by [`Told::Done`] or
    /// [`Told::Refused`].
    #[n(1)]
    Join {
        /// Its id.
        #[n(0)]
        node: u64,
        /// Where the others reach it.
        #[n(1)]
        address: String,
    },
    /// Learners are to have a vote, all in one step.
    #[n(2)]
    Promote {
        /// Their ids.
        #[n(0)]
        nodes: Vec<u64>,
        /// True if an even number of voters is meant.
        #[n(1)]
        even: bool,
    },
    /// A node is to leave.
    #[n(3)]
    Remove {
        /// Its id.
        #[n(0)]
        node: u64,
        /// True if an even number of voters is meant.
        #[n(1)]
        even: bool,
    },
    /// Another voter is to lead.
    #[n(4)]
    Transfer {
        /// Its id; the best one if there is none.
        #[n(0)]
        to: Option<u64>,
    },
    /// What strangers tried in a realm; [`Told::Attempts`] answers.
    #[n(5)]
    Attempts {
        /// The realm.
        #[n(0)]
        realm: String,
    },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Told {
    /// The edges that are connected.
    #[n(0)]
    Edges {
        /// Since when this node has led, in ms since the Unix epoch.
        #[n(0)]
        since: u64,
        /// Them.
        #[n(1)]
        edges: Vec<EdgeSeen>,
    },
    /// It is done.
    #[n(1)]
    Done,
    /// It is not done.
    #[n(2)]
    Refused {
        /// Why, for people, with what to do.
        #[n(0)]
        words: String,
        /// True if the same may be done in a moment.
        #[n(1)]
        later: bool,
    },
    /// What strangers tried, the latest first.
    #[n(3)]
    Attempts {
        /// Them.
        #[n(0)]
        attempts: Vec<AttemptSeen>,
    },
}

/// What a stranger tried, as the leader saw it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AttemptSeen {
    /// The identity that was claimed: anything a stranger likes to send.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    /// Why it came to nothing.
    #[n(1)]
    pub reason: String,
    /// What an operator can do.
    #[n(2)]
    pub advice: String,
    /// How often.
    #[n(3)]
    pub count: u64,
    /// When last, in ms since the Unix epoch.
    #[n(4)]
    pub last_seen: u64,
}

/// An edge as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EdgeSeen {
    /// One listener of one process.
    #[n(0)]
    pub edge: u64,
    /// The node whose it is.
    #[n(1)]
    pub node: u64,
    /// Where it comes from; empty for an edge of the leader itself.
    #[n(2)]
    pub address: String,
    /// The listener.
    #[n(3)]
    pub listener: String,
    /// The realm that it stands for.
    #[n(4)]
    pub realm: String,
    /// The version of Claviger there.
    #[n(5)]
    pub version: String,
    /// Since when it has been connected, in ms since the Unix epoch.
    #[n(6)]
    pub since: u64,
    /// Ms since it was heard.
    #[n(7)]
    pub silent_for: u64,
    /// What it said last of itself.
    #[n(8)]
    pub report: Option<EdgeReport>,
}

impl Ask {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let room = match self {
            Self::Join { address, .. } => address.len(),
            Self::Promote { nodes, .. } => 9 * nodes.len(),
            Self::Attempts { realm } => realm.len(),
            _ => 0,
        };
        core::mem::take(&mut encode(self, AROUND + room))
    }

    /// The frame in `bytes`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode(bytes)
    }
}

impl Told {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let seen = |edge: &EdgeSeen| {
            let texts = [&edge.address, &edge.listener, &edge.realm, &edge.version];
            AROUND + texts.iter().map(|text| text.len()).sum::<usize>()
        };
        let room = match self {
            Self::Edges { edges, .. } => edges.iter().map(seen).sum(),
            Self::Refused { words, .. } => words.len(),
            Self::Attempts { attempts } => attempts
                .iter()
                .map(|it| AROUND + it.identity.len() + it.reason.len() + it.advice.len())
                .sum(),
            Self::Done => 0,
        };
        core::mem::take(&mut encode(self, AROUND + room))
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

    #[test]
    fn the_bytes_of_version_1_stay() {
        for (bytes, ask) in [
            (&b"\x01\x82\x00\x80"[..], Ask::Edges),
            (b"\x01\x82\x01\x82\x07\x63a:1", Ask::Join { node: 7, address: "a:1".into() }),
            (b"\x01\x82\x02\x82\x82\x01\x02\xf4", Ask::Promote { nodes: vec![1, 2], even: false }),
            (b"\x01\x82\x03\x82\x03\xf5", Ask::Remove { node: 3, even: true }),
            (b"\x01\x82\x04\x81\x05", Ask::Transfer { to: Some(5) }),
            (b"\x01\x82\x04\x80", Ask::Transfer { to: None }),
            (b"\x01\x82\x05\x81\x61r", Ask::Attempts { realm: "r".into() }),
        ] {
            assert_eq!(ask.encode(), bytes, "{ask:?}");
            assert_eq!(Ask::decode(bytes), Ok(ask));
        }
        let edge = EdgeSeen {
            edge: 1,
            node: 2,
            address: String::new(),
            listener: "l".into(),
            realm: "r".into(),
            version: "v".into(),
            since: 3,
            silent_for: 4,
            report: None,
        };
        let reports = EdgeSeen { report: Some(EdgeReport::default()), ..edge.clone() };
        let all = Told::Edges { since: 9, edges: vec![reports] };
        assert_eq!(Told::decode(&all.encode()), Ok(all));
        for (bytes, told) in [
            (
                &b"\x01\x82\x00\x82\x09\x81\x88\x01\x02\x60\x61l\x61r\x61v\x03\x04"[..],
                Told::Edges { since: 9, edges: vec![edge] },
            ),
            (b"\x01\x82\x01\x80", Told::Done),
            (
                b"\x01\x82\x03\x81\x81\x85\x41i\x61r\x61a\x02\x03",
                Told::Attempts {
                    attempts: vec![AttemptSeen {
                        identity: b"i".to_vec(),
                        reason: "r".into(),
                        advice: "a".into(),
                        count: 2,
                        last_seen: 3,
                    }],
                },
            ),
            (b"\x01\x82\x02\x82\x61w\xf5", Told::Refused { words: "w".into(), later: true }),
        ] {
            assert_eq!(told.encode(), bytes, "{told:?}");
            assert_eq!(Told::decode(bytes), Ok(told));
        }
    }

    #[test]
    fn refuses_a_cut_and_another_version() {
        let bytes = Told::Refused { words: "w".into(), later: true }.encode();
        for length in 0..bytes.len() {
            assert_eq!(Told::decode(&bytes[..length]), Err(Unreadable), "{length}");
        }
        assert_eq!(Ask::decode(&[9, 0x82, 0, 0x80]), Err(Unreadable));
    }
}
