//! Lines of the log, on standard error: as text, or as JSON for a machine to collect.
//!
//! A line that is written within a span has the span's ids, by which its trace is found.

use super::context;
use core::fmt;
use std::io::IsTerminal;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// Lines for people.
pub(super) fn text<S>(filter: EnvFilter) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let colours = std::io::stderr().is_terminal();
    let lines = lines::layer()
        .event_format(Traced::Text(Format::default().with_ansi(colours)))
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    lines.with_filter(events(filter))
}

/// One JSON object a line: `timestamp`, `level`, `target`, `message`, and what the line tells of.
pub(super) fn json<S>(filter: EnvFilter) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let format =
        Format::default().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let lines = lines::layer()
        .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
        .event_format(Traced::Json(format))
        .with_writer(std::io::stderr)
        .with_ansi(false);
    lines.with_filter(events(filter))
}

/// No spans: where traces are not exported, none is ever made.
fn events<S: Subscriber>(filter: EnvFilter) -> impl tracing_subscriber::layer::Filter<S>
where
    EnvFilter: tracing_subscriber::layer::Filter<S>,
{
    filter.and(filter_fn(|metadata| metadata.is_event()))
}

/// A format that adds the ids of the span that is entered.
enum Traced {
    Text(Format<Full, SystemTime>),
    Json(Format<Json, SystemTime>),
}

impl<S, N> FormatEvent<S, N> for Traced
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some((trace, span)) = context::ids() else {
            return match self {
                Self::Text(format) => format.format_event(context, writer, event),
                Self::Json(format) => format.format_event(context, writer, event),
            };
        };
        let mut line = String::new();
        match self {
            Self::Text(format) => {
                format.format_event(context, Writer::new(&mut line), event)?;
                writeln!(writer, "{} trace_id={trace} span_id={span}", line.trim_end_matches('\n'))
            }
            Self::Json(format) => {
                format.format_event(context, Writer::new(&mut line), event)?;
                let object = line.trim_end_matches('\n');
                let object = object.strip_suffix('}').unwrap_or(object);
                writeln!(writer, "{object},\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}")
            }
        }
    }
}
