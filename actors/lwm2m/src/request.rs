//! Bootstrap-Request: `POST /bs?ep={name}&pct={format}` (Transport §6.4.2, Core §6.1.7.1).
//!
//! Only the reading of it, and the answers to what a Bootstrap-Server does not serve. Whether
//! the endpoint name belongs to the peer is the machine's to judge.

use crate::Format;
use claviger_machine::{Code, Method, Request, Response};

/// The longest endpoint name that is taken, in bytes of UTF-8.
pub const MAX_ENDPOINT: usize = 255;

/// A Bootstrap-Request. Further query parameters are permitted, and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapRequest {
    /// `ep`: the Endpoint Client Name. Since 1.1 it may be absent where it equals the security
    /// identity.
    pub endpoint: Option<String>,
    /// `pct`: the Content-Format that the client wants to be written in; since 1.1.
    pub preferred: Option<Format>,
}

/// Why a Bootstrap-Request is refused before anybody asks whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It came in a message that is not confirmable (Transport §6.4).
    #[error("a Bootstrap-Request must be confirmable (CON)")]
    NotConfirmable,
    /// `ep` is empty, or longer than [`MAX_ENDPOINT`].
    #[error("the endpoint name (ep) is empty or too long")]
    EndpointLength,
    /// A parameter that may stand once stands twice.
    #[error("a query parameter (ep or pct) is repeated")]
    Repeated,
    /// `pct` is not a decimal number.
    #[error("the preferred content format (pct) is not a number")]
    FormatIsNoNumber,
    /// `pct` names a format that is not written here.
    #[error("the preferred content format (pct) is not supported; there are 11542, 110 and 112")]
    UnsupportedFormat,
}

impl RequestError {
    /// The answer: 4.15 for a format that is not supported, else 4.00 (Transport §6.7).
    pub fn response(self) -> Response {
        let code = match self {
            Self::UnsupportedFormat => Code::UNSUPPORTED_CONTENT_FORMAT,
            Self::NotConfirmable
            | Self::EndpointLength
            | Self::Repeated
            | Self::FormatIsNoNumber => Code::BAD_REQUEST,
        };
        Response::diagnostic(code, &self.to_string())
    }
}

impl BootstrapRequest {
    /// True for `POST /bs`, whatever its query.
    pub fn is_route_of(request: &Request) -> bool {
        request.method == Method::Post && request.path == ["bs"]
    }

    /// Reads the query of a `POST /bs`; the payload, if any, is ignored.
    pub fn parse(request: &Request) -> Result<Self, RequestError> {
        if !request.confirmable {
            return Err(RequestError::NotConfirmable);
        }
        let endpoint = match single(request, "ep")? {
            Some(name) if name.is_empty() || name.len() > MAX_ENDPOINT => {
                return Err(RequestError::EndpointLength);
            }
            name => name.map(str::to_owned),
        };
        let preferred = single(request, "pct")?.map(format).transpose()?;
        Ok(Self { endpoint, preferred })
    }

    /// Writes it, as a client sends it.
    pub fn to_request(&self) -> Request {
        let mut request = Request::new(Method::Post, &["bs"]);
        request.query.extend(self.endpoint.iter().map(|name| format!("ep={name}")));
        request.query.extend(self.preferred.map(|format| format!("pct={}", format.number())));
        request
    }
}

fn format(text: &str) -> Result<Format, RequestError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RequestError::FormatIsNoNumber);
    }
    let known = text.parse().ok().and_then(Format::from_number);
    known.ok_or(RequestError::UnsupportedFormat)
}

/// The value of a parameter, refused where it stands twice: two readers could disagree on it.
fn single<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>, RequestError> {
    let named = |q: &&String| q.split('=').next() == Some(name);
    match request.query.iter().filter(named).count() {
        0 | 1 => Ok(request.query_value(name)),
        _ => Err(RequestError::Repeated),
    }
}

