//! No nonce protects two records, whoever dies, whatever comes late or twice.
//!
//! Three edges hold one session's stored bytes, and forget it when they die. The session's owner
//! numbers its records and dies too; each incarnation commits the next generation before it
//! numbers anything, so one that is believed dead and lives on disturbs nobody. What the owner
//! says travels in any order, or twice, or to another edge than it was meant for.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::pair::{Options, Pair};
use super::rounds;
use super::takeover::{edge, generation, stored};
use crate::wire::record::{ContentType, Records};
use crate::{Content, Endpoint, Output, SessionId, StoredSession};

const EDGES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// An incarnation of the owner says something to an edge.
    Say {
        owner: Index,
        edge: usize,
        finished: bool,
    },
    /// One of the messages under way arrives.
    Arrive(Index),
    /// One of them is now under way twice, the second time to this edge.
    Twice(Index, usize),
    /// The answer to the handshake's call comes again.
    AnswerAgain,
    EdgeDies(usize),
    /// The next incarnation of the owner; the older ones may not know that they are over.
    OwnerDies,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<Index>(), 0..EDGES, any::<bool>())
            .prop_map(|(owner, edge, finished)| Step::Say { owner, edge, finished }),
        6 => any::<Index>().prop_map(Step::Arrive),
        2 => (any::<Index>(), 0..EDGES).prop_map(|(index, edge)| Step::Twice(index, edge)),
        1 => Just(Step::AnswerAgain),
        1 => (0..EDGES).prop_map(Step::EdgeDies),
        1 => Just(Step::OwnerDies),
    ]
}

#[derive(Clone)]
struct Message {
    edge: usize,
    sequence: u64,
    finished: bool,
}

/// A session between its owners, its edges and the messages between them.
struct World {
    pair: Pair,
    edges: Vec<Endpoint>,
    bytes: Vec<u8>,
    session: SessionId,
    /// The number that each incarnation uses next.
    owners: Vec<u64>,
    under_way: Vec<Message>,
    /// The record of each nonce, kept by the number that is the nonce's only part that changes.
    sealed: BTreeMap<(u16, u64), Vec<u8>>,
}

impl World {
    fn new(options: Options) -> Self {
        let (mut pair, call, bytes) = stored(options);
        let session = StoredSession::decode(&bytes).expect("written").session;
        pair.calls.push(call);
        pair.answer();
        let mut world = Self {
            edges: (0..EDGES as u64).map(edge).collect(),
            pair,
            bytes,
            session,
            owners: vec![generation(1)],
            under_way: Vec::new(),
            sealed: BTreeMap::new(),
        };
        // The edge of the handshake is the first one.
        core::mem::swap(&mut world.edges[0], &mut world.pair.endpoint);
        world.look();
        world
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Say { owner, edge, finished } => {
                let at = owner.index(self.owners.len());
                let next = &mut self.owners[at];
                let message = Message { edge: *edge, sequence: *next, finished: *finished };
                *next += 1;
                self.under_way.push(message);
            }
            Step::Arrive(index) if !self.under_way.is_empty() => {
                let message = self.under_way.swap_remove(index.index(self.under_way.len()));
                self.arrive(&message);
            }
            Step::Twice(index, edge) if !self.under_way.is_empty() => {
                let message = self.under_way[index.index(self.under_way.len())].clone();
                self.under_way.push(Message { edge: *edge, ..message });
            }
            Step::Arrive(_) | Step::Twice(..) => {}
            Step::AnswerAgain => self.restore(0),
            Step::EdgeDies(edge) => self.edges[*edge] = super::takeover::edge(9),
            Step::OwnerDies => self.owners.push(generation(1 + self.owners.len() as u64)),
        }
        self.look();
    }

    fn restore(&mut self, edge: usize) {
        let stored = StoredSession::decode(&self.bytes).expect("written");
        self.edges[edge].restore(self.pair.now, &stored);
    }

    fn arrive(&mut self, message: &Message) {
        self.restore(message.edge);
        let text = message.sequence.to_be_bytes();
        let content =
            if message.finished { Content::Finished } else { Content::Application(&text) };
        // One that is not above the last of this edge is refused; that is the point.
        let _ = self.edges[message.edge].seal(self.session, message.sequence, None, content);
    }

    /// Looks at everything that was sealed since.
    fn look(&mut self) {
        for edge in &mut self.edges {
            let mut own = BTreeMap::new();
            while let Some(output) = edge.poll() {
                let Output::Datagram { bytes, .. } = output else { continue };
                self.pair.client.receive(self.pair.now, &bytes);
                for record in Records::new(&bytes, 3).map(|record| record.expect("we wrote it")) {
                    let number = (record.epoch, record.sequence);
                    let once = own.insert(number, ()).is_none();
                    assert!(once, "one edge used {number:?} twice");
                    let earlier = self.sealed.entry(number).or_insert_with(|| record.raw.to_vec());
                    // The same message at two edges is the same record, byte for byte.
                    assert_eq!(*earlier, record.raw, "two records under {number:?}");
                    assert!(record.epoch == 1 || record.kind == ContentType::ChangeCipherSpec);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(256, 20_000)))]

    #[test]
    fn no_nonce_protects_two_records(
        cid: bool,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let cid = cid.then(|| vec![0xC1, 0x1D, 0x01]);
        let mut world = World::new(Options { cid, ..Options::default() });

        for step in &steps {
            world.run(step);
        }

        // The device reads each thing that it was told once, and is told nothing else.
        let told = world.pair.client_reads();
        let mut once = told.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), told.len());
    }
}

impl Pair {
    /// What the client has read.
    fn client_reads(&mut self) -> Vec<Vec<u8>> {
        self.client_sends();
        let data = self.reports.iter().filter_map(|report| match report {
            crate::ClientOutput::Data(data) => Some(data.clone()),
            _ => None,
        });
        data.collect()
    }
}
