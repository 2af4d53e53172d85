//! The client's states between the server's flight and its own: it waits for answers from
//! outside, and puts its last flight together.

use zeroize::Zeroizing;

use super::config::{ClientFailure, ClientOutput};
use super::finishing::Finishing;
use super::handshake::{Chosen, Hello};
use super::resume::Expected;
use crate::curves::{Presented, SharedSecret};
use crate::prf;
use crate::schedule::finished_message;
use crate::wire::certificate::{self, Signed};
use crate::wire::handshake::{self, kind};
use crate::wire::key_exchange::ClientKeyExchange;

/// What comes next.
pub(super) enum Progress {
    /// Wait for the answer to this.
    Ask(Box<Answering>, ClientOutput),
    /// Send the last flight.
    Finish(Box<Finishing>),
}

/// The server's flight is there; ours needs an answer.
pub(super) struct Answering {
    hello: Box<Hello>,
    server: Chosen,
    waits_for: Answer,
}

enum Answer {
    /// Whether the server's key is trusted.
    Trust,
    /// The signature behind these messages of ours.
    Signature { messages: Messages, master: Zeroizing<[u8; 48]> },
}

/// Our flight's messages in clear.
struct Messages {
    bytes: Vec<u8>,
    /// Number of the next one.
    next: u16,
}

impl Messages {
    fn push(&mut self, kind: u8, body: &[u8]) {
        handshake::put_message(&mut self.bytes, kind, self.next, body);
        self.next += 1;
    }
}

/// The server's flight is complete.
pub(super) fn complete(mut hello: Box<Hello>) -> Result<Progress, ClientFailure> {
    let server = hello.server.take().ok_or(ClientFailure::IllegalParameter)?;
    let presented = server.presented.clone();
    let answering = Answering { hello, server, waits_for: Answer::Trust };
    match presented {
        Some(presented) => Ok(Progress::Ask(Box::new(answering), ClientOutput::Verify(presented))),
        None => answering.answer(),
    }
}

impl Answering {
    /// Whether the server's key is trusted; `None` if that was not asked.
    pub(super) fn verified(self, trusted: bool) -> Result<Progress, ClientFailure> {
        match self.waits_for {
            Answer::Trust if trusted => self.answer(),
            _ => Err(ClientFailure::Untrusted),
        }
    }

    /// Whether it waits for trust, else for a signature.
    pub(super) fn waits_for_trust(&self) -> bool {
        matches!(self.waits_for, Answer::Trust)
    }

    /// The signature under our CertificateVerify.
    pub(super) fn signed(mut self, signature: Option<Vec<u8>>) -> Result<Progress, ClientFailure> {
        let ours = self.hello.config.public_identity.as_ref();
        let scheme = ours.map(|ours| ours.scheme);
        let (Answer::Signature { mut messages, master }, Some(signature), Some(scheme)) =
            (core::mem::replace(&mut self.waits_for, Answer::Trust), signature, scheme)
        else {
            return Err(ClientFailure::NotSigned);
        };
        let mut body = Vec::with_capacity(4 + signature.len());
        let signed = Signed { scheme, signature };
        signed.encode(&mut body).ok_or(ClientFailure::NotSigned)?;
        messages.push(kind::CERTIFICATE_VERIFY, &body);
        Ok(self.finish(messages, &master))
    }

    fn answer(mut self) -> Result<Progress, ClientFailure> {
        let mut messages = Messages { bytes: Vec::new(), next: self.hello.message + 1 };
        let presented = self.presented();
        if self.server.requested.is_some() {
            messages.push(kind::CERTIFICATE, &certificate::encode(presented.as_ref()));
        }
        let shared = self.exchange_keys(&mut messages)?;
        let master = self.master(&messages, shared.as_ref());
        let ours = self.hello.config.public_identity.as_ref();
        let Some(scheme) = presented.and(ours).map(|ours| ours.scheme) else {
            return Ok(self.finish(messages, &master));
        };
        let message = [&self.hello.transcript[..], &messages.bytes].concat();
        self.waits_for = Answer::Signature { messages, master };
        Ok(Progress::Ask(Box::new(self), ClientOutput::Sign { scheme, message }))
    }

    /// What we present, if the server wants it and we have it in the form agreed on.
    fn presented(&self) -> Option<Presented> {
        let kind = self.server.client_type;
        let ours = self.hello.config.public_identity.as_ref();
        let ours = ours.filter(|ours| self.server.requested == Some(true) && ours.has(kind));
        ours.map(|ours| ours.present(kind))
    }

    /// Appends our ClientKeyExchange; gives the secret of the key agreement if there is one.
    fn exchange_keys(
        &self,
        messages: &mut Messages,
    ) -> Result<Option<SharedSecret>, ClientFailure> {
        let exchange = self.server.suite.key_exchange;
        let mut pair = None;
        if let Some((group, public)) = &self.server.share {
            let curves = self.hello.curves.as_ref().ok_or(ClientFailure::Config)?;
            let key = curves.ephemeral(*group).ok_or(ClientFailure::Config)?;
            let shared = key.agree(public).ok_or(ClientFailure::IllegalParameter)?;
            pair = Some((key, shared));
        }
        let read = ClientKeyExchange {
            identity: &self.hello.config.identity,
            public: pair.as_ref().map_or(&[], |(key, _)| key.public()),
        };
        let body = read.encode(exchange).ok_or(ClientFailure::Config)?;
        messages.push(kind::CLIENT_KEY_EXCHANGE, &body);
        Ok(pair.map(|(_, shared)| shared))
    }

    fn master(&self, messages: &Messages, shared: Option<&SharedSecret>) -> Zeroizing<[u8; 48]> {
        let (hello, server) = (&self.hello, &self.server);
        let shared = shared.map(SharedSecret::expose);
        let premaster = if server.suite.key_exchange.uses_psk() {
            prf::psk_premaster(&hello.config.psk, shared)
        } else {
            Zeroizing::new(shared.unwrap_or_default().to_vec())
        };
        // RFC 7627 §3: through ClientKeyExchange, which is the last one so far.
        let hash = prf::hash(&[&hello.transcript, &messages.bytes]);
        let session_hash = server.extended_master_secret.then_some(&hash[..]);
        prf::master_secret(&premaster, [&hello.random, &server.random], session_hash)
    }

    fn finish(self, messages: Messages, master: &[u8; 48]) -> Progress {
        let (hello, server) = (self.hello, self.server);
        let hash = prf::hash(&[&hello.transcript, &messages.bytes]);
        let verify_data = prf::verify_data(master, b"client finished", &hash);
        let finished = finished_message(messages.next, &verify_data);
        let transcript = [&hello.transcript[..], &messages.bytes, &finished].concat();
        Progress::Finish(Box::new(Finishing {
            connection: hello.connection(&server, master),
            messages: messages.bytes,
            finished,
            next_record: hello.next_record,
            expected: Expected::new(
                Zeroizing::new(*master),
                transcript,
                hello.reassembly.next(),
                server.ticket,
            ),
            // Without extended master secret nothing would bind a resumption to this session.
            session_id: server.extended_master_secret.then_some(server.session_id),
            repeated: false,
            sent: 0,
        }))
    }
}
