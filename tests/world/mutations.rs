//! Defects that are planted where the parts of a cluster meet, each of which the seeded world must
//! find: so each thing that must hold can be seen not to.

use crate::cluster::{besieged, first_failure, run, sized, unheard};
use claviger_ledger::memory::MemoryRows;
use claviger_ledger::{
    Command, Damage, Envelope, Ledger, NoteFailure, Outcome, RequestId, Rows, Unavailable, apply,
};
use claviger_tests::{ClusterConfig, Defect, SimCluster};
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Within how many seeds a defect must be found.
const SEEDS: u64 = 150;

/// Fails unless some run with this defect breaks something whose words hold `expected`.
fn is_found(expected: &str, plant: impl Fn(ClusterConfig) -> ClusterConfig + Sync) {
    is_found_by(run, expected, plant);
}

fn is_found_by(
    run: fn(ClusterConfig) -> (Vec<String>, Vec<String>),
    expected: &str,
    plant: impl Fn(ClusterConfig) -> ClusterConfig + Sync,
) {
    let found = first_failure(SEEDS, |seed| {
        let (breaches, _) = run(plant(sized(seed)));
        breaches.into_iter().find(|words| words.contains(expected))
    });
    assert!(found.is_some(), "within {SEEDS} seeds nothing says: {expected}");
}

/// A ledger with a defect.
struct Defective {
    ledger: Arc<dyn Ledger>,
    kind: Kind,
    /// Rows that are shown though they are not committed, and the index that they stand on.
    foreseen: Mutex<Option<(u64, MemoryRows)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It says what a command will come to before that is committed, and shows rows to match.
    AnswersTooSoon,
    /// It confirms what it shows without asking anybody.
    BelievesItself,
    /// It notes whatever it is asked.
    NotesStrangers,
}

impl Defective {
    fn planted(ledger: Arc<dyn Ledger>, kind: Kind) -> Arc<dyn Ledger> {
        Arc::new(Self { ledger, kind, foreseen: Mutex::default() })
    }

    fn all_rows(&self) -> MemoryRows {
        let mut copy = MemoryRows::default();
        self.ledger.read(&mut |rows| {
            copy.0 = rows.range(&[], &[0xff; 9], usize::MAX).into_iter().collect();
        });
        copy
    }
}

impl Ledger for Defective {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        if self.kind != Kind::AnswersTooSoon || !matches!(envelope.command, Command::OpenSession(_))
        {
            return self.ledger.propose(envelope);
        }
        let mut copy = self.all_rows();
        let stands_on = self.ledger.applied();
        let foreseen = apply(&mut copy, stands_on + 1, &envelope.encode());
        *self.foreseen.lock().expect("nobody panics with it") = Some((stands_on, copy));
        let foreseen = foreseen.ok().and_then(|bytes| Outcome::decode(&bytes));
        let ledger = self.ledger.clone();
        tokio::spawn(async move { ledger.propose(envelope).await });
        Box::pin(async move { foreseen.ok_or(Unavailable::Stopped) })
    }

    fn confirm(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        match self.kind {
            Kind::BelievesItself => Box::pin(async { Ok(()) }),
            Kind::AnswersTooSoon => self.ledger.confirm(),
            Kind::NotesStrangers => Box::pin(async {
                self.ledger.confirm().await?;
                let device = SimCluster::reference("urn:dev:0");
                let words = "Somebody came.".to_owned();
                let note = NoteFailure { device, credential: None, refused: false, words };
                let request = RequestId(u128::from(self.ledger.applied()).to_be_bytes());
                self.ledger.propose(Envelope::new(0, request, note.into())).await.map(drop)
            }),
        }
    }

    fn ready(&self) -> Result<(), Unavailable> {
        self.ledger.ready()
    }

    fn applied(&self) -> u64 {
        self.ledger.applied()
    }

    fn beyond(&self, index: u64) -> BoxFuture<'_, ()> {
        self.ledger.beyond(index)
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        match &*self.foreseen.lock().expect("nobody panics with it") {
            Some((at, rows)) if *at == self.ledger.applied() => look(rows),
            _ => self.ledger.read(look),
        }
    }
}

