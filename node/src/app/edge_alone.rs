//! A process that is an edge and nothing else: no disk, no key-encryption key, no API.

use super::linking::{fresh, peers, random_id, seeds, token};
use super::sockets::Sockets;
use super::{App, Ground, StartError, health};
use crate::cluster::link::{Late, renew_edge};
use crate::http::without_api;
use crate::metrics::Metrics;
use claviger_actors::Clock;
use claviger_front::Peer;
use claviger_link::{Link, LinkConfig, Token, join};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::sleep;

/// The pause before a cluster that does not answer is asked again, and one that refuses.
const AGAIN: Duration = Duration::from_secs(1);
const REFUSED: Duration = Duration::from_secs(10);

/// Starts it. It joins its cluster behind that, however long it takes; until then it is unready and
/// answers no device.
pub(super) async fn start(mut ground: Ground) -> Result<App, StartError> {
    let sockets = Sockets::bind(&ground.config).await?;
    let addresses = sockets.addresses(&ground.config)?;
    let Sockets { udp, tcp, tls, .. } = sockets;
    let file = ground.config.token().unwrap_or_default();
    let joining = Joining {
        token: token(&file)?,
        seeds: seeds(&ground.config),
        node: random_id(ground.crypto.as_ref()),
        link: ground.link.clone(),
        nodes: ground.nodes.clone(),
        clock: ground.clock.clone(),
    };
    let edges = ground.edges(udp, joining.node, None)?;
    ground.tasks.spawn(joining.run());
    let health = health(None, &edges);
    let shown = edges.iter().map(|edge| edge.shown.clone()).collect();
    let metrics = Metrics::of_edge(shown, ground.meeting(Arc::default()), ground.http.clone());
    let router = without_api(health.clone(), Arc::new(metrics));
    Ok(ground.serve((tcp, tls), router, addresses, None, (edges, health)))
}

struct Joining {
    token: Token,
    seeds: Vec<String>,
    node: u64,
    link: Late,
    nodes: watch::Sender<Vec<Peer>>,
    clock: Arc<dyn Clock>,
}

impl Joining {
    /// Joins, and keeps a certificate that holds, in memory alone.
    async fn run(self) {
        let (link, renews) = loop {
            match self.join().await {
                Ok(joined) => break joined,
                Err((error, pause)) => {
                    tracing::warn!(error, "this edge has not joined yet");
                    sleep(pause).await;
                }
            }
        };
        renew_edge(link, self.nodes.subscribe(), renews, self.clock).await;
    }

    async fn join(&self) -> Result<(Link, Duration), (String, Duration)> {
        let failed = |error: String| (error, REFUSED);
        let key = fresh().map_err(|error| failed(error.to_string()))?;
        let now = self.clock.now();
        let joined = join(&self.token, &self.seeds, self.node, &key, None, now).await;
        let (credential, members) = joined.map_err(|error| match error {
            claviger_link::JoinError::Unreachable(_) => (error.to_string(), AGAIN),
            refused => failed(refused.to_string()),
        })?;
        let renews = credential.renews();
        let config = LinkConfig { listen: None, credential, admits: Arc::new(|_| true) };
        let (link, _) = Link::new(config).map_err(|error| failed(error.to_string()))?;
        tracing::info!(edge = %link.identity(), "joined");
        self.link.set(link.clone());
        self.nodes.send_replace(peers(members));
        Ok((link, renews))
    }
}
