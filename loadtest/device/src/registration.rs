//! The use of what a bootstrap brought: a registration at the LwM2M server.

use crate::line::{Line, Said};
use crate::{Account, Failure};
use claviger_dtls::ClientConfig;
use claviger_machine::{Code, Method, Request, Response};
use core::time::Duration;
use rand_core::CryptoRng;

/// One registration: a handshake with the account's key, then `POST /rd`.
pub struct Registration {
    line: Line,
    request: Option<Request>,
    now: Duration,
}

/// What a [`Registration`] wants done, or reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationOutput {
    /// Send this datagram to the LwM2M server.
    Datagram(Vec<u8>),
    /// The handshake is done.
    Handshake {
        /// IANA number of the cipher suite.
        suite: u16,
        /// The server's connection id, if one was negotiated.
        cid: Option<Vec<u8>>,
    },
    /// The server took the registration.
    Registered,
    /// It did not.
    Failed(Failure),
}

impl Registration {
    /// Begins a registration of `endpoint` with `account`.
    pub fn new(
        now: Duration,
        endpoint: &str,
        account: &Account,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        let client = ClientConfig::new(account.identity.clone(), account.key.clone());
        let mut request = Request::new(Method::Post, &["rd"]);
        request.query = vec![
            format!("ep={endpoint}"),
            format!("lt={}", account.lifetime),
            "lwm2m=1.0".to_owned(),
            format!("b={}", account.binding),
        ];
        request.content_format = Some(claviger_lwm2m::content_format::LINK_FORMAT);
        request.payload = b"</1/0>,</3/0>".to_vec();
        Self { line: Line::new(now, client, None, rng), request: Some(request), now }
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
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.line.next_timeout()
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self) -> Option<RegistrationOutput> {
        loop {
            return Some(match self.line.poll()? {
                Said::Datagram(bytes) => RegistrationOutput::Datagram(bytes),
                Said::Established { suite, cid, .. } => {
                    if let Some(request) = self.request.take() {
                        self.line.request(self.now, request);
                    }
                    RegistrationOutput::Handshake { suite, cid }
                }
                Said::Request { exchange, .. } => {
                    self.line.respond(exchange, Response::new(Code::METHOD_NOT_ALLOWED));
                    continue;
                }
                Said::Response(Ok(response)) if response.code.is_success() => {
                    RegistrationOutput::Registered
                }
                Said::Response(Ok(Response { code, payload, .. })) => {
                    let words = String::from_utf8_lossy(&payload).into_owned();
                    RegistrationOutput::Failed(Failure::Refused(code, words))
                }
                Said::Response(Err(why)) => RegistrationOutput::Failed(Failure::Unanswered(why)),
                Said::Failed(why) => RegistrationOutput::Failed(Failure::Dtls(why)),
                Said::Closed => RegistrationOutput::Failed(Failure::Closed),
            });
        }
    }
}
