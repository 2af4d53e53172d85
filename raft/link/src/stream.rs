//! Channels on streams: the first byte is the purpose, then frames, each behind its length in
//! four bytes.

use crate::counters::Counters;
use bytes::Bytes;
use claviger_raft::{Channel, FRAME_LIMIT, Kind, Receiver, Sender};
use futures::future::BoxFuture;
use quinn::{Connection, RecvStream, SendStream};
use std::io;
use std::mem;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Bytes that are taken from a stream at once.
const CHUNK: usize = 64 << 10;
/// What is longer is not copied to stand behind its length.
const LONG: usize = 16 << 10;

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The ledger: see [`Kind::Append`].
    Append,
    /// The ledger: see [`Kind::Call`].
    Call,
    /// The ledger: see [`Kind::Snapshot`].
    Snapshot,
    /// A listener for devices and the actors.
    Edge,
    /// A node that wants a certificate: its first, or the next.
    Join,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [Self::Append, Self::Call, Self::Snapshot, Self::Edge, Self::Join];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Call => "call",
            Self::Snapshot => "snapshot",
            Self::Edge => "edge",
            Self::Join => "join",
        }
    }

    /// The ledger's kind, where it is the ledger's.
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Append => Some(Kind::Append),
            Self::Call => Some(Kind::Call),
            Self::Snapshot => Some(Kind::Snapshot),
            Self::Edge | Self::Join => None,
        }
    }

    /// Whether its frames may bear what must not stay in memory: keys, or the secret of a token. What
    /// the ledger's bear is sealed.
    const fn is_secret(self) -> bool {
        matches!(self, Self::Edge | Self::Join)
    }

    /// Its byte on the wire.
    pub(crate) const fn byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl From<Kind> for Purpose {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Append => Self::Append,
            Kind::Call => Self::Call,
            Kind::Snapshot => Self::Snapshot,
        }
    }
}

/// A channel on the two halves of a stream whose purpose is known to both ends. On a connection that
/// this node has made (`over`), that is known to stand as long as the channel does.
pub(crate) fn channel(
    purpose: Purpose,
    (send, receive): (SendStream, RecvStream),
    limit: usize,
    counters: &Arc<Counters>,
    over: Option<Arc<Connection>>,
) -> Channel {
    let sending = Sending { purpose, stream: send, limit, counters: counters.clone() };
    let receiving = Receiving {
        purpose,
        stream: receive,
        limit,
        counters: counters.clone(),
        held: Vec::new(),
        read: 0,
        _over: over,
    };
    Channel { sender: Box::new(sending), receiver: Box::new(receiving) }
}

/// The longest frame of a purpose. What edges and joiners say is short.
pub(crate) fn limit(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Append | Purpose::Call | Purpose::Snapshot => FRAME_LIMIT,
        Purpose::Edge => 256 << 10,
        Purpose::Join => 64 << 10,
    }
}

struct Sending {
    purpose: Purpose,
    stream: SendStream,
    limit: usize,
    counters: Arc<Counters>,
}

impl Sending {
    /// Frames as they go onto the stream, in as few pieces as there can be: for each piece of each
    /// packet quinn goes through all pieces that are not acknowledged.
    fn pieces(&self, mut frames: Vec<Vec<u8>>) -> io::Result<Vec<Bytes>> {
        let lengths = frames.iter().map(Vec::len);
        if let Some(length) = lengths.clone().find(|length| *length > self.limit) {
            let words = format!("a frame of {length} bytes is too long");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        lengths.clone().for_each(|length| self.counters.sent(self.purpose).frame(length));
        let room = lengths.map(|length| 4 + length).sum();
        let head = |frame: &[u8]| (frame.len() as u32).to_be_bytes();
        if let [frame] = &mut frames[..]
            && frame.len() > LONG
            && !self.purpose.is_secret()
        {
            return Ok(vec![Bytes::copy_from_slice(&head(frame)), mem::take(frame).into()]);
        }
        // With all its room at once: a vector that grows leaves copies behind.
        let mut piece = Vec::with_capacity(room);
        for frame in &frames {
            piece.extend(head(frame));
            piece.extend_from_slice(frame);
        }
        if !self.purpose.is_secret() {
            return Ok(vec![piece.into()]);
        }
        frames.zeroize();
        Ok(vec![Bytes::from_owner(Zeroizing::new(piece))])
    }
}

impl Sender for Sending {
    fn send(&mut self, frame: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        self.send_all(vec![frame])
    }

    fn send_all(&mut self, frames: Vec<Vec<u8>>) -> BoxFuture<'_, io::Result<()>> {
        let pieces = self.pieces(frames);
        Box::pin(async move {
            self.stream.write_all_chunks(&mut pieces?).await.map_err(io::Error::from)
        })
    }
}

struct Receiving {
    purpose: Purpose,
    stream: RecvStream,
    limit: usize,
    counters: Arc<Counters>,
    /// Bytes that were received, those of frames that were given among them.
    held: Vec<u8>,
    /// How many of them are of frames that were given.
    read: usize,
    _over: Option<Arc<Connection>>,
}

impl Receiving {
    /// Lets go of what was given.
    fn drop_read(&mut self) {
        let left = self.held.len() - self.read;
        self.held.copy_within(self.read.., 0);
        if self.purpose.is_secret() {
            self.held[left..].zeroize();
        }
        self.held.truncate(left);
        self.read = 0;
    }

    fn hold(&mut self, bytes: &[u8]) {
        let needed = self.held.len() + bytes.len();
        if self.purpose.is_secret() && needed > self.held.capacity() {
            // A vector that grows by itself leaves a copy behind.
            let mut larger = Vec::with_capacity(needed.next_power_of_two());
            larger.extend_from_slice(&self.held);
            self.held.zeroize();
            self.held = larger;
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next frame if it is there as a whole.
    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let rest = &self.held[self.read..];
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.limit {
            let words = format!("a frame of {length} bytes is too long");
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.read += 4 + length;
        self.counters.received(self.purpose).frame(length);
        Ok(Some(frame))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.purpose.is_secret() {
            self.held.zeroize();
        }
    }
}

impl Receiver for Receiving {
    fn receive(&mut self) -> BoxFuture<'_, io::Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            loop {
                if let Some(frame) = self.take()? {
                    return Ok(Some(frame));
                }
                self.drop_read();
                let Some(chunk) = self.stream.read_chunk(CHUNK, true).await? else {
                    if self.held.is_empty() {
                        return Ok(None);
                    }
                    let words = "the stream ended within a frame";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, words));
                };
                self.hold(&chunk.bytes);
            }
        })
    }
}