/// The answer to a request that is no Bootstrap-Request.
///
/// `GET /bspack` gets 5.01, upon which a 1.2 client sends a Bootstrap-Request instead (Transport
/// 1.2 §6.7); other methods of what exists get 4.05; all else 4.04.
pub fn unsupported(request: &Request) -> Response {
    match (request.method, request.path_string().as_str()) {
        (Method::Get, "/bspack") => Response::diagnostic(
            Code::NOT_IMPLEMENTED,
            "Bootstrap-Pack is not offered; use POST /bs",
        ),
        (_, "/bs" | "/bspack") => Response::new(Code::METHOD_NOT_ALLOWED),
        _ => Response::new(Code::NOT_FOUND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn post(query: &[&str]) -> Request {
        let mut request = Request::new(Method::Post, &["bs"]);
        request.query = query.iter().map(|q| (*q).to_owned()).collect();
        request
    }

    fn code_for(query: &[&str]) -> Code {
        BootstrapRequest::parse(&post(query)).expect_err("it is to be refused").response().code
    }

    #[test]
    fn reads_what_leshan_sends() {
        let read = BootstrapRequest::parse(&post(&["pct=112", "ep=urn:dev:a1"]));

        let endpoint = Some("urn:dev:a1".to_owned());
        assert_eq!(read, Ok(BootstrapRequest { endpoint, preferred: Some(Format::SenmlCbor) }));
    }

    #[test]
    fn refuses_a_request_that_is_not_confirmable_with_4_00() {
        let read = BootstrapRequest::parse(&Request { confirmable: false, ..post(&["ep=a"]) });

        assert_eq!(read, Err(RequestError::NotConfirmable));
        assert_eq!(RequestError::NotConfirmable.response().code, Code::BAD_REQUEST);
    }

    #[test]
    fn takes_a_request_without_endpoint_name_and_format() {
        let read = BootstrapRequest::parse(&post(&[]));

        assert_eq!(read, Ok(BootstrapRequest { endpoint: None, preferred: None }));
    }

    #[test]
    fn accepts_additional_attributes() {
        let read = BootstrapRequest::parse(&post(&["ep=a", "model=x", "bare", "epoch=1"]));

        assert_eq!(read.map(|r| r.endpoint), Ok(Some("a".into())));
    }

    #[test]
    fn knows_every_format_that_is_written() {
        for format in Format::ALL {
            let read = BootstrapRequest::parse(&post(&[&format!("pct={}", format.number())]));

            assert_eq!(read.map(|r| r.preferred), Ok(Some(format)));
        }
    }

    #[test]
    fn refuses_another_number_with_4_15() {
        for pct in
            ["pct=0", "pct=60", "pct=11543", "pct=11544", "pct=65536", "pct=99999999999999999999"]
        {
            assert_eq!(code_for(&["ep=a", pct]), Code::UNSUPPORTED_CONTENT_FORMAT, "{pct}");
        }
    }

    #[test]
    fn refuses_a_format_that_is_text_with_4_00() {
        for pct in ["pct=tlv", "pct=", "pct", "pct=-1", "pct=+112", "pct=11 2"] {
            assert_eq!(code_for(&["ep=a", pct]), Code::BAD_REQUEST, "{pct}");
        }
    }

    #[test]
    fn refuses_an_endpoint_name_that_is_empty_or_too_long_or_doubled() {
        let long = format!("ep={}", "x".repeat(MAX_ENDPOINT + 1));

        for query in [&["ep="][..], &["ep"], &[&long], &["ep=a", "ep=b"], &["ep=a", "ep"]] {
            assert_eq!(code_for(query), Code::BAD_REQUEST, "{query:?}");
        }
    }

    #[test]
    fn answers_what_it_does_not_serve() {
        for (method, path, code) in [
            (Method::Get, &["bspack"][..], Code::NOT_IMPLEMENTED),
            (Method::Post, &["bspack"], Code::METHOD_NOT_ALLOWED),
            (Method::Get, &["bs"], Code::METHOD_NOT_ALLOWED),
            (Method::Put, &["bs"], Code::METHOD_NOT_ALLOWED),
            (Method::Post, &["rd"], Code::NOT_FOUND),
            (Method::Post, &["bs", "x"], Code::NOT_FOUND),
            (Method::Get, &[], Code::NOT_FOUND),
        ] {
            assert_eq!(unsupported(&Request::new(method, path)).code, code, "{method:?} {path:?}");
        }
    }

    #[test]
    fn a_path_segment_with_a_slash_in_it_is_no_bootstrap_request() {
        assert!(BootstrapRequest::is_route_of(&post(&[])));
        assert!(!BootstrapRequest::is_route_of(&Request::new(Method::Post, &["bs", ""])));
        assert!(!BootstrapRequest::is_route_of(&Request::new(Method::Get, &["bs"])));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_again(name in ".{1,60}", pick in 0usize..4) {
            let preferred = Format::ALL.get(pick).copied();
            let request = BootstrapRequest { endpoint: Some(name), preferred };

            prop_assert_eq!(BootstrapRequest::parse(&request.to_request()), Ok(request));
        }
    }
}
