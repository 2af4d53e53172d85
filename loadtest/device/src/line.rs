//! CoAP over DTLS from the client's side: what devices and registrations have in common.

use crate::Keys;
use claviger_coap::{Association, ExchangeId, Output, Params};
use claviger_dtls::{Client, ClientConfig, ClientFailure, ClientOutput, Resumption};
use claviger_machine::{Request, Response, Unanswered};
use core::time::Duration;
use rand_core::CryptoRng;

/// What comes out of a line.
pub(crate) enum Said {
    Datagram(Vec<u8>),
    Established { suite: u16, cid: Option<Vec<u8>>, resumed: bool },
    Request { exchange: ExchangeId, request: Request },
    Response(Result<Response, Unanswered>),
    Failed(ClientFailure),
    Closed,
}

/// One DTLS session and the CoAP in it.
pub(crate) struct Line {
    client: Client,
    keys: Option<Keys>,
    coap: Association,
    rng: Box<dyn CryptoRng + Send>,
    now: Duration,
}

impl Line {
    pub(crate) fn new(
        now: Duration,
        config: ClientConfig,
        keys: Option<Keys>,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        let client = match &keys {
            Some(keys) => Client::with_curves(now, config, (keys.curves)(), &mut *rng),
            None => Client::new(now, config, &mut *rng),
        };
        let message_id = rng.next_u32() as u16;
        Self { client, keys, coap: Association::new(Params::default(), message_id), rng, now }
    }

    pub(crate) fn receive(&mut self, now: Duration, datagram: &[u8]) {
        self.now = now;
        self.client.receive(now, datagram);
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        self.client.handle_timeout(now);
        self.coap.handle_timeout(now);
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        [self.client.next_timeout(), self.coap.next_timeout()].into_iter().flatten().min()
    }

    pub(crate) fn request(&mut self, now: Duration, request: Request) {
        self.now = now;
        let mut token = [0; 8];
        self.rng.fill_bytes(&mut token);
        self.coap.request(self.now, request, token);
    }

    pub(crate) fn respond(&mut self, exchange: ExchangeId, response: Response) {
        self.coap.respond(self.now, exchange, response);
    }

    pub(crate) fn resumption(&self) -> Option<Resumption> {
        self.client.resumption()
    }

    pub(crate) fn close(&mut self) {
        self.client.close();
    }

    pub(crate) fn poll(&mut self) -> Option<Said> {
        loop {
            match self.client.poll() {
                Some(ClientOutput::Datagram(bytes)) => return Some(Said::Datagram(bytes)),
                Some(ClientOutput::Established { suite, cid, resumed }) => {
                    return Some(Said::Established { suite, cid, resumed });
                }
                Some(ClientOutput::Data(bytes)) => {
                    self.coap.receive(self.now, &bytes, &mut *self.rng);
                    continue;
                }
                Some(ClientOutput::Failed(why)) => return Some(Said::Failed(why)),
                Some(ClientOutput::Closed) => return Some(Said::Closed),
                Some(ClientOutput::Verify(server)) => {
                    let trusted = self.keys.as_ref().is_some_and(|keys| (keys.trusts)(&server));
                    self.client.verified(self.now, trusted);
                    continue;
                }
                Some(ClientOutput::Sign { scheme, message }) => {
                    let keys = self.keys.as_ref();
                    let signature = keys.and_then(|keys| keys.signer.sign(scheme as u16, &message));
                    self.client.signed(self.now, signature);
                    continue;
                }
                None => {}
            }
            match self.coap.poll()? {
                // A session that is gone says so itself.
                Output::Send(bytes) => drop(self.client.send(&bytes)),
                Output::Request { exchange, request, .. } => {
                    return Some(Said::Request { exchange, request });
                }
                Output::Response { result, .. } => return Some(Said::Response(result)),
                Output::Refused(_) => {}
            }
        }
    }
}
