//! The LwM2M server of a simulation: it takes the webhook, then the device's registration, and
//! reports that it saw the credential in use.
//!
//! It does what a real one does and no more: DTLS with the key that the webhook brought, `POST /rd`
//! answered by 2.01, and a signed report to the URL that came with the key.

use super::held::{Accounts, receive};
use super::print::Story;
use crate::cli::exit::Failure;
use crate::connectors::{SigningSecret, headers};
use axum::Router;
use axum::routing::post;
use claviger_actors::Clock;
use claviger_coap::{Association, ExchangeId, Output as Coap, Params};
use claviger_dtls::{
    Claim, ClusterKeys, Content, ContentType, Endpoint, EndpointConfig, OpenCall, Output, Record,
    Refusal, SessionId, schedule,
};
use claviger_machine::{Code, Crypto, Draw, Method, Request, Response};
use core::time::Duration;
use rand_core::Rng;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// How the API answered the report of a credential's use, or why it did not.
pub(super) type Reported = Result<u16, String>;

/// A running server; it ends when dropped.
pub(super) struct Server {
    /// Where devices register.
    pub(super) uri: String,
    /// Where the webhook is to be sent.
    pub(super) webhook: String,
    /// What came of its reports.
    pub(super) reported: UnboundedReceiver<Reported>,
    accounts: Arc<Accounts>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server on free loopback ports.
    pub(super) async fn start(
        story: Story,
        clock: Arc<dyn Clock>,
        crypto: Arc<dyn Crypto>,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::failed(format!("the simulated LwM2M server has no port: {error}"))
        };
        let http = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let webhook = format!("http://{}/", http.local_addr().map_err(failed)?);
        let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(failed)?;
        let uri = format!("coaps://{}", socket.local_addr().map_err(failed)?);
        let (say, reported) = unbounded_channel();
        let accounts = Arc::new(Accounts::new(clock.clone(), story));
        let router = Router::new().route("/", post(receive)).with_state(accounts.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(http, router).await {
                tracing::error!(%error, "the simulated webhook receiver");
            }
        });
        let lines = Lines::new(socket, accounts.clone(), clock, crypto, story, say);
        tasks.spawn(async move {
            if let Err(error) = lines.run().await {
                tracing::error!(%error, "the simulated LwM2M server");
            }
        });
        Ok(Self { uri, webhook, reported, accounts, _tasks: tasks })
    }

    /// Gives it the secret that webhooks are signed with.
    pub(super) fn trust(&self, secret: SigningSecret) {
        self.accounts.trust(secret);
    }
}

/// One session: who has it, its CoAP, and the next write sequence.
struct Line {
    identity: Vec<u8>,
    coap: Association,
    next: u64,
}

/// The DTLS sessions of registered devices.
struct Lines {
    socket: UdpSocket,
    accounts: Arc<Accounts>,
    clock: Arc<dyn Clock>,
    draw: Draw,
    endpoint: Endpoint,
    lines: BTreeMap<SessionId, Line>,
    reports: JoinSet<()>,
    http: reqwest::Client,
    story: Story,
    say: UnboundedSender<Reported>,
}

