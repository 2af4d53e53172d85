//! The client's second flight as far as it has come: its messages in their one order, the rest
//! in whatever order.

use super::half_open::Agreement;
use crate::counters::DropReason;
use crate::curves::Presented;
use crate::reassembly::Reassembly;
use crate::suite::KeyExchange;
use crate::wire::certificate::{self, Signed};
use crate::wire::cursor::Cursor;
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::key_exchange::ClientKeyExchange;

/// What has come of it.
#[derive(Debug)]
pub(super) struct ClientFlight {
    reassembly: Reassembly,
    pub(super) presented: Option<Presented>,
    pub(super) exchange: Option<Exchange>,
    /// The CertificateVerify, and how much of the transcript it covers.
    pub(super) signed: Option<(usize, Signed)>,
    pub(super) change_cipher_spec: bool,
    /// Number and bytes of the record that bears the Finished.
    pub(super) finished: Option<(u64, Vec<u8>)>,
}

/// The content of a ClientKeyExchange.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) identity: Vec<u8>,
    pub(super) public: Vec<u8>,
}

impl ClientFlight {
    /// `next` is the number of its first message.
    pub(super) fn new(next: u16) -> Self {
        Self {
            reassembly: Reassembly::new(next),
            presented: None,
            exchange: None,
            signed: None,
            change_cipher_spec: false,
            finished: None,
        }
    }

    /// Takes a fragment of the next message, or of one behind it.
    pub(super) fn accept(
        &mut self,
        exchange: KeyExchange,
        fragment: &Fragment<'_>,
    ) -> Result<(), DropReason> {
        let next = fragment.sequence == self.reassembly.next();
        if next && self.expected(exchange) != Some(fragment.kind) {
            return Err(DropReason::UnexpectedMessage);
        }
        self.reassembly.accept(fragment)
    }

    /// The next message, once it is whole.
    pub(super) fn pop(&mut self, exchange: KeyExchange) -> Option<Vec<u8>> {
        let expected = self.expected(exchange);
        self.reassembly.pop(|kind| expected == Some(kind))
    }

    /// Reads a message that [`Self::pop`] gave; `before` is the length of the transcript up to
    /// it. After an error the flight is of no use.
    pub(super) fn read(
        &mut self,
        agreement: &Agreement,
        before: usize,
        message: &[u8],
    ) -> Result<(), DropReason> {
        let body = &message[handshake::HEADER..];
        match message[0] {
            kind::CERTIFICATE => {
                let kind = agreement.client_type;
                let presented = certificate::decode(kind, body).ok_or(DropReason::Malformed)?;
                self.presented = Some(presented.ok_or(DropReason::NoKey)?);
            }
            kind::CERTIFICATE_VERIFY => {
                let signed = Signed::decode(Cursor::new(body)).ok_or(DropReason::Malformed)?;
                self.signed = Some((before, signed));
            }
            _ => {
                let exchange = agreement.suite.key_exchange;
                let read = ClientKeyExchange::decode(exchange, body);
                let read = read.ok_or(DropReason::Malformed)?;
                let (identity, public) = (read.identity.to_vec(), read.public.to_vec());
                self.exchange = Some(Exchange { identity, public });
            }
        }
        Ok(())
    }

    /// Whether all of it is there.
    pub(super) fn is_complete(&self, exchange: KeyExchange) -> bool {
        self.expected(exchange).is_none() && self.change_cipher_spec && self.finished.is_some()
    }

    fn expected(&self, exchange: KeyExchange) -> Option<u8> {
        let signed = exchange.is_signed();
        if signed && self.presented.is_none() {
            Some(kind::CERTIFICATE)
        } else if self.exchange.is_none() {
            Some(kind::CLIENT_KEY_EXCHANGE)
        } else if signed && self.signed.is_none() {
            Some(kind::CERTIFICATE_VERIFY)
        } else {
            None
        }
    }
}
