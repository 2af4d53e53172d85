//! Every record that a balancer has carried, and whether two of one session had one number.
//!
//! It sees each datagram that devices and edges send each other, both ways, in the order in which the
//! balancer read them, before any is lost to a device that is gone or an edge that is down. It sees nothing
//! of what edges would send elsewhere than to the address that they see a device at, of what has not
//! reached the balancer, or of the links between nodes, which are QUIC. It has no keys: two records with one
//! number are one record sent again if their sealed bodies are the same, and a breach if not.
//!
//! AES-CCM is broken by one nonce that two records share, and the nonce is epoch and number. Whose
//! keys a record is sealed by does not stand in it, unless it bears a connection id. So one without is
//! told by the address of its device, which is a new one for each handshake but where a handshake is
//! torn apart: a device's address that has seen so many ServerHellos may have so many contents of one
//! number.

use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Type, version, epoch and number of a record (RFC 6347 §4.1).
const HEADER: usize = 11;
/// The type of a record that bears a connection id (RFC 9146 §4).
const WITH_CID: u8 = 25;
/// The length of connection ids that edges give.
const CID: usize = 8;
/// The type of a record of the handshake, and of its message ServerHello.
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
/// Where its random stands in that record's body: behind the message's header and a version.
const RANDOM: core::ops::Range<usize> = 14..46;

/// By whom a record was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A device.
    Device,
    /// An edge.
    Edge,
}

/// Epoch and number.
type Nonce = (u16, u64);
/// What tells one content from another.
type Content = [u8; 16];

#[derive(Debug, Default)]
struct Flow {
    hellos: BTreeSet<[u8; 32]>,
    records: HashMap<(Sender, Nonce), BTreeSet<Content>>,
}

/// What was carried.
#[derive(Debug, Default)]
pub struct Capture {
    flows: HashMap<SocketAddr, Flow>,
    sessions: HashMap<([u8; CID], Nonce), Content>,
    records: usize,
    /// Records under a number that had another content.
    reused: Vec<String>,
    /// What is no record of ours.
    odd: usize,
}

impl Capture {
    /// Looks at a datagram between a device and the edges.
    pub fn saw(&mut self, device: SocketAddr, sender: Sender, datagram: &[u8]) {
        let mut rest = datagram;
        while let Some((record, more)) = Record::read(rest, sender) {
            self.note(device, sender, &record);
            rest = more;
        }
        self.odd += usize::from(!rest.is_empty());
    }

    fn note(&mut self, device: SocketAddr, sender: Sender, record: &Record<'_>) {
        let flow = self.flows.entry(device).or_default();
        if record.nonce.0 == 0 {
            let is_hello = record.kind == HANDSHAKE && record.body.first() == Some(&SERVER_HELLO);
            if let Some(random) = record.body.get(RANDOM).filter(|_| is_hello)
                && let Ok(random) = random.try_into()
            {
                flow.hellos.insert(random);
            }
            return;
        }
        self.records += 1;
        let content = content(record.body);
        let is_reused = if let Some(cid) = record.cid {
            *self.sessions.entry((cid, record.nonce)).or_insert(content) != content
        } else {
            let handshakes = flow.hellos.len().max(1);
            let contents = flow.records.entry((sender, record.nonce)).or_default();
            contents.insert(content) && contents.len() > handshakes
        };
        if is_reused {
            let (epoch, number) = record.nonce;
            let (generation, n) = (number >> 24, number & 0xff_ffff);
            self.reused.push(format!(
                "{sender:?} of {device}: number {n} of generation {generation} in epoch {epoch}"
            ));
        }
    }

    /// How many records it has compared.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Sees that no number of a session was used for two records.
    ///
    /// # Panics
    /// If one was, or nothing was looked at.
    pub fn check(&self) {
        assert!(self.records > 0, "nothing was captured");
        assert!(self.reused.is_empty(), "nonces were used twice: {:#?}", self.reused);
        let torn = self.flows.values().filter(|flow| flow.hellos.len() > 1).count();
        let (records, flows, odd) = (self.records, self.flows.len(), self.odd);
        eprintln!(
            "{records} records of {flows} addresses, {torn} of them with several handshakes; {odd} \
             datagrams of something else"
        );
    }
}

fn content(body: &[u8]) -> Content {
    let digest = Sha256::digest(body);
    core::array::from_fn(|place| digest[place])
}

struct Record<'d> {
    kind: u8,
    nonce: Nonce,
    cid: Option<[u8; CID]>,
    body: &'d [u8],
}

impl<'d> Record<'d> {
    /// The first record of a datagram, and what is behind it.
    fn read(datagram: &'d [u8], sender: Sender) -> Option<(Self, &'d [u8])> {
        let (header, rest) = datagram.split_at_checked(HEADER)?;
        let kind = header[0];
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        let number = header[5..].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        // Devices of ours have themselves sent nothing but what bears none.
        let (cid, rest) = match (kind, sender) {
            (WITH_CID, Sender::Device) => {
                let (cid, rest) = rest.split_at_checked(CID)?;
                (Some(cid.try_into().ok()?), rest)
            }
            (WITH_CID, Sender::Edge) => return None,
            _ => (None, rest),
        };
        let (length, rest) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (body, rest) = rest.split_at_checked(length)?;
        Some((Self { kind, nonce: (epoch, number), cid, body }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 5000))
    }

    fn record(kind: u8, epoch: u8, number: u64, cid: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 0xFE, 0xFD, 0, epoch], &number.to_be_bytes()[2..], cid, &length, body].concat()
    }

    fn hello(random: u8) -> Vec<u8> {
        let body = [&[SERVER_HELLO; RANDOM.start][..], &[random; 32], &[0; 8]].concat();
        record(HANDSHAKE, 0, 1, &[], &body)
    }

    fn seen(all: &[(Sender, Vec<u8>)]) -> Capture {
        let mut capture = Capture::default();
        for (sender, datagram) in all {
            capture.saw(device(), *sender, datagram);
        }
        capture
    }

    #[test]
    fn a_number_with_two_contents_is_seen_in_either_direction_and_with_an_id() {
        for (sender, kind, cid) in
            [(Sender::Edge, 23, &[][..]), (Sender::Device, 23, &[]), (Sender::Device, 25, &[7; 8])]
        {
            let one = record(kind, 1, 1 << 24, cid, b"one");
            let two = record(kind, 1, 1 << 24, cid, b"two");
            let next = record(kind, 1, (1 << 24) + 1, cid, b"two");
            let both = [next, two].concat();
            assert_eq!(seen(&[(sender, one.clone()), (sender, one.clone())]).reused.len(), 0);
            assert_eq!(seen(&[(sender, one), (sender, both)]).reused.len(), 1, "{sender:?} {kind}");
        }
    }

    #[test]
    fn handshakes_at_one_address_have_numbers_of_their_own() {
        let finished = |body: &[u8]| record(22, 1, 0, &[], body);
        let two = [
            (Sender::Edge, hello(1)),
            (Sender::Edge, hello(1)),
            (Sender::Edge, finished(b"one")),
            (Sender::Edge, hello(2)),
            (Sender::Edge, finished(b"two")),
        ];
        assert_eq!(seen(&two).reused.len(), 0);
        let three = [&two[..], &[(Sender::Edge, finished(b"three"))]].concat();
        assert_eq!(seen(&three).reused.len(), 1);
        assert_eq!(seen(&three).records(), 3);
    }

    #[test]
    #[should_panic(expected = "nothing was captured")]
    fn what_saw_nothing_proves_nothing() {
        Capture::default().check();
    }
}
