//! The spans of the actors. Where the trace of a frame is not sampled, none is made.
//!
//! The field `traceparent` is the parent that comes from elsewhere; whoever exports spans reads
//! it. Names and fields hold no secret: session ids are shortened, requests named by their path.

use claviger_front::Trace;
use claviger_ledger::{DeviceRef, SessionId};
use claviger_lwm2m::{Event, Outcome};
use claviger_machine::{Code, Method, Request};
use tracing::field::Empty;
use tracing::{Span, info_span};

/// As much of a session's id as tells it from others in a trace.
fn short(session: SessionId) -> String {
    session.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The proposal that opens a session, for a device that has proven its credential.
pub(crate) fn session_open(trace: &Trace, device: &DeviceRef, session: SessionId) -> Span {
    if !trace.sampled {
        return Span::none();
    }
    info_span!(
        "session.open",
        traceparent = trace.traceparent(),
        claviger.tenant = device.tenant,
        claviger.device = device.device,
        claviger.session = short(session),
    )
}

/// One bootstrap, from the device's request to its end.
pub(crate) fn bootstrap(
    trace: &Trace,
    device: &DeviceRef,
    endpoint: &str,
    session: SessionId,
) -> Span {
    if !trace.sampled {
        return Span::none();
    }
    info_span!(
        "lwm2m.bootstrap",
        traceparent = trace.traceparent(),
        claviger.tenant = device.tenant,
        claviger.device = device.device,
        claviger.endpoint = endpoint,
        claviger.session = short(session),
        claviger.stage = Empty,
        claviger.outcome = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Notes how a bootstrap ended.
pub(crate) fn ended(bootstrap: &Span, event: &Event) {
    if bootstrap.is_disabled() {
        return;
    }
    bootstrap.record("claviger.stage", event.stage.as_str());
    bootstrap.record("claviger.outcome", event.outcome.as_str());
    if event.outcome != Outcome::Delivered {
        bootstrap.record("otel.status_code", "ERROR");
        bootstrap.record("otel.status_description", event.words.as_str());
    }
}

/// One request of ours to the device, within `bootstrap`.
pub(crate) fn operation(bootstrap: &Span, request: &Request) -> Span {
    if bootstrap.is_disabled() {
        return Span::none();
    }
    macro_rules! span {
        ($name:literal) => {
            info_span!(
                parent: bootstrap,
                $name,
                otel.kind = "client",
                claviger.path = request.path_string(),
                coap.response_code = Empty,
            )
        };
    }
    match request.method {
        Method::Get => span!("lwm2m.discover"),
        Method::Put => span!("lwm2m.write"),
        Method::Delete => span!("lwm2m.delete"),
        _ => span!("lwm2m.finish"),
    }
}

/// Notes what the device answered to an operation.
pub(crate) fn answered(operation: &Span, code: Code) {
    if !operation.is_disabled() {
        operation.record("coap.response_code", tracing::field::display(code));
    }
}
