//! Proposals: an envelope for each command, and patience with a ledger that has no leader.

use crate::Ports;
use claviger_ledger::{Command, Envelope, Outcome, RequestId, Unavailable};
use core::time::Duration;

/// How long a command that must not be lost is proposed again.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two proposals of the same envelope.
const PAUSE: Duration = Duration::from_millis(500);

/// A time as the ledger counts it, in ms.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Ports {
    /// An envelope for `command`, with the time and a fresh request id.
    pub(crate) fn envelope(&self, command: Command) -> Envelope {
        Envelope::new(millis(self.clock.now()), RequestId(self.crypto.random()), command)
    }

    /// Proposes `command` once.
    pub(crate) async fn propose(&self, command: Command) -> Result<Outcome, Unavailable> {
        self.ledger.propose(self.envelope(command)).await
    }

    /// Asks the ledger until it confirms what it shows, but not for ever: a device whose request was
    /// answered, or went to another node, does not ask again.
    pub(crate) async fn confirmed(&self) -> Result<(), Unavailable> {
        let end = self.clock.now() + PATIENCE;
        loop {
            let fate = match self.ledger.ready() {
                Ok(()) => self.ledger.confirm().await,
                refused => refused,
            };
            match fate {
                Err(Unavailable::NoLeader) if self.clock.now() < end => {
                    tokio::time::sleep(PAUSE).await;
                }
                fate => return fate,
            }
        }
    }

    /// Proposes the same envelope until its fate is known, but not for ever.
    pub(crate) async fn insist(&self, command: Command) -> Result<Outcome, Unavailable> {
        let envelope = self.envelope(command);
        let end = self.clock.now() + PATIENCE;
        loop {
            match self.ledger.propose(envelope.clone()).await {
                Err(Unavailable::NoLeader) if self.clock.now() < end => {
                    tokio::time::sleep(PAUSE).await;
                }
                fate => return fate,
            }
        }
    }
}
