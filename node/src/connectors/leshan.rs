//! The security store of a Leshan server, by the REST of its demo (read in and tried against
//! 2.0.0-M18): `/api/security/clients`.
//!
//! It holds **one credential an endpoint**: a PUT takes away what stood there, so the device has
//! nothing to register with until it is given the new one. A credential is withdrawn only if it is
//! what stands there. The store cannot be asked for one endpoint, so the whole list is read for
//! that, keys and all, one at a time; of these nothing is kept. The demo does not tell of use.

use super::gates::Gate;
use super::message::{News, Staged, Way};
use super::way::{self, Ways};
use crate::wiped;
use claviger_api::Secret;
use data_encoding::HEXLOWER;
use reqwest::{Method, RequestBuilder, Response, Url, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest list that is read, in bytes: some 400,000 endpoints.
const LIST: usize = 64 << 20;
/// The longest value of the header Authorization.
const AUTHORIZATION: usize = 4096;

/// A message ready to be sent.
pub(super) struct Message {
    url: String,
    connector: String,
    /// The value of the header Authorization, if there is to be one.
    authorization: Option<Authorization>,
    change: Change,
}

enum Change {
    /// This is what stands for its endpoint from now on.
    Put(Zeroizing<Vec<u8>>),
    /// Nothing stands for the endpoint any more, if this identity does.
    Remove { endpoint: String, identity: String },
}

/// What Claviger authorizes itself by at a proxy before the server.
#[derive(Clone)]
pub struct Authorization(Zeroizing<String>);

/// One entry of the list. What else it has is not read.
#[derive(Deserialize)]
struct Entry {
    endpoint: String,
    tls: Option<Tls>,
}

#[derive(Deserialize)]
struct Tls {
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    identity: Option<String>,
}

/// An entry that is put.
#[derive(Serialize)]
struct PutEntry<'a> {
    endpoint: &'a str,
    tls: PutTls<'a>,
}

#[derive(Serialize)]
struct PutTls<'a> {
    mode: &'static str,
    details: PutPsk<'a>,
}

#[derive(Serialize)]
struct PutPsk<'a> {
    identity: &'a str,
    key: Secret,
}

impl Authorization {
    /// Reads the value of a header Authorization.
    ///
    /// # Errors
    /// The rule that it breaks; it is not quoted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let schemes = ["Basic ", "Bearer "];
        let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let known = schemes.iter().any(|s| text.len() > s.len() && text.starts_with(s));
        if known && visible && text.len() <= AUTHORIZATION {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err("it must be `Basic` or `Bearer`, a space, and what the proxy wants")
        }
    }

    /// Its bytes.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Message {
    /// The message that brings `news` by `way`.
    pub(super) fn new(way: Way, news: News) -> Self {
        let text = str::from_utf8(&way.secret).ok().filter(|text| !text.is_empty());
        let authorization = text.map(|text| Authorization(Zeroizing::new(text.to_owned())));
        let change = match news {
            News::Staged(staged) => Change::Put(entry(&staged)),
            News::Withdrawn(it, _) => Change::Remove {
                endpoint: it.endpoint,
                identity: String::from_utf8_lossy(&it.identity).into_owned(),
            },
        };
        Self { url: way.url, connector: way.name, authorization, change }
    }

    /// Sends it.
    ///
    /// # Errors
    /// Words for the device's timeline: what the server answered, and what to do.
    pub(super) async fn send(&self, ways: &Ways, gate: &Gate) -> Result<(), String> {
        let (endpoint, identity) = match &self.change {
            Change::Put(body) => {
                let request = self.request(ways, Method::PUT, "")?.body(body.to_vec());
                let request = request.header(header::CONTENT_TYPE, "application/json");
                return self.answer(request).await.map(drop);
            }
            Change::Remove { endpoint, identity } => (endpoint, identity),
        };
        let reads = gate.list().await;
        let stands_there = self.stands_there(ways, endpoint, identity).await?;
        drop(reads);
        if !stands_there {
            return Ok(());
        }
        let place = segment(endpoint).ok_or_else(|| {
            let server = self.server();
            format!("{server} cannot be told to forget \"{endpoint}\": remove it there by hand")
        })?;
        self.answer(self.request(ways, Method::DELETE, &place)?).await.map(drop)
    }

    /// True if the endpoint has the credential of this identity, and no other.
    async fn stands_there(&self, ways: &Ways, ep: &str, identity: &str) -> Result<bool, String> {
        let answer = self.answer(self.request(ways, Method::GET, "")?).await?;
        let list = list(answer).await.map_err(|words| format!("{} {words}", self.server()))?;
        let is_ours = |entry: &Entry| {
            let details = entry.tls.as_ref().and_then(|tls| tls.details.as_ref());
            entry.endpoint == ep && details.is_some_and(|d| d.identity.as_deref() == Some(identity))
        };
        Ok(list.iter().any(is_ours))
    }

    fn request(&self, ways: &Ways, method: Method, rest: &str) -> Result<RequestBuilder, String> {
        let url = way::read(&self.url, &self.connector)?;
        let base = url.as_str().trim_end_matches('/');
        // By hand, because the URL's own way of writing would leave `;` to be cut off there.
        let slash = if method == Method::GET { "" } else { "/" };
        let url = format!("{base}/api/security/clients{slash}{rest}");
        let url = way::read(&url, &self.connector)?;
        let mut request = ways.to(&url).request(method, url);
        if let Some(Authorization(value)) = &self.authorization {
            let value = header::HeaderValue::from_str(value).ok().map(|mut value| {
                value.set_sensitive(true);
                value
            });
            let words = || format!("the secret of the connector \"{}\" is none", self.connector);
            request = request.header(header::AUTHORIZATION, value.ok_or_else(words)?);
        }
        Ok(request)
    }

    /// The answer to `request`, if it is a success.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, String> {
        let server = self.server();
        let answer = request.send().await.map_err(|error| way::silence(&server, &error))?;
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !status.is_success() {
            let status = status.as_u16();
            return Err(format!("{server} answered {status}; {}", advice(status)));
        }
        // Many servers answer any path with a page.
        if kind.is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(format!("{server} answered with a page; {}", advice(404)));
        }
        Ok(answer)
    }

    fn server(&self) -> String {
        let url = Url::parse(&self.url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        format!("the Leshan server ({host}, \"{}\")", self.connector)
    }
}

