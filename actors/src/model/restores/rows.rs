//! The rows of one incarnation, changed by what ships.

use crate::model::ledger::{self, Ledger};
use claviger_ledger::memory::MemoryRows;
use claviger_ledger::{
    Command, CredentialId, CredentialKind, DeviceRef, EnrolDevice, Envelope, Incarnation, Outcome,
    RaiseGeneration, RequestId, SessionId, View, apply, begin_incarnation,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Change {
    /// The session of a handshake is opened.
    Open(u8),
    /// Its next generation begins.
    Raise(u8),
    /// An operator writes something.
    Write(u8),
    /// A new incarnation begins now.
    Begin(u64),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// A generation of a session is ours.
    Generation(u32),
    Done,
    Refused,
}

/// What of rows matters. Rows that differ in times and words only are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Seen {
    /// The last index.
    pub(super) index: u64,
    /// When their incarnation began; none for the first.
    pub(super) begun_at: Option<u64>,
    /// The generations of sessions, by their handshakes.
    pub(super) sessions: BTreeMap<u8, u32>,
    /// Handshakes whose session was opened here or before here.
    pub(super) opened: BTreeSet<u8>,
    pub(super) written: BTreeSet<u8>,
}

/// Rows of one tenant with one device.
#[derive(Clone)]
pub(super) struct Rows {
    rows: Arc<MemoryRows>,
    pub(super) seen: Seen,
}

/// What changes have come to: rows that differ in what does not matter come to the same.
pub(super) type Known = Mutex<BTreeMap<(Seen, u64, Change), (Rows, Came)>>;

fn session(handshake: u8) -> SessionId {
    SessionId([0x40 + handshake; 16])
}

fn written(number: u8) -> DeviceRef {
    DeviceRef { device: format!("written-{number}"), ..ledger::device() }
}

impl Rows {
    /// A device is enrolled, and has no session.
    pub(super) fn enrolled() -> Self {
        let (rows, index) = Ledger::enrolled().into_rows();
        let (sessions, opened, written) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { rows, seen: Seen { index, begun_at: None, sessions, opened, written } }
    }

    /// When its incarnation began, in the rows.
    pub(super) fn incarnation(&self) -> Option<Incarnation> {
        View::new(&*self.rows).incarnation()
    }

    /// Makes a change at `index`.
    pub(super) fn change(&mut self, index: u64, change: Change, known: &Known) -> Came {
        let place = (self.seen.clone(), index, change);
        let before = known.lock().unwrap().get(&place).cloned();
        let (rows, came) = before.unwrap_or_else(|| {
            let mut rows = self.clone();
            let came = rows.changed(index, change);
            known.lock().unwrap().insert(place, (rows.clone(), came));
            (rows, came)
        });
        *self = rows;
        came
    }

    fn changed(&mut self, index: u64, change: Change) -> Came {
        let rows: &mut MemoryRows = Arc::make_mut(&mut self.rows);
        let command: Command = match change {
            Change::Begin(now) => {
                begin_incarnation(rows, index, now).expect("the rows can be read");
                self.look(index);
                return Came::Done;
            }
            Change::Open(handshake) => ledger::opening(session(handshake)),
            Change::Raise(handshake) => {
                let (device, session) = (ledger::device(), session(handshake));
                RaiseGeneration { device, session, highest_read: 0 }.into()
            }
            Change::Write(number) => enrolment(number).into(),
        };
        // Nothing is asked for twice here.
        let request = RequestId([index.to_be_bytes(); 2].concat().try_into().unwrap());
        let bytes = Envelope::new(0, request, command).encode();
        let outcome = apply(rows, index, &bytes).expect("the rows can be read");
        self.look(index);
        match Outcome::decode(&outcome).expect("the ledger reads its own") {
            Outcome::Opened { generation, .. } => {
                if let Change::Open(handshake) = change {
                    self.seen.opened.insert(handshake);
                }
                Came::Generation(generation)
            }
            Outcome::Generation(generation) => Came::Generation(generation),
            Outcome::Refused(_) => Came::Refused,
            _ => Came::Done,
        }
    }

    /// Notes what the rows show.
    fn look(&mut self, index: u64) {
        let view = View::new(&*self.rows);
        let generation = |handshake: &u8| view.session(&ledger::device(), session(*handshake));
        let sessions = (0..8).filter_map(|it| Some((it, generation(&it)?.generation)));
        let is_written = |number: &u8| view.device(&written(*number)).is_some();
        let seen = Seen {
            index,
            begun_at: view.incarnation().map(|it| it.begun_at),
            sessions: sessions.collect(),
            opened: self.seen.opened.clone(),
            written: (0..8).filter(is_written).collect(),
        };
        self.seen = seen;
    }
}

fn enrolment(number: u8) -> EnrolDevice {
    let device = written(number);
    EnrolDevice {
        endpoint: device.device.clone(),
        identity: device.device.clone().into_bytes(),
        device,
        profile: "meters".to_owned(),
        credential: CredentialId([0x80 + number; 16]),
        sealed_key: vec![1; 48],
        key_length: 16,
        kind: CredentialKind::Psk,
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen
    }
}

impl Eq for Rows {}

impl core::hash::Hash for Rows {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.seen.hash(state);
    }
}

impl core::fmt::Debug for Rows {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.seen.fmt(f)
    }
}
