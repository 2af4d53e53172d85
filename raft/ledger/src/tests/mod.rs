//! The ledger's tests: a rig that applies commands to rows in memory, and the commands of one
//! small fleet.
//!
//! Give a [`Rig`] commands with [`Rig::run`]; look at what came of them with [`Rig::view`].

mod costs;
mod credentials;
mod deleting;
mod feed;
mod generations;
mod golden;
mod import_keys;
mod incarnation;
mod invariants;
mod keyed;
mod keys;
mod model;
mod nodes;
mod paging;
mod preparing;
mod properties;
mod proving;
mod replacing;
mod requests;
mod resuming;
mod revoking;
mod sequences;
mod sessions;
mod setup;
mod staging;
mod story;

use crate::memory::MemoryRows;
use crate::*;

/// The time that a rig begins at, in ms.
const START: u64 = 1_000_000;
/// How long the profile's credentials are valid, in ms.
const LIFETIME: u64 = 3_600_000;

/// One replica: its rows, the index of its last entry, and the proposer's clock.
#[derive(Clone)]
struct Rig {
    rows: MemoryRows,
    index: u64,
    now: u64,
}

impl Rig {
    /// Nothing was founded yet.
    fn empty() -> Self {
        Self { rows: MemoryRows::default(), index: 0, now: START }
    }

    /// A tenant with a connector and a profile.
    fn ready() -> Self {
        let mut rig = Self::empty();
        rig.done(Found { cluster: [1; 16] });
        for tenant in ["default", "other"] {
            rig.done(create_tenant(tenant));
            rig.done(put_connector(tenant));
            rig.done(put_profile(tenant, "coaps://lwm2m.example:5684"));
        }
        rig
    }

    /// Device 1 is enrolled, and session 1 is open.
    fn in_session() -> Self {
        let mut rig = Self::ready();
        rig.done(enrol(1));
        assert!(matches!(rig.run(open(1, 1)), Outcome::Opened { .. }));
        rig
    }

    /// Device 1 was given the credential 10 in session 1.
    fn staged() -> Self {
        let mut rig = Self::in_session();
        assert!(matches!(rig.run(stage(10)), Outcome::Staged { again: false, .. }));
        rig
    }

    /// Applies `command` under a request id of its own.
    fn run(&mut self, command: impl Into<Command>) -> Outcome {
        let envelope = self.envelope(command);
        self.submit(&envelope)
    }

    fn envelope(&self, command: impl Into<Command>) -> Envelope {
        Envelope::new(self.now, request(self.index + 1), command.into())
    }

    fn submit(&mut self, envelope: &Envelope) -> Outcome {
        self.index += 1;
        let bytes = apply(&mut self.rows, self.index, &envelope.encode()).unwrap();
        Outcome::decode(&bytes).unwrap()
    }

    fn done(&mut self, command: impl Into<Command>) {
        let outcome = self.run(command);
        assert!(matches!(outcome, Outcome::Done | Outcome::Made), "{outcome:?}");
    }

    /// Applies `command`, which must end credentials, and says what went with them.
    fn ended(&mut self, command: impl Into<Command>) -> Ended {
        match self.run(command) {
            Outcome::Ended(ended) => ended,
            other => panic!("{other:?}"),
        }
    }

    /// Applies `command`, which must be refused, and says why it was.
    fn refused(&mut self, command: impl Into<Command>) -> Refusal {
        let Outcome::Refused(why) = self.run(command) else {
            panic!("it was not refused");
        };
        why
    }

    fn view(&self) -> View<'_> {
        View::new(&self.rows)
    }

    fn state(&self, credential: u8) -> State {
        self.view().credential(&device(1), cred(credential)).unwrap().state
    }

    /// How many audit entries of device 1 have `code`.
    fn audited(&self, code: EventCode) -> usize {
        self.view().audit(&device(1)).iter().filter(|a| a.entry.code == code).count()
    }

    /// How often `code` stands on the timeline of device 1.
    fn noted(&self, code: EventCode) -> usize {
        self.view().timeline(&device(1)).iter().filter(|e| e.code == code).count()
    }
}

