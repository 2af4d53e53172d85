//! Whether the process lives, whether it can serve, and its numbers.

use super::problem::Fault;
use crate::edge::Shown;
use crate::keys::Keeper;
use crate::metrics::Metrics;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use claviger_api::Code;
use claviger_ledger::Ledger;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// What must be well for this node to serve.
pub struct Health {
    /// The ledger and its keys, where this node has a copy of it.
    pub ledger: Option<(Arc<dyn Ledger>, Arc<Keeper>)>,
    /// Its edges.
    pub edges: Vec<Arc<Shown>>,
    /// True once it is about to stop.
    pub draining: Arc<AtomicBool>,
    /// What this process waits for before it belongs to its cluster, in words.
    pub waits: watch::Receiver<Option<String>>,
}

impl Health {
    /// Why it cannot serve now, or nothing.
    async fn check(&self) -> Result<(), Fault> {
        let unready = |words: String| Err(Fault::new(Code::Unavailable, words));
        if self.draining.load(Ordering::Relaxed) {
            return unready("this node is about to stop".to_owned());
        }
        if let Some(words) = &*self.waits.borrow() {
            return unready(words.clone());
        }
        if let Some((ledger, keeper)) = &self.ledger {
            if let Some(why) = &keeper.standing().borrow().sealed {
                return Err(Fault::new(Code::Sealed, why.as_str()));
            }
            ledger.ready()?;
            ledger.confirm().await?;
        }
        match self.edges.iter().find(|edge| edge.is_silent()) {
            Some(edge) => unready(format!(
                "the listener {} answers no device: no leader of the ledger was heard for two \
                 seconds",
                edge.listener()
            )),
            None => Ok(()),
        }
    }
}

/// 200 while the process lives.
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// 200 while this node can serve, else 503 with the reason: its ledger answers and can be written,
/// and its edges hear of a leader.
pub(super) async fn readyz(State(health): State<Arc<Health>>) -> Result<&'static str, Fault> {
    health.check().await.map(|()| "ready\n")
}

/// 503 with the reason: the API is not there yet.
pub(super) async fn not_yet(State(health): State<Arc<Health>>) -> Fault {
    let starts = || Fault::new(Code::Unavailable, "this node starts");
    health.check().await.err().unwrap_or_else(starts)
}

/// The numbers in the text format of Prometheus.
pub(super) async fn metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    let mut response = metrics.text().into_response();
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    response
}
