//! What other nodes open here: connections are admitted, and each stream on them is a channel.

use crate::counters::{Counters, Refusal, one};
use crate::gate::Gate;
use crate::identity::{Identity, Role};
use crate::link::Admits;
use crate::stream::{self, Purpose};
use crate::tls;
use claviger_raft::Channel;
use quinn::{Connection, Endpoint, VarInt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

/// How many channels wait to be taken before those who open more wait themselves.
const WAITING: usize = 256;

/// How many channels a node may have open at a time. A stranger has one.
const CHANNELS: u32 = 1024;

/// How many connections there may be, and of these how many whose handshake is under way.
const CONNECTIONS: usize = 4096;
const HANDSHAKES: usize = 64;

/// From how many handshakes at a time on one must show that it has its address.
const UNPROVEN: usize = 16;

/// How long a handshake may take, and the first byte of a channel.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a stranger may stay.
const STRANGER: Duration = Duration::from_secs(20);

/// How often it is looked whether a node that is connected was dismissed.
const LOOK: Duration = Duration::from_secs(1);

/// Why a connection is closed.
pub(crate) const DONE: VarInt = VarInt::from_u32(0);
const NOT_ADMITTED: VarInt = VarInt::from_u32(1);

/// Who opened a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A node of this cluster.
    Node(Identity),
    /// Somebody without a certificate; it may only ask for one.
    Stranger,
}

/// A channel that a peer opened.
#[derive(Debug)]
pub struct Incoming {
    /// Who opened it.
    pub peer: Peer,
    /// From where.
    pub from: SocketAddr,
    /// What for; the peer's role allows it.
    pub purpose: Purpose,
    /// Its other end.
    pub channel: Channel,
}

/// What peers open, in the order of its coming.
#[derive(Debug)]
pub struct Incomings(mpsc::Receiver<Incoming>);

impl Incomings {
    /// The next; nothing when the link is closed.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.0.recv().await
    }
}

/// What admission needs.
#[derive(Clone)]
struct Door {
    cluster: [u8; 16],
    admits: Admits,
    counters: Arc<Counters>,
    incoming: mpsc::Sender<Incoming>,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

/// Admits who comes, until the endpoint is closed.
pub(crate) fn receive(
    endpoint: Endpoint,
    cluster: [u8; 16],
    admits: Admits,
    counters: Arc<Counters>,
) -> Incomings {
    let (incoming, incomings) = mpsc::channel(WAITING);
    let (connections, handshakes) = (Semaphore::new(CONNECTIONS), Semaphore::new(HANDSHAKES));
    let (connections, handshakes) = (Arc::new(connections), Arc::new(handshakes));
    let door = Door { cluster, admits, counters, incoming, connections, handshakes };
    tokio::spawn(accept(endpoint, door));
    Incomings(incomings)
}

async fn accept(endpoint: Endpoint, door: Door) {
    let (mut gate, begun) = (Gate::default(), Instant::now());
    while let Some(coming) = endpoint.accept().await {
        let unproven = HANDSHAKES - door.handshakes.available_permits() > UNPROVEN;
        if unproven && !coming.remote_address_validated() && coming.may_retry() {
            // It comes again, with a proof.
            drop(coming.retry());
            continue;
        }
        let connection = door.connections.clone().try_acquire_owned();
        let handshake = door.handshakes.clone().try_acquire_owned();
        let admits = gate.admits(coming.remote_address().ip(), begun.elapsed());
        let (Ok(connection), Ok(handshake), true) = (connection, handshake, admits) else {
            one(door.counters.refused(Refusal::Limit));
            coming.ignore();
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move {
            door.welcome(coming, handshake).await;
            drop(connection);
        });
    }
}

impl Door {
    async fn welcome(&self, coming: quinn::Incoming, handshake: tokio::sync::OwnedSemaphorePermit) {
        let from = coming.remote_address();
        let connecting = match coming.accept() {
            Ok(connecting) => timeout(PATIENCE, connecting).await,
            Err(error) => Ok(Err(error)),
        };
        drop(handshake);
        let connection = match connecting {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return self.refuse(Refusal::Handshake, from, &error),
            Err(late) => return self.refuse(Refusal::Handshake, from, &late),
        };
        one(&self.counters.connected);
        let words = self.serve(&connection, from).await;
        connection.close(NOT_ADMITTED, words.as_bytes());
    }

    fn refuse(&self, why: Refusal, from: SocketAddr, error: &dyn std::fmt::Display) {
        one(self.counters.refused(why));
        tracing::debug!(%from, %error, "a connection of another node is refused");
    }

    /// Takes what is opened on a connection as long as its peer may stay; says why it may not.
    async fn serve(&self, connection: &Connection, from: SocketAddr) -> &'static str {
        let (peer, stays) = match tls::peer(connection, self.cluster) {
            Ok(Some((identity, expires))) => {
                connection.set_max_concurrent_bi_streams(CHANNELS.into());
                (Peer::Node(identity), until(expires))
            }
            Ok(None) => (Peer::Stranger, STRANGER),
            Err(tls::WrongPeer) => {
                let words = "your certificate is of another cluster, or of no node";
                self.refuse(Refusal::Identity, from, &words);
                return words;
            }
        };
        let served = async {
            while let Ok(stream) = connection.accept_bi().await {
                tokio::spawn(self.clone().begin(peer, connection.remote_address(), stream));
            }
        };
        tokio::select! {
            () = served => "",
            // A connection does not outlive the certificate that it was made with.
            () = sleep(stays) => "your time is over: connect again",
            () = self.dismissed(peer) => "you were dismissed",
        }
    }

    /// Ends when a node is not admitted any more.
    async fn dismissed(&self, peer: Peer) {
        match peer {
            Peer::Node(identity) => {
                while (self.admits)(&identity) {
                    sleep(LOOK).await;
                }
            }
            Peer::Stranger => std::future::pending().await,
        }
    }

    /// Whether a peer may open a channel for this.
    fn may(&self, peer: Peer, purpose: Purpose) -> bool {
        match (peer, purpose) {
            (Peer::Stranger, purpose) => purpose == Purpose::Join,
            (Peer::Node(identity), _) if !(self.admits)(&identity) => false,
            (Peer::Node(_), Purpose::Join | Purpose::Edge) => true,
            (Peer::Node(identity), _) => identity.role == Role::Ledger,
        }
    }

    async fn begin(
        self,
        peer: Peer,
        from: SocketAddr,
        (send, mut receive): (quinn::SendStream, quinn::RecvStream),
    ) {
        let mut first = [0];
        let read = timeout(PATIENCE, receive.read_exact(&mut first)).await;
        let purpose = read.ok().and_then(Result::ok).and_then(|()| Purpose::of(first[0]));
        let Some(purpose) = purpose.filter(|purpose| self.may(peer, *purpose)) else {
            tracing::debug!(?peer, "a channel that its peer may not open");
            return;
        };
        let limit = stream::limit(purpose);
        let channel = stream::channel(purpose, (send, receive), limit, &self.counters);
        // The link is being closed if nobody takes it.
        drop(self.incoming.send(Incoming { peer, from, purpose, channel }).await);
    }
}

/// How long it is until a time since the Unix epoch.
fn until(expires: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    expires.saturating_sub(now)
}
