//! What a simulation says of itself: each step with its time since the start.

use crate::cli::exit::Failure;
use crate::cli::output::{line, plain};
use claviger_api::Credential;
use claviger_device as device;
use claviger_device::DeviceEvent;
use claviger_dtls::ClientFailure;
use claviger_machine::{Method, Unanswered};
use std::time::Instant;

/// The story of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story(Instant);

impl Story {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    /// Tells a step from a task of its own, where nobody waits for the outcome.
    pub(super) fn tell(self, text: &str) {
        if let Err(failure) = self.say(text) {
            tracing::debug!(%failure, "a step was not told");
        }
    }

    /// Tells a step.
    pub(super) fn say(self, text: &str) -> Result<(), Failure> {
        line(format_args!("{:>8.3} s  {}", self.0.elapsed().as_secs_f64(), plain(text)))
    }
}

/// A step of a bootstrap.
pub(super) fn event(event: &DeviceEvent) -> String {
    match event {
        DeviceEvent::Handshake { suite, cid } => handshake("Claviger", *suite, cid.as_deref()),
        DeviceEvent::Requested { code } => format!("Asked to be bootstrapped: {code}"),
        DeviceEvent::Operation { method, path, format, bytes, code } => {
            let name = match method {
                Method::Get => "Discover",
                Method::Put => "Write",
                Method::Delete => "Delete",
                Method::Post => "Finish",
                _ => "Operation on",
            };
            let format = format.map(|format| format!(" as {}", format_name(format)));
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
    let suite = match suite {
        0xC0A8 => "TLS_PSK_WITH_AES_128_CCM_8".to_owned(),
        other => format!("suite {other:#06x}"),
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
    let (id, state, bytes) = (&credential.id, &credential.state, credential.key_length);
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

fn format_name(format: u16) -> String {
    match format {
        claviger_lwm2m::content_format::LINK_FORMAT => "link-format".to_owned(),
        claviger_lwm2m::content_format::TLV => "TLV".to_owned(),
        other => format!("Content-Format {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_machine::Code;

    #[test]
    fn an_operation_is_told_with_path_size_format_and_code() {
        let write = DeviceEvent::Operation {
            method: Method::Put,
            path: "/0/1".into(),
            format: Some(11542),
            bytes: 99,
            code: Code::CHANGED,
        };
        assert_eq!(event(&write), format!("Write /0/1, 99 bytes as TLV: {}", Code::CHANGED));
    }

    #[test]
    fn a_handshake_is_told_with_suite_and_connection_id() {
        let text = handshake("Claviger", 0xC0A8, Some(&[1, 255]));
        assert!(text.ends_with("TLS_PSK_WITH_AES_128_CCM_8, connection id 01ff"), "{text}");
        assert!(handshake("x", 1, None).ends_with("suite 0x0001, no connection id"));
    }
}
