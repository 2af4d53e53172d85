//! A snapshot at somebody's word: the rows are synced, and the log that they stand for goes.

use crate::{Node, OpenError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one that is asked for may take before it is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(20);

impl Node {
    /// Makes a snapshot of what is applied now, and lets go of all of the log behind it but what is
    /// always kept; ends when the snapshot is there. Gives its index.
    ///
    /// # Errors
    /// [`OpenError::Runtime`] if the node has stopped, or it takes too long.
    pub async fn snapshot_now(&self) -> Result<u64, OpenError> {
        let (wanted, begun) = (self.standing().applied_index, Instant::now());
        let mut asks = begun;
        loop {
            let status = self.status();
            if status.snapshot_index >= wanted {
                return Ok(status.snapshot_index);
            }
            if !status.running || begun.elapsed() > PATIENCE {
                let words = "the node has stopped, or its snapshot is not there after a minute";
                return Err(OpenError::Runtime(words.to_owned()));
            }
            // One that was under way may be older than what is wanted.
            if Instant::now() >= asks {
                let triggered = self.raft.trigger().snapshot().await;
                triggered.map_err(|error| OpenError::Runtime(error.to_string()))?;
                asks += AGAIN;
            }
            sleep(LOOK).await;
        }
    }
}
