//! The record layer of a client once it has keys.

use super::config::ClientFailure;
use super::resume::{LastFlight, Resumption};
use crate::flight::Sizes;
use crate::keys::SessionKeys;
use crate::limit;
use crate::protection::Direction;
use crate::replay::Window;
use crate::suite::Suite;
use crate::wire::path::PathMessage;
use crate::wire::record::{ContentType, MAX_SEQUENCE, RawRecord};

/// Keys, connection ids and numbers of epoch 1.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) suite: &'static Suite,
    keys: SessionKeys,
    ids: Ids,
    limits: Limits,
    /// Whether either end may check where the other is (RFC 9853).
    pub(super) rrc: bool,
    next_sequence: u64,
    window: Window,
    /// What another client can go on with.
    pub(super) resumption: Option<Resumption>,
    /// Our last flight, if it was the handshake's last.
    pub(super) last_flight: Option<Box<LastFlight>>,
}

/// Connection ids.
#[derive(Debug)]
pub(super) struct Ids {
    /// The one that the server puts into its records; empty if none.
    pub(super) ours: Vec<u8>,
    /// The one that we put into ours, if the extension was negotiated.
    pub(super) theirs: Option<Vec<u8>>,
}

/// Most plaintext in a record, where an end says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) ours: Option<u16>,
    pub(super) theirs: Option<u16>,
}

impl Connection {
    pub(super) fn new(
        suite: &'static Suite,
        keys: SessionKeys,
        ids: Ids,
        limits: Limits,
        rrc: bool,
    ) -> Self {
        Self {
            suite,
            keys,
            ids,
            limits,
            rrc,
            next_sequence: 0,
            window: Window::default(),
            resumption: None,
            last_flight: None,
        }
    }

    /// Appends a protected record under the next number; `None` if there is none left.
    pub(super) fn seal(
        &mut self,
        out: &mut Vec<u8>,
        kind: ContentType,
        payload: &[u8],
    ) -> Option<()> {
        let sequence = self.next_sequence;
        if sequence > MAX_SEQUENCE {
            return None;
        }
        self.next_sequence += 1;
        let cid = self.ids.theirs.as_deref().unwrap_or_default();
        let direction = Direction::from_client(self.suite.cipher, &self.keys, cid);
        direction.seal(out, kind, (1, sequence), payload);
        Some(())
    }

    /// Most application data in a record to the server.
    pub(super) fn longest(&self) -> usize {
        let with_cid = self.ids.theirs.as_ref().is_some_and(|cid| !cid.is_empty());
        limit::payload(self.limits.theirs, with_cid).into()
    }

    /// The server's connection id, if the extension was negotiated.
    pub(super) fn server_cid(&self) -> Option<Vec<u8>> {
        self.ids.theirs.clone()
    }

    /// The answer to a check of our address (RFC 9853): one at once for each.
    pub(super) fn answer_check(&mut self, check: &[u8]) -> Result<Option<Vec<u8>>, ClientFailure> {
        let Some(PathMessage::Challenge(cookie)) = PathMessage::decode(check) else {
            return Ok(None);
        };
        let (mut datagram, answer) = (Vec::new(), PathMessage::Response(cookie).encode());
        let sealed = self.seal(&mut datagram, ContentType::ReturnRoutabilityCheck, &answer);
        sealed.map(|()| Some(datagram)).ok_or(ClientFailure::Exhausted)
    }

    /// The sizes of a flight that was sent so often before.
    pub(super) fn sizes(&self, repeats: u8) -> Sizes {
        Sizes::new(repeats, self.limits.theirs)
    }

    /// Opens a record that was not read before, and is no longer than we said.
    pub(super) fn open(&mut self, record: &RawRecord<'_>) -> Option<(ContentType, Vec<u8>)> {
        let direction = Direction::from_server(self.suite.cipher, &self.keys, &self.ids.ours);
        let mut payload = Vec::with_capacity(record.body.len());
        let kind = direction.open(record, &mut payload).ok()?;
        let longest = limit::payload(self.limits.ours, !self.ids.ours.is_empty());
        if payload.len() > longest.into() {
            return None;
        }
        self.window.accept(record.sequence)?;
        Some((kind, payload))
    }
}
