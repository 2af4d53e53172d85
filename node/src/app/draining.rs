//! Leaving: what others can go on with is left to them before a process ends.

use super::App;
use crate::cluster::way::ToTask;
use core::time::Duration;
use std::sync::atomic::Ordering;
use tokio::time::{sleep, timeout};

/// How long handshakes that are under way may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(50);

impl App {
    /// Is unready from now on; gives up the lead, takes no new handshakes, and waits for those that
    /// are under way. A process that is alone leaves nobody anything: it ends at once.
    pub(super) async fn drain(&self) {
        self.health.draining.store(true, Ordering::Relaxed);
        if !self.has_others {
            return;
        }
        if let Some((ledger, _)) = &self.ledger {
            match ledger.hand_over(None).await {
                Ok(Some(leader)) => {
                    tracing::info!(leader = format_args!("{leader:016x}"), "handed over")
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "nobody takes the lead before this node stops")
                }
            }
        }
        for edge in &self.edges {
            // One whose queue is full has no time to drain.
            let _ = edge.task.try_send(ToTask::Drain);
        }
        let drained = async {
            while !self.edges.iter().all(|edge| edge.shown.is_drained()) {
                sleep(LOOK).await;
            }
        };
        if timeout(PATIENCE, drained).await.is_err() {
            tracing::warn!("handshakes were under way for too long: they are left");
        }
    }
}
