//! The devices of a load test at Claviger's HTTP API.

use crate::webhook::{self, Told};
use crate::{Credential, Failure, fleet, keys};
use axum::body::Bytes;
use claviger_api::{
    BulkAnswer, BulkStatus, ConnectorKind, EndpointIn, KeyInput, NewCertificate, NewDevice, NewPsk,
    Problem, PutConnector, PutProfile, PutTrustAnchor,
};
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use data_encoding::BASE64;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use std::sync::Arc;

/// The name of the connector and of the profile that a load test sets.
const NAME: &str = "loadtest";
/// Where the devices are told to register. Nobody goes there.
const SERVER_URI: &str = "coaps://127.0.0.1:5683";
/// How many devices a request enrols.
const LINES: usize = 2_000;
/// How many requests are under way at once: what the ledger syncs together.
const AT_ONCE: usize = 4;
/// How often a request is tried that Claviger cannot take just then.
const TRIES: u32 = 10;
/// How long after a try the next one comes.
const PAUSE: Duration = Duration::from_secs(1);

/// Claviger's API.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    server: String,
    base: String,
    token: String,
    credential: Credential,
    busy: Arc<AtomicU32>,
}

impl Api {
    /// The API of the tenant `default` at `server`, a URL.
    ///
    /// # Errors
    /// If this machine cannot do HTTP.
    pub fn new(server: &str, token: &str) -> Result<Self, Failure> {
        // What is measured is on this machine, or near: never by a proxy.
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(Failure::because("cannot set up HTTP"))?;
        let server = server.trim_end_matches('/').to_owned();
        let base = format!("{server}/api/v1/tenants/default");
        let (token, credential) = (token.to_owned(), Credential::Psk);
        Ok(Self { http, server, base, token, credential, busy: Arc::default() })
    }

    /// The same, for devices that prove themselves by this.
    pub fn proving(self, credential: Credential) -> Self {
        Self { credential, ..self }
    }

    /// Makes Claviger ready for the devices of these numbers: they are enrolled, and their LwM2M
    /// server is a receiver in this process. Gives what that receiver is told. Devices that are
    /// enrolled already, with the same key, stay.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub fn prepare(&self, numbers: Range<u32>) -> Result<Told, Failure> {
        let (url, told) = webhook::start()?;
        runtime()?.block_on(async {
            self.configure(Some(&url)).await?;
            self.enrol(numbers, &mut |_| {}).await
        })?;
        Ok(told)
    }

    /// As [`Self::prepare`], for an LwM2M server that asks for keys when it needs them: nobody is
    /// told of any.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub fn prepare_pull(&self, numbers: Range<u32>) -> Result<(), Failure> {
        self.prepare_many(numbers, &mut |_| {})
    }

    /// The same; `watch` hears now and then how many devices are enrolled.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub fn prepare_many(
        &self,
        numbers: Range<u32>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<(), Failure> {
        runtime()?.block_on(async {
            self.configure(None).await?;
            self.enrol(numbers, watch).await
        })
    }

    /// The value of one of Claviger's metrics: the line that begins with `series`.
    ///
    /// # Errors
    /// If it does not answer, or has no such metric.
    pub fn metric(&self, series: &str) -> Result<f64, Failure> {
        let url = format!("{}/metrics", self.server);
        let answer = runtime()?.block_on(self.answer(self.http.get(&url), &url))?;
        let text = String::from_utf8_lossy(&answer.1);
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
            .ok_or_else(|| Failure::new(format!("{url} has no {series}")))
    }

    /// Sets the connector and the profile of the load test; `webhook` is where the LwM2M server
    /// takes credentials.
    async fn configure(&self, webhook: Option<&str>) -> Result<(), Failure> {
        let (kind, url) = match webhook {
            Some(url) => (ConnectorKind::Webhook, url.to_owned()),
            None => (ConnectorKind::Pull, String::new()),
        };
        let connector = PutConnector { kind, url, secret: None };
        self.send(Method::PUT, &format!("connectors/{NAME}"), &connector).await?;
        let profile = PutProfile::new(SERVER_URI, NAME);
        self.send(Method::PUT, &format!("profiles/{NAME}"), &profile).await?;
        if self.credential == Credential::X509 {
            let (certificates, endpoint_in) = (keys::authority(), EndpointIn::CommonName);
            let anchor = PutTrustAnchor { certificates, endpoint_in, enrol_with_profile: None };
            self.send(Method::PUT, &format!("trust-anchors/{NAME}"), &anchor).await?;
        }
        Ok(())
    }

    async fn enrol(
        &self,
        numbers: Range<u32>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<(), Failure> {
        let end = numbers.end;
        let parts = numbers.step_by(LINES).map(|first| first..end.min(first + LINES as u32));
        let all = stream::iter(parts).map(|part| {
            let count = part.len();
            async move { self.enrol_part(part).await.map(|()| count) }
        });
        let mut all = all.buffer_unordered(AT_ONCE);
        let mut done = 0;
        while let Some(enrolled) = all.try_next().await? {
            done += enrolled;
            watch(done);
        }
        Ok(())
    }

    /// Enrols devices by one request, and those that Claviger could not take just then by further
    /// ones: the whole is sent again, since what is there already costs little.
    async fn enrol_part(&self, numbers: Range<u32>) -> Result<(), Failure> {
        let url = format!("{}/devices/bulk", self.base);
        let lines = lines(numbers.clone(), self.credential)?;
        let mut tries = 0;
        loop {
            let request = self.http.post(&url).header("content-type", "application/x-ndjson");
            let (status, bytes) = self.answer(request.body(lines.clone()), &url).await?;
            if !status.is_success() {
                return Err(refused(&url, status, &bytes));
            }
            let Some(busy) = read(&bytes, numbers.len(), &url)? else { return Ok(()) };
            tries += 1;
            if tries == TRIES {
                return Err(busy);
            }
            self.busy.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How often devices had to be enrolled again, because Claviger could not take them just then.
    pub fn was_busy(&self) -> u32 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Sends `body`. That something is there already is no failure.
    async fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let url = format!("{}/{path}", self.base);
        let request = self.http.request(method, &url).json(body);
        let (status, bytes) = self.answer(request, &url).await?;
        if status.is_success() || status == StatusCode::CONFLICT {
            return Ok(());
        }
        Err(refused(&url, status, &bytes))
    }

    /// Sends a request, and reads its answer to the end.
    async fn answer(
        &self,
        request: RequestBuilder,
        url: &str,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let silent = || format!("{url} does not answer; does Claviger run there?");
        let answer = request.bearer_auth(&self.token).send().await;
        let answer = answer.map_err(Failure::because(silent()))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(Failure::because(silent()))?;
        Ok((status, bytes))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::because("the system gives no threads"))
}

fn refused(url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let words = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => format!("{} {}", problem.detail, problem.hint),
        Err(_) => "is it Claviger's API?".to_owned(),
    };
    Failure::new(format!("{url} answered {status}: {words}"))
}