/// What stands for the endpoint, as Leshan reads it.
fn entry(staged: &Staged) -> Zeroizing<Vec<u8>> {
    let key = Secret::new(HEXLOWER.encode(&staged.key));
    let tls = PutTls { mode: "psk", details: PutPsk { identity: &staged.identity, key } };
    let entry = PutEntry { endpoint: &staged.endpoint, tls };
    Zeroizing::new(serde_json::to_vec(&entry).expect("texts become JSON"))
}

/// The endpoint as the rest of a path that Leshan takes it from: with its slashes, and of all else
/// only what means nothing in a URL. None where no URL can name it: Leshan's Jetty refuses the last
/// three that are listed, in whichever way they are written.
fn segment(endpoint: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:/".contains(&byte);
    let nameless = |part: &str| matches!(part, "" | "." | "..");
    let refused = |byte: u8| matches!(byte, b'%' | b'\\' | 0..b' ');
    if endpoint.split('/').any(nameless) || endpoint.bytes().any(refused) {
        return None;
    }
    let mut path = String::with_capacity(endpoint.len());
    for byte in endpoint.bytes() {
        if plain(byte) {
            path.push(char::from(byte));
        } else {
            path += &format!("%{byte:02X}");
        }
    }
    Some(path)
}

/// The list in an answer. The words do not quote it.
async fn list(answer: Response) -> Result<Vec<Entry>, &'static str> {
    let body = wiped::body(answer, LIST).await;
    let body = body.map_err(|_| "broke off its list; it is tried again")?;
    let long = "has a list of more than 64 MiB; remove the endpoint there by hand";
    let body = body.ok_or(long)?;
    serde_json::from_slice(&body).map_err(|_| "gave no list; look at the connector's URL")
}

const fn advice(status: u16) -> &'static str {
    match status {
        400 => "another endpoint there may have the identity; look at the server's log",
        401 | 403 => "compare the connector's secret with what the proxy before it wants",
        404 | 405 => "the connector's URL must be that of the demo's first page",
        300..=399 => "redirects are not followed: set the connector's URL to where it leads",
        _ => "look at the server's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_named_so_that_leshan_reads_it_back() {
        let table = [
            ("urn:dev:os:1-2_3", Some("urn:dev:os:1-2_3")),
            ("a/b", Some("a/b")),
            ("a;b?c#d e\"", Some("a%3Bb%3Fc%23d%20e%22")),
            ("ü", Some("%C3%BC")),
            ("..", None),
            ("a//b", None),
            ("a/.", None),
            ("a%41", None),
            ("a\\b", None),
            ("a\nb", None),
        ];
        for (endpoint, path) in table {
            assert_eq!(segment(endpoint).as_deref(), path, "{endpoint}");
        }
    }

    #[test]
    fn an_authorization_has_a_scheme_and_no_line_of_its_own() {
        for good in ["Bearer a.b-c", "Basic dXNlcjpwYXNz"] {
            assert!(Authorization::parse(good).is_ok(), "{good}");
        }
        let long = format!("Bearer {}", "x".repeat(AUTHORIZATION));
        for bad in ["", "Basic ", "token", "Bearer a\r\nx: y", "Bearer ü", &long] {
            let words = Authorization::parse(bad).err().expect(bad);
            assert!(!words.contains("token"), "{words}");
        }
    }
}