fn request(number: u64) -> RequestId {
    RequestId(u128::from(number).to_be_bytes())
}

fn device(number: u8) -> DeviceRef {
    DeviceRef { tenant: "default".into(), device: format!("device-{number}") }
}

fn cred(number: u8) -> CredentialId {
    CredentialId([number; 16])
}

fn sess(number: u8) -> SessionId {
    SessionId([number; 16])
}

fn not_found(what: &str, name: impl ToString) -> Refusal {
    Refusal::NotFound { what: what.into(), name: name.to_string() }
}

fn taken(what: &str, name: impl ToString) -> Refusal {
    Refusal::Taken { what: what.into(), name: name.to_string() }
}

fn in_state(state: &str) -> Refusal {
    Refusal::State { state: state.into() }
}

/// As if sealed by the first version of a tenant's key: what begins with 2 names another.
fn blob(number: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![number; length];
    if number == 2 {
        bytes[0] = 1;
    }
    bytes
}

fn create_tenant(tenant: &str) -> CreateTenant {
    CreateTenant { tenant: tenant.into(), wrapped_key: vec![7; 40], root: 0 }
}

fn put_connector(tenant: &str) -> PutConnector {
    PutConnector {
        tenant: tenant.into(),
        name: "hook".into(),
        url: "https://lwm2m.example/credentials".into(),
        sealed_secret: vec![8; 48],
        kind: ConnectorKind::Webhook,
        expect: None,
    }
}

fn profile(server_uri: &str) -> Profile {
    Profile {
        server_uri: server_uri.into(),
        short_server_id: 101,
        registration_lifetime: 86_400,
        credential_lifetime: LIFETIME / 1000,
        binding: "U".into(),
        security_mode: 0,
        connector: "hook".into(),
        version: 0,
    }
}

fn put_profile(tenant: &str, server_uri: &str) -> PutProfile {
    PutProfile {
        tenant: tenant.into(),
        name: "meters".into(),
        profile: profile(server_uri),
        expect: None,
    }
}

/// Device `number` with the manufacturer credential of the same number.
fn enrol(number: u8) -> EnrolDevice {
    EnrolDevice {
        device: device(number),
        endpoint: format!("urn:dev:{number}"),
        profile: "meters".into(),
        credential: cred(number),
        identity: format!("identity-{number}").into_bytes(),
        sealed_key: blob(number, 48),
        key_length: 32,
        kind: CredentialKind::Psk,
    }
}

/// Device `number` with the public key of the same number.
fn enrol_key(number: u8) -> EnrolDevice {
    let (identity, kind) = (vec![number; 91], CredentialKind::PublicKey);
    EnrolDevice { identity, kind, sealed_key: vec![], key_length: 0, ..enrol(number) }
}

/// Device `number` with certificates under the trust anchor "factory".
fn enrol_certificate(number: u8) -> EnrolDevice {
    EnrolDevice {
        identity: b"factory".to_vec(),
        kind: CredentialKind::Certificate,
        ..enrol_key(number)
    }
}

fn put_trust_anchor(enrol_with: Option<&str>) -> PutTrustAnchor {
    let anchor = TrustAnchor {
        certificates: vec![vec![0x30, 0].into()],
        endpoint_in: NamePlace::Uri,
        enrol_with: enrol_with.map(Into::into),
        version: 0,
    };
    PutTrustAnchor { tenant: "default".into(), name: "factory".into(), anchor, expect: None }
}

fn delete_trust_anchor() -> DeleteTrustAnchor {
    DeleteTrustAnchor { tenant: "default".into(), name: "factory".into(), expect: None }
}

fn put_server_identity() -> PutServerIdentity {
    let identity = ServerIdentity {
        chain: vec![vec![0x30, 0].into()],
        public_key: vec![5; 91],
        group: 23,
        scheme: 0x0403,
        sealed_key: vec![6; 60],
        version: 0,
    };
    PutServerIdentity { tenant: "default".into(), identity, expect: None }
}