#[test]
fn keys_that_leave_before_their_commit_are_seen() {
    is_found("the ledger lacks it", |config| ClusterConfig {
        between: |ledger| Defective::planted(ledger, Kind::AnswersTooSoon),
        ..config
    });
}

#[test]
fn a_leader_that_believes_itself_is_seen() {
    is_found("have no order", |config| ClusterConfig {
        between: |ledger| Defective::planted(ledger, Kind::BelievesItself),
        ..config
    });
}

#[test]
fn strangers_that_are_written_down_are_seen() {
    is_found_by(besieged, "strangers have changed the ledger", |config| ClusterConfig {
        between: |ledger| Defective::planted(ledger, Kind::NotesStrangers),
        ..config
    });
}

fn command(bytes: &[u8]) -> Option<Envelope> {
    Envelope::decode(bytes)
}

/// Applies a command and keeps nothing of it.
fn forgotten(rows: &mut dyn Rows, index: u64, bytes: &[u8]) -> Result<Vec<u8>, Damage> {
    let all = rows.range(&[], &[0xff; 9], usize::MAX).into_iter().collect();
    apply(&mut MemoryRows(all), index, bytes)
}

#[test]
fn a_generation_that_is_given_again_is_seen() {
    is_found("is given twice", |config| ClusterConfig {
        apply: |rows, index, bytes| match command(bytes).map(|it| it.command) {
            Some(Command::RaiseGeneration(_)) => forgotten(rows, index, bytes),
            _ => apply(rows, index, bytes),
        },
        ..config
    });
}

#[test]
fn an_acknowledged_write_that_is_lost_is_seen() {
    is_found("have no order", |config| ClusterConfig {
        apply: |rows, index, bytes| match command(bytes).map(|it| it.command) {
            Some(Command::DeleteDevice(_)) => forgotten(rows, index, bytes),
            _ => apply(rows, index, bytes),
        },
        ..config
    });
}

/// Rows of which those of sessions stay.
struct KeepsSessions<'a>(&'a mut dyn Rows);

impl Rows for KeepsSessions<'_> {
    fn row(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.row(key)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.put(key, value);
    }

    fn remove(&mut self, key: &[u8]) {
        // The kind of a row stands behind its slot.
        if key.get(2) != Some(&19) {
            self.0.remove(key);
        }
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.range(from, to, limit)
    }
}

#[test]
fn a_session_that_outlives_a_revocation_is_seen() {
    is_found("in a session that was ended before", |config| ClusterConfig {
        apply: |rows, index, bytes| apply(&mut KeepsSessions(rows), index, bytes),
        ..config
    });
}

#[test]
fn a_log_that_is_not_synced_is_seen() {
    is_found("", |config| ClusterConfig { defect: Defect::SkipsSyncs, ..config });
}

static APPLIED: AtomicU64 = AtomicU64::new(0);

#[test]
fn replicas_that_differ_are_seen() {
    is_found("differs from node 0", |config| ClusterConfig {
        apply: |rows, index, bytes| {
            let outcome = apply(rows, index, bytes);
            let count = APPLIED.fetch_add(1, Ordering::Relaxed);
            if index == 40 {
                rows.put(vec![0, 0, 0xfe, 1], count.to_be_bytes().to_vec());
            }
            outcome
        },
        ..config
    });
}

#[test]
fn a_record_that_two_edges_seal_is_seen() {
    is_found("is sealed by edge", |config| ClusterConfig { defect: Defect::SendsToAll, ..config });
}

#[test]
fn a_repetition_that_acts_again_is_seen() {
    is_found_by(unheard, "asked once and was given two", |config| ClusterConfig {
        defect: Defect::ForgetsMessages,
        ..config
    });
}

#[test]
fn a_server_that_nobody_told_is_seen() {
    is_found("not so at its server", |config| ClusterConfig {
        defect: Defect::TellsNobody,
        ..config
    });
}
