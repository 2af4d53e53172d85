//! A process that is an edge and nothing else: no disk, no key-encryption key, no API.

use super::linking::{random_id, seeds, token};
use super::sockets::Sockets;
use super::{App, Ground, StartError};
use crate::cluster::certificate::Joining;
use crate::http::without_api;
use crate::metrics::Metrics;
use std::sync::Arc;

/// Starts it. It joins its cluster behind that, however long it takes; until then it is unready and
/// answers no device.
pub(super) async fn start(mut ground: Ground) -> Result<App, StartError> {
    let sockets = Sockets::bind(&ground.config).await?;
    let addresses = sockets.addresses(&ground.config)?;
    let Sockets { udp, tcp, tls, .. } = sockets;
    let file = ground.config.token().unwrap_or_default();
    // One that cannot be read now is a mistake; later on it may be being replaced.
    token(&file)?;
    let joining = Joining {
        token: (file, |file| token(file).map_err(|error| error.to_string())),
        seeds: seeds(&ground.config),
        node: random_id(ground.crypto.as_ref()),
        link: ground.link.clone(),
        nodes: ground.nodes.clone(),
        believed: ground.believed.subscribe(),
        waits: ground.waits.clone(),
        clock: ground.clock.clone(),
    };
    let edges = ground.edges(udp, joining.node, None)?;
    ground.tasks.spawn(joining.run());
    let health = ground.health(None, &edges);
    let shown = edges.iter().map(|edge| edge.shown.clone()).collect();
    let metrics = Metrics::of_edge(shown, ground.meeting(Arc::default()), ground.http.clone());
    let router = without_api(health.clone(), Arc::new(metrics));
    Ok(ground.serve((tcp, tls), router, addresses, None, (edges, health)))
}
