//! What a leader does for the group by itself.

use crate::{Node, membership};
use std::time::Duration;
use tokio::time::sleep;

/// How often a leader looks whether all know a higher level.
const LOOK: Duration = Duration::from_secs(5);

/// Ends a change of voters that a leader before began, and raises the level when all know it; runs
/// until the node stops.
pub(crate) async fn run(node: Node) {
    let mut shown = node.leadership();
    loop {
        let leads = shown.borrow_and_update().leading.is_some();
        if leads {
            membership::settle(&node.raft).await;
            if let Err(error) = node.raise_level().await {
                tracing::debug!(%error, "the level stays as it is");
            }
        }
        let ended = tokio::select! {
            changed = shown.changed() => changed.is_err(),
            () = sleep(LOOK), if leads => false,
        };
        if ended {
            return;
        }
    }
}
