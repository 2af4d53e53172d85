//! The record layer of a client once it has keys.

use super::resume::{LastFlight, Resumption};
use crate::keys::SessionKeys;
use crate::protection::Direction;
use crate::replay::Window;
use crate::suite::Suite;
use crate::wire::record::{ContentType, MAX_SEQUENCE, RawRecord};

/// Keys, connection ids and numbers of epoch 1.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) suite: &'static Suite,
    keys: SessionKeys,
    /// The id that the server puts into its records; empty if none.
    cid: Vec<u8>,
    /// The id that we put into ours, if the extension was negotiated.
    pub(super) server_cid: Option<Vec<u8>>,
    next_sequence: u64,
    window: Window,
    /// What another client can go on with.
    pub(super) resumption: Option<Resumption>,
    /// Our last flight, if it was the handshake's last.
    pub(super) last_flight: Option<Box<LastFlight>>,
}

impl Connection {
    pub(super) fn new(
        suite: &'static Suite,
        keys: SessionKeys,
        cid: Vec<u8>,
        server_cid: Option<Vec<u8>>,
    ) -> Self {
        Self {
            suite,
            keys,
            cid,
            server_cid,
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
        let cid = self.server_cid.as_deref().unwrap_or_default();
        let direction = Direction::from_client(self.suite.cipher, &self.keys, cid);
        direction.seal(out, kind, (1, sequence), payload);
        Some(())
    }

    /// Opens a record that was not read before.
    pub(super) fn open(&mut self, record: &RawRecord<'_>) -> Option<(ContentType, Vec<u8>)> {
        let direction = Direction::from_server(self.suite.cipher, &self.keys, &self.cid);
        let mut payload = Vec::with_capacity(record.body.len());
        let kind = direction.open(record, &mut payload).ok()?;
        self.window.accept(record.sequence)?;
        Some((kind, payload))
    }
}
