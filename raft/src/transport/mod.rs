//! How nodes reach each other: a port of whole frames, and what stands behind it for now.
//!
//! A transport opens a [`Channel`] to another node for one [`Kind`] of talk and knows nothing of
//! what is said there; the other end gives its half to [`crate::Node::serve`] with the id of the
//! node that opened it, which the transport has authenticated. [`MemoryTransport`] links the nodes
//! of one process, [`Alone`] nobody. The frames are in [`crate::wire`].

mod memory;

pub use memory::MemoryTransport;

use futures::future::BoxFuture;
use std::io;

/// The longest frame that is sent, in bytes. A channel may refuse longer ones.
pub const FRAME_LIMIT: usize = 8 << 20;

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Entries of the log, many under way at once, and heartbeats.
    Append,
    /// Questions and answers: votes, the transfer of leadership, proposals and reads of others.
    Call,
    /// One snapshot.
    Snapshot,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Append, Self::Call, Self::Snapshot];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Call => "call",
            Self::Snapshot => "snapshot",
        }
    }
}

/// One end of a channel: whole frames both ways, in order, none twice. Each half is bounded: who
/// sends faster than the other reads waits. Dropping an end closes it.
pub struct Channel {
    /// What is sent.
    pub sender: Box<dyn Sender>,
    /// What is received.
    pub receiver: Box<dyn Receiver>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channel")
    }
}

/// The sending half of a channel. Dropping it says that nothing follows; what was sent arrives.
pub trait Sender: Send + Sync {
    /// Sends a frame of at most [`FRAME_LIMIT`] bytes. Dropped before its end it may have sent a
    /// part: then the channel is of no more use.
    fn send(&mut self, frame: Vec<u8>) -> BoxFuture<'_, io::Result<()>>;

    /// Sends these frames, one behind the other: whoever has several at once lets a transport that
    /// pays for each call pay once.
    fn send_all(&mut self, frames: Vec<Vec<u8>>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            for frame in frames {
                self.send(frame).await?;
            }
            Ok(())
        })
    }
}

/// The receiving half of a channel.
pub trait Receiver: Send + Sync {
    /// The next frame; nothing if the other end sends no more. An error says that frames are lost.
    /// Dropped before its end it loses nothing.
    fn receive(&mut self) -> BoxFuture<'_, io::Result<Option<Vec<u8>>>>;
}

/// The way to the other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Opens a channel to the node with this id, which is said to be at this address. An error
    /// says that it cannot be reached now. Dropped before its end, nothing is opened, but the
    /// transport may go on to connect.
    fn open(&self, to: u64, address: &str, kind: Kind) -> BoxFuture<'static, io::Result<Channel>>;
}

/// The way of a node that has nobody to reach.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Transport for Alone {
    fn open(&self, to: u64, _: &str, _: Kind) -> BoxFuture<'static, io::Result<Channel>> {
        let words = format!("node {to} cannot be reached: this node is linked with no other");
        Box::pin(async { Err(io::Error::new(io::ErrorKind::NotConnected, words)) })
    }
}