impl Lines {
    fn new(
        socket: UdpSocket,
        accounts: Arc<Accounts>,
        clock: Arc<dyn Clock>,
        crypto: Arc<dyn Crypto>,
        story: Story,
        say: UnboundedSender<Reported>,
    ) -> Self {
        let keys = ClusterKeys::new(crypto.random(), crypto.random());
        let draw = Draw(crypto);
        let endpoint = Endpoint::new(EndpointConfig::default(), keys, Box::new(draw.clone()));
        // The report goes where the webhook came from: to this machine.
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.expect("TLS of this process can be set up");
        let (lines, reports) = (BTreeMap::new(), JoinSet::new());
        Self { socket, accounts, clock, draw, endpoint, lines, reports, http, story, say }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 4096];
        loop {
            let due = self.lines.values().filter_map(|line| line.coap.next_timeout());
            let due = due.chain(self.endpoint.next_timeout()).min();
            let wait = due.map(|due| due.saturating_sub(self.clock.now()));
            let wait = wait.unwrap_or(Duration::from_secs(3600));
            tokio::select! {
                read = self.socket.recv_from(&mut buffer) => {
                    // An error is an ICMP message about an earlier datagram.
                    if let Ok((length, from)) = read {
                        self.endpoint.receive(self.clock.now(), from, &buffer[..length]);
                    }
                }
                () = tokio::time::sleep(wait) => {
                    let now = self.clock.now();
                    self.endpoint.handle_timeout(now);
                    self.lines.values_mut().for_each(|line| line.coap.handle_timeout(now));
                }
                Some(_) = self.reports.join_next() => {}
            }
            self.drain().await?;
        }
    }

    async fn drain(&mut self) -> io::Result<()> {
        loop {
            self.speak();
            match self.endpoint.poll() {
                None => return Ok(()),
                Some(Output::Datagram { to, bytes }) => {
                    self.socket.send_to(&bytes, to).await?;
                    self.endpoint.reuse(bytes);
                }
                Some(Output::Open(call)) => self.open(&call),
                Some(Output::Record(record)) => self.take(&record),
                Some(Output::Repeat { session }) => self.seal(session, Content::Finished),
                Some(Output::Displaced { session }) => {
                    self.lines.remove(&session);
                }
                // Without a key of its own it agrees on no suite that asks these.
                Some(Output::Sign(_) | Output::Event(_) | Output::NeedSession(_)) => {}
                // It keeps all that it has.
                Some(Output::Rested(_)) => {}
            }
        }
    }

    /// Checks a device's handshake with the key that the webhook brought.
    fn open(&mut self, call: &OpenCall) {
        let now = self.clock.now();
        let Claim::Psk { identity } = &call.claim else {
            return self.endpoint.refused(now, call.call, Refusal::UnknownIdentity);
        };
        let Some(key) = self.accounts.key(identity) else {
            return self.endpoint.refused(now, call.call, Refusal::UnknownIdentity);
        };
        let Ok(opened) = schedule::open(&key, now, &call.evidence()) else {
            return self.endpoint.refused(now, call.call, Refusal::BadFinished);
        };
        let first = self.draw.next_u32() as u16;
        let coap = Association::new(Params::default(), first);
        // Sequence 0 is the Finished.
        let line = Line { identity: identity.clone(), coap, next: 1 };
        let session = opened.session;
        if self.endpoint.opened(now, call.call, opened) {
            self.lines.insert(session, line);
        }
    }

    fn take(&mut self, record: &Record) {
        if record.content == ContentType::Alert {
            self.lines.remove(&record.session);
            return self.endpoint.close(record.session);
        }
        if let Some(line) = self.lines.get_mut(&record.session) {
            line.coap.receive(self.clock.now(), &record.payload, &mut self.draw);
        }
    }

    /// Lets every association say what it has to say.
    fn speak(&mut self) {
        let sessions: Vec<SessionId> = self.lines.keys().copied().collect();
        for session in sessions {
            while let Some(output) = self.lines.get_mut(&session).and_then(|l| l.coap.poll()) {
                match output {
                    Coap::Send(bytes) => self.seal(session, Content::Application(&bytes)),
                    Coap::Request { exchange, request, .. } => {
                        self.serve(session, exchange, &request);
                    }
                    Coap::Response { .. } | Coap::Refused(_) => {}
                }
            }
        }
    }

    fn seal(&mut self, session: SessionId, content: Content<'_>) {
        let Some(line) = self.lines.get_mut(&session) else { return };
        let sequence = line.next;
        line.next += 1;
        if let Err(error) = self.endpoint.seal(session, sequence, None, content) {
            tracing::debug!(%error, "the simulated LwM2M server cannot answer");
        }
    }

    fn serve(&mut self, session: SessionId, exchange: ExchangeId, request: &Request) {
        let Some(line) = self.lines.get_mut(&session) else { return };
        let endpoint = self.accounts.endpoint(&line.identity);
        let registers = request.method == Method::Post && request.path == ["rd"];
        let code = match &endpoint {
            _ if !registers => Code::NOT_FOUND,
            Some(endpoint) if request.query_value("ep") == Some(endpoint) => Code::CREATED,
            _ => Code::BAD_REQUEST,
        };
        let identity = line.identity.clone();
        line.coap.respond(self.clock.now(), exchange, Response::new(code));
        if let (Code::CREATED, Some(endpoint)) = (code, endpoint) {
            self.story.tell(&format!("LwM2M server: {endpoint} registered (2.01)"));
            self.report(&identity);
        }
    }

    /// Reports that a credential was used, signed as the webhook was.
    fn report(&mut self, identity: &[u8]) {
        let Some((report, secret)) = self.accounts.report(identity) else { return };
        let now = self.clock.now();
        let used_at = claviger_api::Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let body = serde_json::to_vec(&claviger_api::UseReport { used_at });
        let body = body.expect("a time becomes JSON");
        let signature = secret.sign(&report.credential, now.as_secs(), &body);
        let mut request = self
            .http
            .post(&report.use_url)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .header(headers::ID, &report.credential)
            .header(headers::TIMESTAMP, now.as_secs().to_string())
            .header(headers::SIGNATURE, signature)
            .timeout(Duration::from_secs(10))
            .body(body);
        if let Some(parent) = report.traceparent {
            request = request.header("traceparent", parent);
        }
        let say = self.say.clone();
        self.reports.spawn(async move {
            let answer = request.send().await;
            let answer = answer.map(|answer| answer.status().as_u16());
            // Whoever started the simulation may have stopped listening.
            let _ = say.send(answer.map_err(|error| error.without_url().to_string()));
        });
    }
}
