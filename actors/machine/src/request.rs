//! Requests, ours and the device's.

use core::fmt;

/// A CoAP method (RFC 7252 §5.8, RFC 8132).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// 0.01
    Get,
    /// 0.02
    Post,
    /// 0.03
    Put,
    /// 0.04
    Delete,
    /// 0.05
    Fetch,
    /// 0.06
    Patch,
    /// 0.07
    IPatch,
}

/// One request, its blocks put together and its options read.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// True for a message that is acknowledged (CON), false for one that is not (NON). Ours are
    /// always confirmable.
    pub confirmable: bool,
    /// Uri-Path segments; none for `/`.
    pub path: Vec<String>,
    /// Uri-Query parameters, each as `name=value` or `name`.
    pub query: Vec<String>,
    /// Content-Format of the payload.
    pub content_format: Option<u16>,
    /// Accept: the Content-Format that the answer should have.
    pub accept: Option<u16>,
    /// The body; it may hold secrets, so `Debug` gives its length only.
    pub payload: Vec<u8>,
}

impl Request {
    /// A confirmable request of `method` for the path `segments`, without query, options and
    /// payload.
    pub fn new(method: Method, segments: &[&str]) -> Self {
        Self {
            method,
            confirmable: true,
            path: segments.iter().map(|s| (*s).to_owned()).collect(),
            query: Vec::new(),
            content_format: None,
            accept: None,
            payload: Vec::new(),
        }
    }

    /// The value of the query parameter `name`, `Some("")` if it stands without a value.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find_map(|q| match q.split_once('=') {
            Some((n, value)) => (n == name).then_some(value),
            None => (q == name).then_some(""),
        })
    }

    /// The path as a person writes it: `/`, `/0/1`.
    pub fn path_string(&self) -> String {
        format!("/{}", self.path.join("/"))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("confirmable", &self.confirmable)
            .field("path", &self.path_string())
            .field("query", &self.query)
            .field("content_format", &self.content_format)
            .field("accept", &self.accept)
            .field("payload_len", &self.payload.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_query_value_by_its_whole_name() {
        let mut request = Request::new(Method::Post, &["bs"]);
        request.query = vec!["epx=1".into(), "ep=urn:dev:a=b".into(), "bare".into()];

        assert_eq!(request.query_value("ep"), Some("urn:dev:a=b"));
        assert_eq!(request.query_value("bare"), Some(""));
        assert_eq!(request.query_value("pct"), None);
    }

    #[test]
    fn debug_does_not_show_the_payload() {
        let mut request = Request::new(Method::Put, &["0", "1"]);
        request.payload = b"secret".to_vec();

        assert!(!format!("{request:?}").contains("secret"));
        assert!(!format!("{request:?}").contains("115"));
    }
}
