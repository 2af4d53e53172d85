//! What a simulation says of itself: each step with its time since the start.

use crate::cli::exit::Failure;
use crate::cli::output::{Format, line, plain};
use claviger_api::Credential;
use claviger_device as device;
use claviger_device::DeviceEvent;
use claviger_dtls::{ClientFailure, Suite};
use claviger_lwm2m::content_format;
use claviger_machine::{Method, Unanswered};
use serde_json::json;
use std::time::Instant;

/// The story of one run: a line a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    begun: Instant,
    format: Format,
}

impl Story {
    /// Begins now.
    pub(super) fn new(format: Format) -> Self {
        Self { begun: Instant::now(), format }
    }

    /// Tells a step from a task of its own, where nobody waits for the outcome.
    pub(super) fn tell(self, text: &str) {
        if let Err(failure) = self.say(text) {
            tracing::debug!(%failure, "a step was not told");
        }
    }

    /// Tells a step.
    pub(super) fn say(self, text: &str) -> Result<(), Failure> {
        let at = self.begun.elapsed().as_secs_f64();
        match self.format {
            Format::Table => line(format_args!("{at:>8.3} s  {}", plain(text))),
            Format::Json => line(json!({ "at": at, "step": text })),
        }
    }

    /// Tells the end: a device that holds `credential` and has registered at `server_uri`.
    pub(super) fn end(self, server_uri: &str, credential: &Credential) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                line(format_args!("registered with {server_uri}: {}", credential.state))
            }
            Format::Json => line(json!({ "server_uri": server_uri, "credential": credential })),
        }
    }
}

/// A step of a bootstrap.
pub(super) fn event(event: &DeviceEvent) -> String {
    match event {
        DeviceEvent::Handshake { suite, cid, .. } => handshake("Claviger", *suite, cid.as_deref()),
        DeviceEvent::Requested { code } => format!("Asked to be bootstrapped: {code}"),
        DeviceEvent::Operation { method, path, format, bytes, code } => {
            let name = match method {
                Method::Get => "Discover",
                Method::Put => "Write",
                Method::Delete => "Delete",
                Method::Post => "Finish",
                _ => "Operation on",
            };
            let written = |format| match content_format::name(format) {
                Some(name) => format!(" as {name}"),
                None => format!(" as Content-Format {format}"),
            };
            let format = format.map(written);
            let size = match (bytes, format) {
                (0, _) => String::new(),
                (bytes, format) => format!(", {bytes} bytes{}", format.unwrap_or_default()),
            };
            format!("{name} {path}{size}: {code}")
        }
    }
}

/// A handshake that is done.
pub(super) fn handshake(with: &str, suite: u16, cid: Option<&[u8]>) -> String {
    let suite = match Suite::by_id(suite) {
        Some(suite) => suite.name.to_owned(),
        None => format!("suite {suite:#06x}"),
    };
    let cid = match cid {
        Some(cid) if !cid.is_empty() => {
            format!("connection id {}", data_encoding::HEXLOWER.encode(cid))
        }
        _ => "no connection id".to_owned(),
    };
    format!("DTLS handshake with {with} done: {suite}, {cid}")
}

/// A credential, without its key.
pub(super) fn credential(credential: &Credential) -> String {
    let until = credential.not_after.map_or_else(|| "ever".to_owned(), |end| end.to_string());
    let (id, state, bytes) =
        (&credential.id, &credential.state, credential.key_length.unwrap_or_default());
    format!("Credential {id}: {state}, a key of {bytes} bytes, valid until {until}")
}

/// Why a device did not get what it asked for.
pub(super) fn failure(failure: &device::Failure) -> String {
    match failure {
        device::Failure::Dtls(ClientFailure::TimedOut) => {
            "no DTLS session: no answer in time; is --coaps right, and UDP let through?".to_owned()
        }
        device::Failure::Dtls(ClientFailure::Alert(alert)) => {
            format!("no DTLS session: the server sent {alert:?}")
        }
        device::Failure::Dtls(other) => format!("no DTLS session: {other:?}"),
        device::Failure::Closed => "the server closed the session".to_owned(),
        device::Failure::Refused(code, words) => format!("the server refused: {code} {words}"),
        device::Failure::Unanswered(Unanswered::TimedOut) => {
            "the server did not answer the request in time".to_owned()
        }
        device::Failure::Unanswered(why) => format!("the request was not answered: {why:?}"),
        device::Failure::NoFinish => "the server fell silent before Finish".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_machine::Code;

    #[test]
    fn an_operation_is_told_with_path_size_format_and_code() {
        for (number, name) in [(11542, "TLV"), (112, "SenML CBOR"), (60, "Content-Format 60")] {
            let write = DeviceEvent::Operation {
                method: Method::Put,
                path: "/0/1".into(),
                format: Some(number),
                bytes: 99,
                code: Code::CHANGED,
            };
            let told = format!("Write /0/1, 99 bytes as {name}: {}", Code::CHANGED);
            assert_eq!(event(&write), told);
        }
    }

    #[test]
    fn a_handshake_is_told_with_suite_and_connection_id() {
        let text = handshake("Claviger", 0xC0A8, Some(&[1, 255]));
        assert!(text.ends_with("TLS_PSK_WITH_AES_128_CCM_8, connection id 01ff"), "{text}");
        assert!(handshake("x", 1, None).ends_with("suite 0x0001, no connection id"));
    }
}
