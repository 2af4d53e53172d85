//! A whole device.

use crate::line::{Line, Said};
use crate::objects::Objects;
use crate::{Account, DeviceConfig, DeviceEvent, DeviceOutput, Failure, Version};
use claviger_dtls::Resumption;
use claviger_lwm2m::request::BootstrapRequest;
use claviger_machine::{Code, Method, Request, Response};
use core::time::Duration;
use rand_core::CryptoRng;
use std::collections::VecDeque;
use zeroize::Zeroize;

/// EXCHANGE_LIFETIME: how long it waits for the next command (RFC 7252 §4.8.2).
const PATIENCE: Duration = Duration::from_secs(247);

/// A device that is switched on and asks to be bootstrapped.
pub struct Device {
    line: Line,
    objects: Objects,
    request: Request,
    /// True if it asks as soon as its session is open.
    asks: bool,
    /// When it gives the bootstrap up; none before the request is answered, and after the end.
    deadline: Option<Duration>,
    now: Duration,
    over: bool,
    /// What it holds, until its answer to Finish has left.
    account: Option<Account>,
    outputs: VecDeque<DeviceOutput>,
}

impl Device {
    /// Switches a device on: its handshake begins.
    pub fn new(now: Duration, config: DeviceConfig, rng: Box<dyn CryptoRng + Send>) -> Self {
        let objects = Objects::new(&config);
        let asks = config.asks;
        let preferred = (config.version == Version::V1_1).then_some(config.format);
        let line = Line::new(now, config.client(), config.keys, rng);
        let request = BootstrapRequest { endpoint: Some(config.endpoint), preferred };
        Self {
            line,
            objects,
            request: request.to_request(),
            asks,
            deadline: None,
            now,
            over: false,
            account: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes a datagram of the server.
    pub fn receive(&mut self, now: Duration, datagram: &[u8]) {
        self.now = now;
        self.line.receive(now, datagram);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        self.line.handle_timeout(now);
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.fail(Failure::NoFinish);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        [self.line.next_timeout(), self.deadline].into_iter().flatten().min()
    }

    /// Asks to be bootstrapped, again or for the first time, in the session that is open.
    pub fn ask_again(&mut self, now: Duration) {
        self.now = now;
        self.over = false;
        self.line.request(self.now, self.request.clone());
    }

    /// What a later handshake can resume the session by, if its server keeps it.
    pub fn resumption(&self) -> Option<Resumption> {
        self.line.resumption()
    }

    /// Ends the session in good order.
    pub fn close(&mut self) {
        self.line.close();
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self) -> Option<DeviceOutput> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let Some(said) = self.line.poll() else {
                return self.account.take().map(DeviceOutput::Bootstrapped);
            };
            match said {
                Said::Datagram(bytes) => return Some(DeviceOutput::Datagram(bytes)),
                Said::Established { suite, cid, resumed } => {
                    self.event(DeviceEvent::Handshake { suite, cid, resumed });
                    if self.asks {
                        self.line.request(self.now, self.request.clone());
                    }
                }
                Said::Request { exchange, mut request } => {
                    let response = self.serve(&request);
                    request.payload.zeroize();
                    self.line.respond(exchange, response);
                }
                Said::Response(Ok(response)) if response.code.is_success() => {
                    self.deadline = Some(self.now + PATIENCE);
                    self.event(DeviceEvent::Requested { code: response.code });
                }
                Said::Response(Ok(Response { code, payload, .. })) => {
                    let words = String::from_utf8_lossy(&payload).into_owned();
                    self.fail(Failure::Refused(code, words));
                }
                Said::Response(Err(why)) => self.fail(Failure::Unanswered(why)),
                Said::Failed(why) => self.fail(Failure::Dtls(why)),
                Said::Closed => self.fail(Failure::Closed),
            }
        }
    }

    fn event(&mut self, event: DeviceEvent) {
        self.outputs.push_back(DeviceOutput::Event(event));
    }

    fn fail(&mut self, failure: Failure) {
        self.deadline = None;
        if !core::mem::replace(&mut self.over, true) {
            self.outputs.push_back(DeviceOutput::Failed(failure));
        }
    }

    fn serve(&mut self, request: &Request) -> Response {
        let finish = BootstrapRequest::is_route_of(request);
        let (response, account) = match finish.then(|| self.objects.check()) {
            None => (self.objects.answer(request), None),
            Some(Ok(account)) => (Response::new(Code::CHANGED), Some(account)),
            Some(Err(why)) => (Response::diagnostic(Code::NOT_ACCEPTABLE, why), None),
        };
        let read = request.method == Method::Get;
        let bytes = if read { response.payload.len() } else { request.payload.len() };
        self.event(DeviceEvent::Operation {
            method: request.method,
            path: request.path_string(),
            format: if read { response.content_format } else { request.content_format },
            bytes,
            code: response.code,
        });
        self.deadline = self.deadline.map(|_| self.now + PATIENCE);
        if account.is_some() {
            self.deadline = None;
            self.over = true;
            self.account = account;
        }
        response
    }
}