/// The devices of these numbers, a line each.
fn lines(numbers: Range<u32>, credential: Credential) -> Result<Bytes, Failure> {
    let mut lines = Vec::new();
    for number in numbers {
        let name = fleet::endpoint(number);
        let mut device = NewDevice::new(&name, NAME);
        match credential {
            Credential::Psk => {
                let key = KeyInput::hex(&fleet::key(&name));
                device.psk = Some(NewPsk { identity: name, key });
            }
            Credential::Rpk => device.public_key = Some(BASE64.encode(&keys::public(&name))),
            Credential::X509 => {
                device.certificate = Some(NewCertificate { trust_anchor: NAME.to_owned() });
            }
        }
        let written = serde_json::to_writer(&mut lines, &device);
        written.map_err(Failure::because("a device has no JSON"))?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}

/// Reads what became of so many lines; words if some could not be taken just then.
fn read(answers: &[u8], lines: usize, url: &str) -> Result<Option<Failure>, Failure> {
    let (mut answered, mut busy) = (0, None);
    for answer in serde_json::Deserializer::from_slice(answers).into_iter::<BulkAnswer>() {
        let answer = answer.map_err(Failure::because(format!("{url} answered oddly")))?;
        answered += 1;
        if matches!(answer.status, BulkStatus::Enrolled | BulkStatus::Exists) {
            continue;
        }
        let device = answer.device.unwrap_or_default();
        let problem = answer.problem.as_ref();
        let why = problem.map_or(String::new(), |why| format!("{} {}", why.detail, why.hint));
        let failure = Failure::new(format!("{device} is not enrolled: {why}"));
        if problem.is_none_or(|problem| problem.status != StatusCode::SERVICE_UNAVAILABLE) {
            return Err(failure);
        }
        busy = Some(failure);
    }
    if answered < lines {
        let words = "its answer ended before all devices were enrolled";
        return Err(Failure::new(format!("{url}: {words}")));
    }
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::Code;

    fn answers(problems: &[Option<Code>]) -> Vec<u8> {
        let each = problems.iter().enumerate().map(|(at, code)| BulkAnswer {
            line: at as u64 + 1,
            device: Some(fleet::endpoint(at as u32)),
            status: code.map_or(BulkStatus::Enrolled, |_| BulkStatus::Refused),
            problem: code.map(|code| Problem::new(code, "It is so.")),
        });
        each.flat_map(|answer| serde_json::to_vec(&answer).unwrap()).collect()
    }

    #[test]
    fn devices_that_could_not_be_taken_just_then_are_told_from_those_that_are_refused() {
        let taken = answers(&[None, None]);
        assert_eq!(read(&taken, 2, "url"), Ok(None));
        let busy = read(&answers(&[None, Some(Code::Unavailable)]), 2, "url").unwrap().unwrap();
        assert!(busy.to_string().starts_with("load-00000001 is not enrolled: It is so. "));
        assert!(read(&answers(&[Some(Code::Unavailable), Some(Code::Taken)]), 2, "url").is_err());
    }

    #[test]
    fn an_answer_that_ends_early_is_a_failure() {
        let words = read(&answers(&[None]), 2, "url").unwrap_err().to_string();
        assert_eq!(words, "url: its answer ended before all devices were enrolled");
    }
}