/// Session `session` of device `of`, opened by its manufacturer credential, with a connection id.
fn open(of: u8, session: u8) -> OpenSession {
    let opened = Session {
        credential: cred(of),
        suite: 0xC0A8,
        sealed: blob(session, 64),
        cid: vec![session; 8],
        peer_cid: vec![],
        listener: "main".into(),
        peer: "192.0.2.1:49152".into(),
        generation: 0,
        highest_read: 0,
        edge: None,
        opened_at: 0,
        restorable: false,
        anchor: None,
    };
    OpenSession::new(device(of), sess(session), opened)
}

/// The same, with the credential `number` to be staged for its device.
fn open_with(of: u8, session: u8, number: u8) -> OpenSession {
    let StageCredential { credential, identity, sealed_key, key_length, .. } = stage(number);
    let fresh = Some(Box::new(Fresh { credential, identity, sealed_key, key_length }));
    OpenSession { fresh, ..open(of, session) }
}

/// The same, to be resumed by the handle `handle`.
fn open_resumable(of: u8, session: u8, handle: u8) -> OpenSession {
    let resumable = Resumable { handle: [handle; 16], sealed: blob(handle, 122) };
    OpenSession { resumable: Some(Box::new(resumable)), ..open(of, session) }
}

/// The same without a connection id, from `peer`.
fn open_at(of: u8, session: u8, peer: &str) -> OpenSession {
    let mut command = open(of, session);
    command.opened.cid.clear();
    command.opened.peer = peer.into();
    command
}

/// The credential `number` for device 1, asked for in session 1.
fn stage(number: u8) -> StageCredential {
    StageCredential {
        device: device(1),
        session: sess(1),
        highest_read: 3,
        credential: cred(number),
        identity: vec![number; 16],
        sealed_key: blob(number, 48),
        key_length: 32,
    }
}

fn deliver(credential: u8) -> DeliverCredential {
    DeliverCredential {
        device: device(1),
        credential: cred(credential),
        session: sess(1),
        highest_read: 9,
        steps: "Discover, Write /0/1, Write /1/1, Finish".into(),
    }
}

fn confirm(credential: u8) -> ConfirmOutbox {
    ConfirmOutbox { device: device(1), credential: cred(credential) }
}

fn report(credential: u8) -> ReportUse {
    ReportUse { device: device(1), credential: cred(credential) }
}

fn raise(session: u8) -> RaiseGeneration {
    RaiseGeneration { device: device(1), session: sess(session), highest_read: 5 }
}

fn close(session: u8) -> CloseSession {
    CloseSession { device: device(1), session: sess(session), words: "It ended.".into() }
}

fn note(refused: bool) -> NoteFailure {
    NoteFailure { device: device(1), credential: None, refused, words: "It failed.".into() }
}

fn revoke(credential: u8) -> RevokeCredential {
    let reason = "It was found in a drawer.".into();
    RevokeCredential { device: device(1), credential: cred(credential), reason }
}

fn rotate() -> RotateCredential {
    RotateCredential { device: device(1) }
}

fn update(profile: &str) -> UpdateDevice {
    UpdateDevice { device: device(1), profile: profile.into() }
}

fn delete() -> DeleteDevice {
    DeleteDevice { device: device(1) }
}

/// Credentials of device 1.
fn expire(credentials: &[u8]) -> ExpireCredentials {
    let credentials = credentials.iter().map(|number| (device(1), cred(*number))).collect();
    ExpireCredentials { credentials }
}

/// The server's word that it takes a credential of device 1 no more.
fn forgotten(credential: u8) -> ConfirmWithdrawal {
    ConfirmWithdrawal { device: device(1), credential: cred(credential) }
}

fn delete_profile(name: &str) -> DeleteProfile {
    DeleteProfile { tenant: "default".into(), name: name.into(), expect: None }
}

fn delete_connector(name: &str) -> DeleteConnector {
    DeleteConnector { tenant: "default".into(), name: name.into(), expect: None }
}

fn put_import_key() -> PutImportKey {
    PutImportKey {
        tenant: "default".into(),
        public: [3; 32],
        sealed_private: vec![4; 60],
        expect: None,
    }
}
