//! The task that ends credentials whose time is over, and forgets edges that are gone.
//!
//! Apply checks each of them against the ledger's own time; the sweeper only finds them. Its
//! rounds are bounded, so that a fleet whose credentials end at once does not hold up the rest.

use claviger_actors::Clock;
use claviger_ledger::{
    CredentialId, DeviceRef, Envelope, ExpireCredentials, ForgetEdges, Ledger, Outcome, RequestId,
    View,
};
use claviger_machine::Crypto;
use core::time::Duration;
use std::sync::Arc;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(30);
/// How many commands of a tenant one round proposes at most.
const COMMANDS: usize = 16;

/// The sweeper.
pub struct Sweeper {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    crypto: Arc<dyn Crypto>,
}

impl Sweeper {
    /// One for `ledger`.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, crypto: Arc<dyn Crypto>) -> Self {
        Self { ledger, clock, crypto }
    }

    /// Sweeps until the task is ended.
    pub async fn run(self) {
        loop {
            self.sweep().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One round. What it does not reach, or the ledger does not take, is there at the next.
    async fn sweep(&self) {
        if self.ledger.confirm().await.is_err() {
            return;
        }
        self.forget_edges().await;
        let mut tenants = Vec::new();
        self.ledger.read(&mut |rows| tenants = View::new(rows).tenants());
        for (tenant, _) in tenants {
            let mut place = None;
            for _ in 0..COMMANDS {
                let (credentials, next) = self.overdue(&tenant, place);
                if credentials.is_empty() || !self.expire(credentials).await {
                    break;
                }
                place = next;
                if place.is_none() {
                    break;
                }
            }
        }
    }

    /// Each start of an edge leaves a row, until its certificate is over.
    async fn forget_edges(&self) {
        let mut nodes = Vec::new();
        self.ledger.read(&mut |rows| nodes = View::new(rows).nodes());
        let gone = nodes.into_iter().filter(|(_, node)| node.is_gone(self.now()));
        let nodes: Vec<_> = gone.map(|(id, _)| id).take(ForgetEdges::MOST).collect();
        if nodes.is_empty() {
            return;
        }
        let (count, request) = (nodes.len(), RequestId(self.crypto.random()));
        let envelope = Envelope::new(self.now(), request, ForgetEdges { nodes }.into());
        match self.ledger.propose(envelope).await {
            Ok(_) => tracing::info!(count, "edges that are gone were forgotten"),
            Err(error) => tracing::debug!(%error, "edges that are gone wait to be forgotten"),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX)
    }

    fn overdue(
        &self,
        tenant: &str,
        after: Option<Vec<u8>>,
    ) -> (Vec<(DeviceRef, CredentialId)>, Option<Vec<u8>>) {
        let mut page = (Vec::new(), None);
        self.ledger.read(&mut |rows| {
            let most = ExpireCredentials::MOST;
            let found = View::new(rows).overdue(tenant, self.now(), after.as_deref(), most);
            page = (found.items, found.next);
        });
        page
    }

    /// True if the ledger took the command.
    async fn expire(&self, credentials: Vec<(DeviceRef, CredentialId)>) -> bool {
        let count = credentials.len();
        let command = ExpireCredentials { credentials };
        let request = RequestId(self.crypto.random());
        match self.ledger.propose(Envelope::new(self.now(), request, command.into())).await {
            Ok(Outcome::Ended(_)) => {
                tracing::info!(count, "credentials expired");
                true
            }
            Ok(other) => {
                tracing::error!(?other, "credentials do not expire");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "credentials wait to be expired");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_ledger::memory::MemoryLedger;
    use claviger_ledger::{
        AdmitNode, Command, ConnectorKind, CreateJoinToken, CreateTenant, CredentialKind,
        EnrolDevice, EventCode, Found, NodeRole, OpenSession, Profile, PutConnector, PutProfile,
        Session, SessionId, StageCredential, State,
    };
    use core::sync::atomic::{AtomicU64, Ordering};

    const LIFETIME: u64 = 60;

    struct Set(AtomicU64);

    impl Clock for Set {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    struct Counted(AtomicU64);

    impl Crypto for Counted {
        fn fill(&self, bytes: &mut [u8]) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            bytes.iter_mut().zip(next.iter().cycle()).for_each(|(byte, next)| *byte = *next);
        }
    }

    fn rig() -> (Sweeper, Arc<Set>) {
        let clock = Arc::new(Set(AtomicU64::new(1000)));
        let sweeper = Sweeper {
            ledger: Arc::new(MemoryLedger::default()),
            clock: clock.clone(),
            crypto: Arc::new(Counted(AtomicU64::new(1))),
        };
        (sweeper, clock)
    }

    async fn apply(sweeper: &Sweeper, command: impl Into<Command>) {
        let request = RequestId(sweeper.crypto.random());
        let envelope = Envelope::new(sweeper.now(), request, command.into());
        let outcome = sweeper.ledger.propose(envelope).await.unwrap();
        assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }

    fn of(number: u16) -> DeviceRef {
        DeviceRef { tenant: "t".into(), device: number.to_string() }
    }

    async fn found(sweeper: &Sweeper) {
        let tenant = || "t".to_owned();
        apply(sweeper, Found { cluster: [0; 16] }).await;
        apply(sweeper, CreateTenant { tenant: tenant(), wrapped_key: vec![0], root: 0 }).await;
        let connector = PutConnector {
            tenant: tenant(),
            name: "c".into(),
            url: "http://127.0.0.1:1/".into(),
            sealed_secret: vec![0],
            kind: ConnectorKind::Webhook,
            expect: None,
        };
        apply(sweeper, connector).await;
        let profile = Profile {
            server_uri: "coaps://a.example".into(),
            short_server_id: 123,
            registration_lifetime: 300,
            credential_lifetime: LIFETIME,
            binding: "U".into(),
            security_mode: 0,
            connector: "c".into(),
            version: 0,
        };
        apply(sweeper, PutProfile { tenant: tenant(), name: "p".into(), profile, expect: None })
            .await;
    }

    /// A device with a credential that is staged now.
    async fn staged(sweeper: &Sweeper, number: u16) {
        let (device, session) = (of(number), SessionId(sweeper.crypto.random()));
        let credential = CredentialId(sweeper.crypto.random());
        let name = number.to_string();
        let enrol = EnrolDevice {
            device: device.clone(),
            endpoint: name.clone(),
            profile: "p".into(),
            credential,
            identity: name.into_bytes(),
            sealed_key: vec![0],
            key_length: 16,
            kind: CredentialKind::Psk,
        };
        apply(sweeper, enrol).await;
        let cid = number.to_be_bytes().to_vec();
        let opened = Session { cid, ..crate::fixtures::session(credential) };
        apply(sweeper, OpenSession::new(device.clone(), session, opened)).await;
        let stage = StageCredential {
            device,
            session,
            highest_read: 1,
            credential: CredentialId(sweeper.crypto.random()),
            identity: sweeper.crypto.random::<16>().to_vec(),
            sealed_key: vec![0],
            key_length: 16,
        };
        apply(sweeper, stage).await;
    }

    fn expired(sweeper: &Sweeper, numbers: core::ops::Range<u16>) -> usize {
        let mut expired = 0;
        sweeper.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let all = numbers.clone().flat_map(|number| view.credentials(&of(number)));
            expired = all.filter(|(_, row)| row.state == State::Expired).count();
        });
        expired
    }

    #[tokio::test]
    async fn a_round_ends_all_that_is_over_and_nothing_else() {
        let (sweeper, clock) = rig();
        found(&sweeper).await;
        for number in 0..300 {
            staged(&sweeper, number).await;
        }
        clock.0.fetch_add(1, Ordering::Relaxed);
        staged(&sweeper, 300).await;

        clock.0.fetch_add(LIFETIME - 2, Ordering::Relaxed);
        sweeper.sweep().await;
        let before = sweeper.ledger.applied();
        assert_eq!(expired(&sweeper, 0..301), 0);

        clock.0.fetch_add(1, Ordering::Relaxed);
        sweeper.sweep().await;
        assert_eq!((expired(&sweeper, 0..300), expired(&sweeper, 300..301)), (300, 0));
        let most = ExpireCredentials::MOST as u64;
        assert_eq!(sweeper.ledger.applied() - before, 300_u64.div_ceil(most), "no more commands");
    }

    #[tokio::test]
    async fn what_has_ended_is_ended_once() {
        let (sweeper, clock) = rig();
        found(&sweeper).await;
        staged(&sweeper, 0).await;
        clock.0.fetch_add(LIFETIME, Ordering::Relaxed);

        sweeper.sweep().await;
        sweeper.sweep().await;

        let mut audited = 0;
        sweeper.ledger.read(&mut |rows| {
            let audit = View::new(rows).audit(&of(0)).into_iter();
            audited = audit.filter(|a| a.entry.code == EventCode::CredentialExpired).count();
        });
        assert_eq!(audited, 1);
    }

    #[tokio::test]
    async fn a_ledger_that_does_not_answer_is_left_alone() {
        let (mut sweeper, clock) = rig();
        let ledger = Arc::new(MemoryLedger::default());
        sweeper.ledger = ledger.clone();
        found(&sweeper).await;
        staged(&sweeper, 0).await;
        clock.0.fetch_add(LIFETIME, Ordering::Relaxed);
        ledger.refuse(Some(claviger_ledger::Unavailable::NoLeader));
        sweeper.sweep().await;
        assert_eq!(expired(&sweeper, 0..1), 0);

        ledger.refuse(None);
        sweeper.sweep().await;

        assert_eq!(expired(&sweeper, 0..1), 1);
    }

    #[tokio::test]
    async fn forgets_edges_whose_certificates_are_over_everywhere() {
        let (sweeper, clock) = rig();
        found(&sweeper).await;
        let expires_at = u64::MAX;
        let (token, secret_hash, role) = ([7; 16], [8; 32], NodeRole::Edge);
        let uses = 9;
        let returns = None;
        let made = CreateJoinToken { token, role, secret_hash, expires_at, uses, returns };
        apply(&sweeper, made).await;
        for node in [1, 2] {
            let certified_until = sweeper.now() + node * 86_400_000;
            let (key_hash, issuer) = ([9; 32], None);
            let admit =
                AdmitNode { token, secret_hash, node, role, key_hash, certified_until, issuer };
            apply(&sweeper, admit).await;
        }
        let nodes = || {
            let mut nodes = Vec::new();
            sweeper.ledger.read(&mut |rows| nodes = View::new(rows).nodes());
            nodes.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };

        sweeper.sweep().await;
        assert_eq!(nodes(), [1, 2]);
        clock.0.fetch_add(2 * 86_400, Ordering::Relaxed);
        sweeper.sweep().await;
        assert_eq!(nodes(), [2]);
    }
}
