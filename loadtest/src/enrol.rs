//! The devices of a load test at Claviger's HTTP API.

use crate::webhook::{self, Told};
use crate::{Failure, fleet};
use claviger_api::{ConnectorKind, KeyInput, NewDevice, NewPsk, Problem, PutConnector, PutProfile};
use core::ops::Range;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, StatusCode};
use serde::Serialize;

/// The name of the connector and of the profile that a load test sets.
const NAME: &str = "loadtest";
/// Where the devices are told to register. Nobody goes there.
const SERVER_URI: &str = "coaps://127.0.0.1:5683";
/// How many requests are under way at once: what the ledger syncs together.
const AT_ONCE: usize = 64;

/// Claviger's API.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
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
        let base = format!("{}/api/v1/tenants/default", server.trim_end_matches('/'));
        Ok(Self { http, base, token: token.to_owned() })
    }

    /// Makes Claviger ready for the devices of these numbers: they are enrolled, and their LwM2M
    /// server is a receiver in this process. Gives what that receiver is told. Devices that are
    /// enrolled already stay.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub fn prepare(&self, numbers: Range<u32>) -> Result<Told, Failure> {
        let (url, told) = webhook::start()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::because("the system gives no threads"))?;
        runtime.block_on(async {
            self.configure(Some(&url)).await?;
            self.enrol(numbers).await
        })?;
        Ok(told)
    }

    /// As [`Self::prepare`], for an LwM2M server that asks for keys when it needs them: nobody is
    /// told of any.
    ///
    /// # Errors
    /// What the API said, or that it does not answer.
    pub fn prepare_pull(&self, numbers: Range<u32>) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::because("the system gives no threads"))?;
        runtime.block_on(async {
            self.configure(None).await?;
            self.enrol(numbers).await
        })
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
        Ok(())
    }

    async fn enrol(&self, numbers: Range<u32>) -> Result<(), Failure> {
        let all = stream::iter(numbers).map(|number| async move {
            let name = fleet::endpoint(number);
            let key = KeyInput::hex(&fleet::key(&name));
            let psk = NewPsk { identity: name.clone(), key };
            let device = NewDevice { endpoint: name, id: None, profile: NAME.to_owned(), psk };
            self.send(Method::POST, "devices", &device).await
        });
        all.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await
    }

    /// Sends `body`. That something is there already is no failure.
    async fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let url = format!("{}/{path}", self.base);
        let request = self.http.request(method, &url).bearer_auth(&self.token).json(body);
        let answer = request.send().await;
        let silent = || format!("{url} does not answer; does Claviger run there?");
        let answer = answer.map_err(Failure::because(silent()))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(Failure::because(silent()))?;
        if status.is_success() || status == StatusCode::CONFLICT {
            return Ok(());
        }
        let words = match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => format!("{} {}", problem.detail, problem.hint),
            Err(_) => "is it Claviger's API?".to_owned(),
        };
        Err(Failure::new(format!("{url} answered {status}: {words}")))
    }
}
