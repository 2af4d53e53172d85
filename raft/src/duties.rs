//! What a leader does for the group by itself.

use crate::{Node, membership};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a leader looks whether all know a higher level.
const LOOK: Duration = Duration::from_secs(5);
/// How often it looks whether it has room to write.
const ROOM: Duration = Duration::from_millis(500);

/// Ends a change of voters that a leader before began, raises the level when all know it, and gives
/// way to one that has room when its own disk is nearly full; runs until the node stops.
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
            biased;
            changed = shown.changed() => changed.is_err(),
            () = give_way(&node), if leads => false,
        };
        if ended {
            return;
        }
    }
}

/// Until it is time to look again, sees that nobody waits for this leader's disk.
async fn give_way(node: &Node) {
    let again = Instant::now() + LOOK;
    while Instant::now() < again {
        if node.space.is_short()
            && let Err(error) = node.give_way().await
        {
            tracing::debug!(%error, "the lead stays here, where nothing can be written");
        }
        sleep(ROOM).await;
    }
}
