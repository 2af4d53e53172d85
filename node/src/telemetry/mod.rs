//! Logs and traces of this process: both come from `tracing`, and this decides where they go.
//!
//! Logs go to standard error ([`logs`]). Traces go by OTLP to a collector, where the environment
//! names one (`OTEL_EXPORTER_OTLP_ENDPOINT`); else no span is ever made ([`Traces`]). Spans are
//! named and filled by those who do the work; this module knows none of them but the handshake's,
//! which has ended before anybody knows that it deserves one. It exports no metrics and no logs:
//! the former are scraped, the latter read from standard error.
//!
//! Call [`start`] once, before anything is logged, and [`stop`] at the end.

mod context;
mod export;
mod ids;
mod logs;
mod remote;
mod settings;
mod traces;

pub use context::{current, is_traceparent};
pub use export::Counters;
pub use traces::{Handshake, Traces};

use crate::config::{Log, LogFormat};
use settings::Export;
use std::sync::OnceLock;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// As `tracing`'s own dispatcher, one for the process.
static TRACES: OnceLock<Traces> = OnceLock::new();

/// Where this process sends its traces; none if it sends none.
pub fn traces() -> Option<&'static Traces> {
    TRACES.get()
}

/// Starts the log, and for a server the export of traces, where the environment asks for it.
pub fn start(log: &Log, is_server: bool) {
    let mut warnings = Vec::new();
    let lookup = |name: &str| std::env::var(name).ok();
    let export = is_server.then(|| Export::read(&lookup, &mut warnings)).flatten();
    let traces = export.and_then(|export| {
        let traces = Traces::new(&export);
        traces.map_err(|error| warnings.push(format!("traces are not exported: {error}"))).ok()
    });
    // A layer that may be missing would do, but for this: `tracing` makes spans for a missing one.
    match &traces {
        Some(traces) => begin(registry().with(traces.layer()), log),
        None => begin(registry(), log),
    }
    if let Some(traces) = traces {
        // It is the first: a second start would have ended the process above.
        let _ = TRACES.set(traces);
    }
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
}

fn begin<S>(subscriber: S, log: &Log)
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    match log.format {
        LogFormat::Text => subscriber.with(logs::text(log.level.filter())).init(),
        LogFormat::Json => subscriber.with(logs::json(log.level.filter())).init(),
    }
}

/// Sends the spans that are left, as far as that goes quickly. To be called once, at the end.
pub fn stop() {
    if let Some(traces) = traces() {
        traces.stop();
    }
}
