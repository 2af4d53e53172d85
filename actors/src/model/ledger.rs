//! The ledger of the model: its rows, changed by the `apply` that ships.

use claviger_ledger::memory::MemoryRows;
use claviger_ledger::{
    Command, ConnectorKind, CreateTenant, CredentialId, CredentialKind, DeviceRef, EnrolDevice,
    Envelope, Found, OpenSession, Outcome, Profile, PutConnector, PutProfile, RequestId, Session,
    SessionId, StageCredential, View, apply,
};
use core::hash::{Hash, Hasher};
use std::sync::Arc;

const TENANT: &str = "default";
pub(super) const SESSION: SessionId = SessionId([7; 16]);
/// The time of every command, in ms.
const TIME: u64 = 1_000_000;

/// Rows of one tenant with one device.
#[derive(Clone)]
pub(super) struct Ledger {
    rows: Arc<MemoryRows>,
    index: u64,
    seen: Seen,
}

/// What of the rows the session's course depends on. Two ledgers that differ in times, indices and
/// words only are one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Seen {
    /// The session's generation, and up to where it was read.
    session: Option<(u32, u64)>,
    /// How much there is to tell of the device.
    told: usize,
}

pub(super) fn device() -> DeviceRef {
    DeviceRef { tenant: TENANT.to_owned(), device: "meter".to_owned() }
}

const PROVEN: CredentialId = CredentialId([1; 16]);

impl Ledger {
    /// A device is enrolled, and has no session.
    pub(super) fn enrolled() -> Self {
        let tenant = || TENANT.to_owned();
        let profile = Profile {
            server_uri: "coaps://lwm2m.example".to_owned(),
            short_server_id: 1,
            registration_lifetime: 300,
            credential_lifetime: 86_400,
            binding: "U".to_owned(),
            security_mode: 0,
            connector: "hook".to_owned(),
            version: 0,
        };
        let connector = PutConnector {
            tenant: tenant(),
            name: "hook".to_owned(),
            url: "https://lwm2m.example/".to_owned(),
            sealed_secret: Vec::new(),
            kind: ConnectorKind::Webhook,
            expect: None,
        };
        let enrol = EnrolDevice {
            device: device(),
            endpoint: "meter".to_owned(),
            profile: "meters".to_owned(),
            credential: PROVEN,
            identity: b"meter".to_vec(),
            sealed_key: vec![1; 48],
            key_length: 16,
            kind: CredentialKind::Psk,
        };
        let mut ledger = Self { rows: Arc::default(), index: 0, seen: Seen::default() };
        let commands: [Command; 5] = [
            Found { cluster: [1; 16] }.into(),
            CreateTenant { tenant: tenant(), wrapped_key: vec![7; 40], root: 0 }.into(),
            connector.into(),
            PutProfile { tenant: tenant(), name: "meters".to_owned(), profile, expect: None }
                .into(),
            enrol.into(),
        ];
        for (number, command) in (1..).zip(commands) {
            let outcome = ledger.apply(RequestId([number; 16]), command);
            assert!(matches!(outcome, Outcome::Done | Outcome::Made), "{outcome:?}");
        }
        ledger
    }

    /// Commits a command and applies it.
    pub(super) fn apply(&mut self, request: RequestId, command: Command) -> Outcome {
        self.index += 1;
        let bytes = Envelope::new(TIME, request, command).encode();
        let rows: &mut MemoryRows = Arc::make_mut(&mut self.rows);
        let outcome = apply(rows, self.index, &bytes);
        let view = View::new(&*self.rows);
        let session = view.session(&device(), SESSION);
        let session = session.map(|it| (it.generation, it.highest_read));
        self.seen = Seen { session, told: view.timeline(&device()).len() };
        outcome.ok().and_then(|bytes| Outcome::decode(&bytes)).expect("the ledger reads its own")
    }

    /// The rows, and the index of their last entry.
    pub(super) fn into_rows(self) -> (Arc<MemoryRows>, u64) {
        (self.rows, self.index)
    }

    /// The session's generation, and up to where it was read.
    pub(super) const fn session(&self) -> Option<(u32, u64)> {
        self.seen.session
    }

    /// How much there is to tell of the device: more with each change.
    pub(super) const fn told(&self) -> usize {
        self.seen.told
    }
}

/// A session's opening, as an edge's call brings it.
pub(super) fn opening(session: SessionId) -> Command {
    let opened = Session {
        credential: PROVEN,
        suite: 0xC0A8,
        sealed: vec![1; 64],
        cid: session.0[..8].to_vec(),
        peer_cid: Vec::new(),
        listener: "coaps".to_owned(),
        peer: "192.0.2.1:5684".to_owned(),
        generation: 0,
        highest_read: 0,
        opened_at: 0,
        restorable: true,
        anchor: None,
        edge: Some(0),
    };
    OpenSession::new(device(), session, opened).into()
}

/// What a device's request comes to: a change of the ledger that is seen on its timeline.
pub(super) fn staging(highest_read: u64, credential: CredentialId) -> Command {
    let sealed_key = vec![1; 48];
    let identity = credential.0.to_vec();
    let (device, session) = (device(), SESSION);
    let key_length = 16;
    StageCredential { device, session, highest_read, credential, identity, sealed_key, key_length }
        .into()
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen
    }
}

impl Eq for Ledger {}

impl Hash for Ledger {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.seen.hash(state);
    }
}

impl core::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.seen.fmt(f)
    }
}
