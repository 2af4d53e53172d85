//! The hop between clients and the leader: one channel of the kind that edges use, with a frame for
//! each operation and a frame for each answer.
//!
//! To a node: a number (8 bytes), and the envelope of a proposal, or nothing for a linearizable read
//! of one record. Back: that number, and the outcome or the record's bytes; nothing where the node
//! does not lead. What a proposal costs here is what it costs an actor: the leader proposes it
//! itself.

use super::TENANT;
use crate::Failure;
use claviger_ledger::{Ledger, View};
use claviger_link::{Link, Purpose};
use claviger_raft::{Channel, Node, Receiver, Sender};
use core::iter;
use core::time::Duration;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many frames that are ready go onto the channel at once, as etcd's do onto its connection.
const TOGETHER: usize = 256;

/// The name of the record that is read.
pub(super) const READ: &str = "0/0";

/// Answers clients until they have gone.
pub(super) async fn answer(node: Node, channel: Channel) -> io::Result<()> {
    let Channel { mut sender, mut receiver } = channel;
    let (mut running, mut open) = (FuturesUnordered::new(), true);
    loop {
        tokio::select! {
            biased;
            Some(answer) = running.next() => {
                let others = iter::from_fn(|| running.next().now_or_never().flatten());
                let answers = iter::once(answer).chain(others).take(TOGETHER).collect();
                sender.send_all(answers).await?;
            }
            frame = receiver.receive(), if open => match frame? {
                Some(frame) => running.push(once(&node, frame)),
                None => open = false,
            },
            else => return Ok(()),
        }
    }
}

async fn once(node: &Node, mut frame: Vec<u8>) -> Vec<u8> {
    let body = frame.split_off(size_of::<u64>().min(frame.len()));
    let answer = match body.is_empty() {
        true => read(node).await,
        false => node.propose(body).await.ok(),
    };
    frame.extend(answer.unwrap_or_default());
    frame
}

/// A record's bytes, as new as this moment.
async fn read(node: &Node) -> Option<Vec<u8>> {
    node.confirm().await.ok()?;
    let mut found = None;
    node.read(&mut |rows| found = View::new(rows).connector(TENANT, READ));
    found.map(|record| record.sealed_secret)
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clients' end of one channel to one node.
pub(super) struct Line {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Waiting,
    last: Mutex<u64>,
}

impl Line {
    /// Opens it.
    pub(super) async fn open(link: &Link, node: u64, address: &str) -> Result<Self, Failure> {
        let opened = link.open(node, address, Purpose::Edge).await;
        let Channel { sender, receiver } =
            opened.map_err(Failure::because("a node cannot be reached"))?;
        let (frames, waiting_frames) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        tokio::spawn(send(sender, waiting_frames));
        tokio::spawn(receive(receiver, waiting.clone()));
        Ok(Self { frames, waiting, last: Mutex::default() })
    }

    /// Sends an envelope, or nothing to read, and gives the answer; nothing if there is none.
    pub(super) async fn ask(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        let number = {
            let mut last = lock(&self.last);
            *last += 1;
            *last
        };
        lock(&self.waiting).insert(number, answer);
        self.frames.send([&number.to_be_bytes(), body].concat()).ok()?;
        let answer = timeout(PATIENCE, answered).await.ok()?.ok()?;
        (!answer.is_empty()).then_some(answer)
    }
}

async fn send(mut sender: Box<dyn Sender>, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    loop {
        let mut ready = Vec::new();
        frames.recv_many(&mut ready, TOGETHER).await;
        if ready.is_empty() || sender.send_all(ready).await.is_err() {
            return;
        }
    }
}

async fn receive(mut receiver: Box<dyn Receiver>, waiting: Waiting) {
    while let Ok(Some(mut frame)) = receiver.receive().await {
        let body = frame.split_off(size_of::<u64>().min(frame.len()));
        let number = frame.try_into().map(u64::from_be_bytes).unwrap_or_default();
        if let Some(asked) = lock(&waiting).remove(&number) {
            // Who asked may have gone.
            drop(asked.send(body));
        }
    }
    // Whoever still waits is told by this.
    lock(&waiting).clear();
}
