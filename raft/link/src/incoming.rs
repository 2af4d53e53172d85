//! What other nodes open here: connections are admitted, and each stream on them is a channel.

use crate::counters::{Counters, Refusal, one};
use crate::guests::{Guest, Guests};
use crate::identity::{Identity, Role};
use crate::link::Admits;
use crate::stream::{self, Purpose};
use crate::tls::{self, Believed};
use claviger_raft::{Channel, Node};
use quinn::{Connection, Endpoint, VarInt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How many channels wait to be taken before those who open more wait themselves.
const WAITING: usize = 256;

/// How many connections a node of a role may have, and how many channels on each. A stranger has
/// one.
const fn most(role: Role) -> (usize, u32) {
    match role {
        Role::Ledger => (16, 1024),
        Role::Edge => (8, 64),
    }
}

/// How many connections of nodes there may be, and of strangers.
const CONNECTIONS: usize = 4096;
const STRANGERS: usize = 256;

/// How many handshakes may be under way: from where nodes have come before, and from elsewhere. So
/// nobody else keeps a node out.
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
pub(crate) const NOT_ADMITTED: VarInt = VarInt::from_u32(1);

/// Who opened a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A node of this cluster, and SHA-256 of the key that it showed.
    Node(Identity, [u8; 32]),
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

    /// Lets `node` answer what other nodes of the ledger open, and gives `others` the rest, until
    /// the link is closed.
    pub async fn serve(mut self, node: Node, others: impl Fn(Incoming) + Send) {
        while let Some(incoming) = self.next().await {
            match (incoming.peer, incoming.purpose.kind()) {
                (Peer::Node(peer, _), Some(kind)) => {
                    let node = node.clone();
                    tokio::spawn(
                        async move { node.serve(peer.node, kind, incoming.channel).await },
                    );
                }
                _ => others(incoming),
            }
        }
    }
}

/// What admission needs.
#[derive(Clone)]
struct Door {
    cluster: [u8; 16],
    admits: Admits,
    believed: Arc<Believed>,
    counters: Arc<Counters>,
    incoming: mpsc::Sender<Incoming>,
    guests: Arc<Guests>,
}

/// Admits who comes, until the endpoint is closed.
pub(crate) fn receive(
    endpoint: Endpoint,
    cluster: [u8; 16],
    admits: Admits,
    believed: Arc<Believed>,
    counters: Arc<Counters>,
) -> Incomings {
    let (incoming, incomings) = mpsc::channel(WAITING);
    let guests = Arc::new(Guests::new(CONNECTIONS, STRANGERS, HANDSHAKES));
    tokio::spawn(accept(endpoint, Door { cluster, admits, believed, counters, incoming, guests }));
    Incomings(incomings)
}

async fn accept(endpoint: Endpoint, door: Door) {
    let begun = Instant::now();
    while let Some(coming) = endpoint.accept().await {
        let from = coming.remote_address().ip();
        let busy = door.guests.under_way(from) > UNPROVEN;
        if busy && !coming.remote_address_validated() && coming.may_retry() {
            // It comes again, with a proof.
            drop(coming.retry());
            continue;
        }
        let Some(guest) = door.guests.enter(from, begun.elapsed()) else {
            one(door.counters.refused(Refusal::Limit));
            coming.ignore();
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move { door.welcome(coming, guest).await });
    }
}

impl Door {
    async fn welcome(&self, coming: quinn::Incoming, guest: Guest) {
        let from = coming.remote_address();
        let connecting = match coming.accept() {
            Ok(connecting) => timeout(PATIENCE, connecting).await,
            Err(error) => Ok(Err(error)),
        };
        let connection = match connecting {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return self.refuse(Refusal::Handshake, from, &error),
            Err(late) => return self.refuse(Refusal::Handshake, from, &late),
        };
        one(&self.counters.connected);
        let words = self.serve(&connection, from, guest).await;
        connection.close(NOT_ADMITTED, words.as_bytes());
    }

    fn refuse(&self, why: Refusal, from: SocketAddr, error: &dyn std::fmt::Display) {
        one(self.counters.refused(why));
        tracing::debug!(%from, %error, "a connection of another node is refused");
    }

    /// Takes what is opened on a connection as long as its peer may stay; says why it may not.
    async fn serve(&self, connection: &Connection, from: SocketAddr, guest: Guest) -> &'static str {
        let (peer, stays) = match tls::peer(connection, self.cluster) {
            Ok(Some(shown)) => {
                let (_, channels) = most(shown.identity.role);
                connection.set_max_concurrent_bi_streams(channels.into());
                (Peer::Node(shown.identity, shown.key_hash), until(shown.expires))
            }
            Ok(None) => (Peer::Stranger, STRANGER),
            Err(tls::WrongPeer) => {
                let words = "your certificate is of another cluster, or of no node";
                self.refuse(Refusal::Identity, from, &words);
                return words;
            }
        };
        let known = match peer {
            Peer::Node(identity, _) => guest.into_node(identity.node, most(identity.role).0),
            Peer::Stranger => guest.into_stranger(),
        };
        let Some(_stay) = known else {
            let words = "there are too many connections of yours";
            self.refuse(Refusal::Limit, from, &words);
            return words;
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
            () = self.believed.end(connection) => {
                let words = "your certificate is of an authority that is believed no more";
                self.refuse(Refusal::Identity, from, &words);
                words
            }
        }
    }

    /// Ends when a node is not admitted any more.
    async fn dismissed(&self, peer: Peer) {
        match peer {
            Peer::Node(identity, _) => {
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
            (Peer::Node(identity, _), _) if !(self.admits)(&identity) => false,
            (Peer::Node(..), Purpose::Join | Purpose::Edge) => true,
            (Peer::Node(identity, _), _) => identity.role == Role::Ledger,
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
        let channel = stream::channel(purpose, (send, receive), limit, &self.counters, None);
        // The link is being closed if nobody takes it.
        drop(self.incoming.send(Incoming { peer, from, purpose, channel }).await);
    }
}

/// How long it is until a time since the Unix epoch.
pub(crate) fn until(expires: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    expires.saturating_sub(now)
}
