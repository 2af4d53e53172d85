//! Links between the nodes of one process, for tests: they can be cut and made slow.
//!
//! On one thread under tokio's paused clock everything that happens here repeats exactly.

use super::{Channel, Kind, Receiver, Sender, Transport};
use crate::Node;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How many frames a half of a channel holds before its sender waits.
const FRAMES: usize = 64;

#[derive(Default)]
struct Links {
    nodes: BTreeMap<u64, Node>,
    cut: BTreeSet<(u64, u64)>,
    delay: Duration,
}

/// Links between nodes of one process.
#[derive(Clone, Default)]
pub struct MemoryTransport(Arc<Mutex<Links>>);

impl std::fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryTransport")
    }
}

impl MemoryTransport {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transport as the node with this id uses it.
    pub fn at(&self, id: u64) -> Arc<dyn Transport> {
        Arc::new(At { id, links: self.clone() })
    }

    /// Lets the others reach this node, instead of one that had its id before.
    pub fn join(&self, node: &Node) {
        self.links().nodes.insert(node.id(), node.clone());
    }

    /// Nobody reaches the node with this id any more.
    pub fn leave(&self, id: u64) {
        self.links().nodes.remove(&id);
    }

    /// Cuts the link from `from` to `to`, in that direction only: what is sent there is lost, and
    /// the channel with it.
    pub fn cut(&self, from: u64, to: u64) {
        self.links().cut.insert((from, to));
    }

    /// Mends all links.
    pub fn mend(&self) {
        self.links().cut.clear();
    }

    /// Makes every frame take `delay`.
    pub fn delay(&self, delay: Duration) {
        self.links().delay = delay;
    }

    fn arrives(&self) -> Instant {
        Instant::now() + self.links().delay
    }

    fn is_cut(&self, from: u64, to: u64) -> bool {
        self.links().cut.contains(&(from, to))
    }

    fn pipe(&self, from: u64, to: u64) -> (Box<dyn Sender>, Box<dyn Receiver>) {
        let (sender, receiver) = mpsc::channel(FRAMES);
        let way = Way { from, to, links: self.clone() };
        let sender = Sending { way: way.clone(), frames: sender };
        (Box::new(sender), Box::new(Receiving { way, frames: receiver, next: None }))
    }

    async fn open(self, from: u64, to: u64, kind: Kind) -> io::Result<Channel> {
        sleep_until(self.arrives()).await;
        let node = self.links().nodes.get(&to).cloned();
        let node = node.filter(|_| !self.is_cut(from, to)).ok_or_else(broken)?;
        let ((there, theirs), (back, ours)) = (self.pipe(from, to), self.pipe(to, from));
        let end = Channel { sender: back, receiver: theirs };
        tokio::spawn(async move { node.serve(from, kind, end).await });
        Ok(Channel { sender: there, receiver: ours })
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the link is cut")
}

struct At {
    id: u64,
    links: MemoryTransport,
}

impl Transport for At {
    fn open(&self, to: u64, _: &str, kind: Kind) -> BoxFuture<'static, io::Result<Channel>> {
        Box::pin(self.links.clone().open(self.id, to, kind))
    }
}

/// One direction of a channel.
#[derive(Clone)]
struct Way {
    from: u64,
    to: u64,
    links: MemoryTransport,
}

impl Way {
    fn whole(&self) -> io::Result<()> {
        if self.links.is_cut(self.from, self.to) { Err(broken()) } else { Ok(()) }
    }
}

/// A frame, and when it arrives.
type Sent = (Instant, Vec<u8>);

struct Sending {
    way: Way,
    frames: mpsc::Sender<Sent>,
}

impl Sender for Sending {
    fn send(&mut self, frame: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.way.whole()?;
            let arrives = self.way.links.arrives();
            self.frames.send((arrives, frame)).await.map_err(|_| broken())
        })
    }
}

struct Receiving {
    way: Way,
    frames: mpsc::Receiver<Sent>,
    /// Under way.
    next: Option<Sent>,
}

impl Receiver for Receiving {
    fn receive(&mut self) -> BoxFuture<'_, io::Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            if self.next.is_none() {
                self.next = self.frames.recv().await;
            }
            let Some((arrives, _)) = &self.next else { return Ok(None) };
            sleep_until(*arrives).await;
            self.way.whole()?;
            Ok(self.next.take().map(|(_, frame)| frame))
        })
    }
}
