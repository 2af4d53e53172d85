//! The API, as a command asks it.

use super::exit::{Exit, Failure};
use super::output::Format;
use crate::connectors::is_loopback;
use clap::Args;
use claviger_api::{Problem, Secret};
use core::time::Duration;
use reqwest::{Certificate, Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// How long nothing may come of an answer that takes its time; a stream of events has heartbeats.
const SILENCE: Duration = Duration::from_secs(60);

/// Where the API is and who asks.
#[derive(Debug, Clone, Args)]
pub struct Remote {
    /// The API's URL.
    #[arg(
        long,
        env = "CLAVIGER_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: String,
    /// The admin token; better in CLAVIGER_TOKEN, where no list of processes shows it.
    #[arg(long, env = "CLAVIGER_TOKEN", hide_env_values = true, value_parser = token)]
    pub token: Option<Secret>,
    /// Certificates in PEM to trust besides those of the system.
    #[arg(long, env = "CLAVIGER_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The tenant.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub tenant: String,
    /// How data is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

fn token(text: &str) -> Result<Secret, core::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// A part of the API: that of one tenant, or that of the cluster.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// What stands before every path.
    part: Vec<String>,
    token: Secret,
}

impl Client {
    /// How long an answer may take.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// A client for the tenant that `remote` names.
    ///
    /// # Errors
    /// If the URL is none, or there is no token.
    pub fn new(remote: &Remote) -> Result<Self, Failure> {
        Self::of(remote, &["tenants", &remote.tenant])
    }

    /// A client for the cluster.
    ///
    /// # Errors
    /// If the URL is none, or there is no token.
    pub fn of_cluster(remote: &Remote) -> Result<Self, Failure> {
        Self::of(remote, &["cluster"])
    }

    fn of(remote: &Remote, part: &[&str]) -> Result<Self, Failure> {
        let usage = |words: &str| Failure::new(Exit::Usage, words);
        let base = Url::parse(&remote.server).ok();
        let base = base.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| usage("--server must be an http or https URL"))?;
        let token = remote.token.clone().ok_or_else(|| {
            Failure::new(
                Exit::Denied,
                "no token: set CLAVIGER_TOKEN to what `claviger dev` printed",
            )
        })?;
        let mut http =
            reqwest::Client::builder().connect_timeout(Self::PATIENCE).read_timeout(SILENCE);
        if let Some(file) = &remote.ca_file {
            let pem = std::fs::read(file).ok();
            let trusted = pem.and_then(|pem| Certificate::from_pem_bundle(&pem).ok());
            let words = format!("--ca-file {}: no certificates can be read there", file.display());
            http = http.tls_certs_merge(trusted.ok_or_else(|| usage(&words))?);
        }
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        let http = http.build();
        let http = http.map_err(|_| Failure::failed("this system's TLS cannot be set up"))?;
        let part = part.iter().map(|text| (*text).to_owned()).collect();
        Ok(Self { http, base, part, token })
    }

    /// Asks for what is at `path`, whose parts may be any text.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.send(Method::GET, path, query, None::<&()>).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub async fn send_to<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send(method, path, &[], Some(body)).await
    }

    /// Has done what `path` names.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.send(Method::POST, path, &[], None::<&()>).await
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        let request = self.request(Method::DELETE, path, &[]);
        self.answer(request.timeout(Self::PATIENCE)).await.map(drop)
    }

    /// A request to `path`, for a body or headers of its own; without a limit of time.
    pub fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> RequestBuilder {
        self.http.request(method, self.url(path, query)).bearer_auth(self.token.expose())
    }

    /// The answer to `request`, if it is a success.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|_| self.silent())?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.map_err(|_| self.silent())?;
        Err(refused(status.as_u16(), &body))
    }

    /// That the API does not answer, or not to the end.
    pub fn silent(&self) -> Failure {
        let words = format!("{} does not answer; is Claviger running there?", self.base);
        Failure::new(Exit::Unavailable, words)
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has segments")
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(&self.part)
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&B>,
    ) -> Result<T, Failure> {
        let request = self.request(method, path, query).timeout(Self::PATIENCE);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let body = self.answer(request).await?.bytes().await.map_err(|_| self.silent())?;
        read(&body)
    }
}

/// The value in an answer, or in a line of one.
///
/// # Errors
/// If it is none that is known.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Failure> {
    let odd = |_| Failure::failed("the answer is not what this version knows");
    serde_json::from_slice(json).map_err(odd)
}

/// A problem in words.
pub fn told(problem: &Problem) -> String {
    format!("{} ({}). {}", problem.detail, problem.code, problem.hint)
}

fn refused(status: u16, body: &[u8]) -> Failure {
    let words = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => told(&problem),
        Err(_) => format!("the server answered {status}; is it Claviger's API?"),
    };
    Failure::new(Exit::of_status(status), super::output::plain(&words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::Code;

    fn remote(server: &str) -> Remote {
        Remote {
            server: server.into(),
            token: Some(Secret::new("canary".into())),
            ca_file: None,
            tenant: "default".into(),
            output: Format::Table,
        }
    }

    #[test]
    fn a_path_holds_any_name() {
        let client = Client::new(&remote("http://127.0.0.1:1/")).unwrap();
        let url = client.url(&["devices", "a/b ?"], &[("page_token", "x+y".into())]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1/api/v1/tenants/default/devices/a%2Fb%20%3F?page_token=x%2By"
        );
    }

    #[test]
    fn no_token_and_no_url_are_told_apart() {
        let mut without = remote("http://127.0.0.1:1");
        without.token = None;
        assert_eq!(Client::new(&without).err().map(|f| f.exit), Some(Exit::Denied));
        assert_eq!(Client::new(&remote("x")).err().map(|f| f.exit), Some(Exit::Usage));
        assert!(!format!("{:?}", remote("x")).contains("canary"));
    }

    #[test]
    fn a_problem_is_told_in_words_with_its_hint() {
        let body = serde_json::to_vec(&Problem::new(Code::Taken, "the device is taken")).unwrap();
        let failure = refused(409, &body);
        assert_eq!(failure.exit, Exit::Conflict);
        assert!(failure.to_string().starts_with("the device is taken (taken). Choose"));
        assert_eq!(refused(502, b"<html>").exit, Exit::Unavailable);
    }
}
