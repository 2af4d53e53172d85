//! The operator: asks any node for something, again and again until it is answered, and remembers
//! what was asked, when, and what was answered.

use claviger_ledger::{
    CredentialId, DeviceRef, Envelope, Ledger, Origin, Outcome, Refusal, State, View,
};
use core::time::Duration;
use std::sync::Arc;
use tokio::time::sleep;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(300);

/// What is asked for, of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To enrol it with this credential.
    Enrol(CredentialId),
    /// To delete it.
    Delete,
    /// To revoke this credential of its manufacturer.
    Revoke(CredentialId),
    /// To give it a fresh credential.
    Rotate,
    /// To say how it stands.
    Look,
    /// To believe what the factory certifies; the device is [`FACTORY`].
    Trust,
    /// To believe it no more.
    Distrust,
}

/// What stands for the trust anchor among devices.
pub(crate) const FACTORY: &str = "factory";
/// What it has for a credential.
pub(crate) const ANCHOR: CredentialId = CredentialId([0; 16]);

/// What was answered, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It was done.
    Done,
    /// There is no such device, or no such credential of it.
    NotFound,
    /// It is there already.
    Taken,
    /// It was ended before.
    Over,
    /// It stands so: the manufacturer's credential that it has, and whether that is revoked.
    Stands(Option<(CredentialId, bool)>),
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// Of which device.
    pub device: DeviceRef,
    /// What.
    pub ask: Ask,
    /// Its place among all that was asked and answered.
    pub asked: u64,
    /// The place of the answer, and the answer; none if there was none.
    pub answered: Option<(u64, Told)>,
}

impl Operation {
    pub(crate) fn new(
        device: &DeviceRef,
        ask: Ask,
        asked: u64,
        answered: Option<(u64, Told)>,
    ) -> Self {
        Self { device: device.clone(), ask, asked, answered }
    }
}

/// The end of an operation.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) operation: usize,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) told: Option<Told>,
}

/// Puts a question to the nodes, one after the other.
pub(crate) async fn ask(
    operation: usize,
    nodes: Vec<Arc<dyn Ledger>>,
    device: DeviceRef,
    envelope: Option<Envelope>,
) -> Answer {
    let end = tokio::time::Instant::now() + PATIENCE;
    for node in nodes.iter().cycle() {
        let (mut outcome, mut told) = (None, None);
        match &envelope {
            Some(envelope) => {
                if let Ok(done) = node.propose(envelope.clone()).await {
                    told = Some(told_of(&done));
                    outcome = Some(done);
                }
            }
            None => {
                if node.confirm().await.is_ok() {
                    node.read(&mut |rows| {
                        told = Some(Told::Stands(stands(&View::new(rows), &device)))
                    });
                }
            }
        }
        if told.is_some() {
            return Answer { operation, outcome, told };
        }
        if tokio::time::Instant::now() >= end {
            break;
        }
        sleep(PAUSE).await;
    }
    Answer { operation, outcome: None, told: None }
}

/// The manufacturer's credential of a device, and whether it is revoked; for [`FACTORY`] whether it
/// is believed.
pub(crate) fn stands(view: &View<'_>, device: &DeviceRef) -> Option<(CredentialId, bool)> {
    if device.device == FACTORY {
        view.trust_anchor(&device.tenant, FACTORY)?;
        return Some((ANCHOR, false));
    }
    view.device(device)?;
    let credentials = view.credentials(device).into_iter();
    let mut proven = credentials.filter(|(_, it)| it.origin == Origin::Manufacturer);
    proven.next().map(|(id, it)| (id, it.state == State::Revoked))
}

fn told_of(outcome: &Outcome) -> Told {
    match outcome {
        Outcome::Refused(Refusal::NotFound { .. }) => Told::NotFound,
        Outcome::Refused(Refusal::Taken { .. }) => Told::Taken,
        Outcome::Refused(_) => Told::Over,
        _ => Told::Done,
    }
}
