//! This node's link to the others: as whom it comes, whom it lets in, and who takes what comes.

use super::hub::Hub;
use super::operator::Operator;
use super::uplink::Reach;
use claviger_actors::Clock;
use claviger_front::{Ask, Believed, Certificate, Peer, Told};
use claviger_ledger::{NodeRole, View};
use claviger_link::{
    Answer, Authorities, FreshKey, Identity, Incoming, Incomings, Link, Member, Peer as From,
    Purpose, Refusal, Registrar, Request,
};
use claviger_raft::{Channel, Kind, Node, Transport};
use core::time::Duration;
use futures::future::BoxFuture;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

/// How often the members are looked at, which change seldom.
const LOOK: Duration = Duration::from_secs(1);
/// The pause before what did not succeed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a node that joins may take to become a member.
const MEMBERSHIP: Duration = Duration::from_secs(15);

/// A link that comes to be after the node that uses it: what a node of the ledger shows of itself
/// lies in the ledger.
#[derive(Clone, Default)]
pub struct Late(Arc<OnceLock<Link>>);

impl Late {
    /// The link is there from now on.
    pub fn set(&self, link: Link) {
        // Only its maker sets it.
        let _ = self.0.set(link);
    }

    /// The link, once it is there.
    pub fn get(&self) -> Option<&Link> {
        self.0.get()
    }

    fn open(
        &self,
        to: u64,
        address: &str,
        purpose: Purpose,
    ) -> BoxFuture<'static, io::Result<Channel>> {
        let (link, address) = (self.0.get().cloned(), address.to_owned());
        Box::pin(async move {
            let none = || io::Error::new(io::ErrorKind::NotConnected, "this node has no link yet");
            link.ok_or_else(none)?.open(to, &address, purpose).await
        })
    }
}

impl Transport for Late {
    fn open(&self, to: u64, address: &str, kind: Kind) -> BoxFuture<'static, io::Result<Channel>> {
        Self::open(self, to, address, kind.into())
    }
}

impl Reach for Late {
    fn open(&self, node: &Peer) -> BoxFuture<'static, io::Result<Channel>> {
        Self::open(self, node.id, &node.address, Purpose::Edge)
    }
}

/// Whether the ledger has not dismissed a node.
pub fn admits(ledger: &Arc<Node>) -> claviger_link::Admits {
    let ledger = Arc::downgrade(ledger);
    Arc::new(move |identity: &Identity| {
        let Some(ledger) = ledger.upgrade() else { return false };
        let mut dismissed = false;
        ledger.read(&mut |rows| {
            dismissed = View::new(rows).node(identity.node).is_some_and(|node| node.dismissed);
        });
        !dismissed
    })
}

/// Keeps `known` the members of the ledger's group, until the task is ended.
pub async fn follow_members(ledger: Arc<Node>, known: watch::Sender<Vec<Peer>>) {
    let mut look = interval(LOOK);
    loop {
        look.tick().await;
        let members = ledger.status().members.into_iter();
        let mut members: Vec<_> =
            members.map(|member| Peer { id: member.id, address: member.address }).collect();
        members.sort();
        known.send_if_modified(|known| {
            let changed = *known != members;
            *known = members;
            changed
        });
    }
}

/// Takes what other nodes open at a node of the ledger.
pub struct Door {
    /// The node.
    pub node: Arc<Node>,
    /// Where edges sit.
    pub hub: Arc<Hub>,
    /// Who lets nodes in.
    pub registrar: Arc<Registrar>,
    /// By whom the leader is asked to make members of them.
    pub operator: Arc<dyn Operator>,
    /// The nodes of the ledger.
    pub nodes: watch::Receiver<Vec<Peer>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Door {
    /// Serves until the link is closed.
    pub async fn serve(self, mut incomings: Incomings) {
        let door = Arc::new(self);
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                incoming = incomings.next() => match incoming {
                    Some(incoming) => drop(served.spawn(door.clone().take(incoming))),
                    None => return,
                },
                Some(_) = served.join_next() => {}
            }
        }
    }

    async fn take(self: Arc<Self>, incoming: Incoming) {
        let Incoming { peer, purpose, channel, from } = incoming;
        if purpose == Purpose::Join {
            let answered =
                claviger_link::answer(channel, async |request| self.decide(peer, request).await);
            if let Err(error) = answered.await {
                tracing::debug!(%from, %error, "a node that wanted a certificate went away");
            }
            return;
        }
        // Others than nodes open nothing else.
        let From::Node(identity, _) = peer else { return };
        match purpose.kind() {
            Some(kind) => self.node.serve(identity.node, kind, channel).await,
            None => {
                let edge = Peer { id: identity.node, address: from.to_string() };
                let served = self.hub.clone().serve(edge, channel, self.nodes.clone()).await;
                if let Err(error) = served {
                    tracing::debug!(%from, %error, "the stream of an edge broke");
                }
            }
        }
    }

    /// Grants a certificate, and makes a node of the ledger a member where others reach it.
    async fn decide(&self, peer: From, request: Request) -> Answer {
        let (node, address) = (request.node, request.address.clone());
        let known = self.nodes.borrow().clone();
        let member = |Peer { id, address }| Member { id, address };
        let members = known.into_iter().map(member).collect();
        let answer = self.registrar.decide(peer, &request, members, self.clock.now()).await;
        if let Answer::Refused(words) = &answer {
            tracing::warn!(node = format_args!("{node:016x}"), words, "a node is refused");
            return answer;
        }
        let mut role = None;
        self.node.read(&mut |rows| role = View::new(rows).node(node).map(|node| node.role));
        let (Some(NodeRole::Ledger), Some(address)) = (role, address) else { return answer };
        match timeout(MEMBERSHIP, enter(&*self.operator, node, &address)).await {
            Ok(Ok(())) => answer,
            Ok(Err(words)) => Answer::Refused(words),
            Err(_) => Answer::Refused("the leader does not answer; try again".to_owned()),
        }
    }
}

/// Makes a node a member, or changes where others reach it.
///
/// # Errors
/// Why not, in words.
pub async fn enter(operator: &dyn Operator, node: u64, address: &str) -> Result<(), String> {
    loop {
        let ask = Ask::Join { node, address: address.to_owned() };
        match operator.ask(ask).await {
            Ok(Told::Refused { words, later: false }) => return Err(words),
            Ok(Told::Done | Told::Edges { .. } | Told::Attempts { .. }) => return Ok(()),
            Ok(Told::Refused { later: true, .. }) | Err(_) => sleep(AGAIN / 4).await,
        }
    }
}

/// Sees to it that the others know where to reach this node, once it is a member.
pub async fn keep_address(node: Arc<Node>, operator: Arc<dyn Operator>, address: String) {
    loop {
        let known = node.status().members.into_iter().find(|member| member.id == node.id());
        match known {
            Some(known) if known.address == address => return,
            Some(_) => {
                if let Err(words) = enter(&*operator, node.id(), &address).await {
                    tracing::warn!(words, "the others do not know where to reach this node");
                }
            }
            // It has not heard of its joining yet.
            None => {}
        }
        sleep(AGAIN).await;
    }
}

/// Believes the authorities that the ledger names, and where this node leads ends the trust in one
/// that was replaced; until the task is ended.
pub async fn follow_authority(
    link: Link,
    node: Arc<Node>,
    registrar: Arc<Registrar>,
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
) {
    let (mut look, mut known) = (interval(LOOK), None);
    loop {
        look.tick().await;
        let Some(now) = registrar.believed() else { continue };
        if known.as_ref() != Some(&now) {
            match link.believe(now.clone()) {
                Ok(()) => {
                    hub.believe(told(&now));
                    known = Some(now);
                }
                Err(error) => {
                    tracing::warn!(%error, "the cluster's authorities are not believed yet")
                }
            }
        }
        let leads = node.standing().leader == Some(node.id());
        if leads && let Err(error) = registrar.retire(clock.now()).await {
            tracing::debug!(%error, "the authority before is not retired yet");
        }
    }
}

/// Authorities, as edges are told of them.
pub(super) fn told(authorities: &Authorities) -> Believed {
    let all = |all: &[Vec<u8>]| all.iter().cloned().map(Certificate).collect();
    Believed { authorities: all(&authorities.believed), bridge: all(&authorities.bridge) }
}

/// Shows a new certificate at half of the old one's time, and when the cluster's authority is another
/// one, until the task is ended. A node of the ledger makes its own; its file is `path`.
pub async fn renew_own(
    link: Link,
    registrar: Arc<Registrar>,
    path: PathBuf,
    mut renews: Duration,
    clock: Arc<dyn Clock>,
) {
    loop {
        let is_of_newest = || registrar.believed().is_none_or(|it| link.is_of_newest(&it));
        while clock.now() < renews && is_of_newest() {
            sleep(LOOK.min(renews.saturating_sub(clock.now()))).await;
        }
        let made = async {
            let key = FreshKey::generate().map_err(|error| error.to_string())?;
            let node = link.identity().node;
            let made = registrar.certify(node, &key, clock.now()).await;
            let credential = made.map_err(|error| error.to_string())?;
            credential.keep(&path).map_err(|error| error.to_string())?;
            link.show(&credential).map_err(|error| error.to_string())?;
            Ok::<_, String>(credential.renews())
        };
        match made.await {
            Ok(next) => {
                tracing::info!("this node shows a new certificate");
                renews = next;
            }
            Err(error) => {
                tracing::warn!(error, "this node's certificate is not renewed yet");
                sleep(Duration::from_secs(60)).await;
            }
        }
    }
}

/// How the node of the ledger with this id comes back, behind "say".
pub fn way_back(id: u64) -> String {
    format!(
        "`claviger cluster readmit {id:016x}` to a node that runs, put the token that it prints into a \
         file, name that in cluster.token_file and the node in cluster.join, and start this one again"
    )
}

/// How long nobody may believe this node, nor it anybody, before that is said.
const DISBELIEF: Duration = Duration::from_secs(10);

/// Says what to do when the others and this node do not believe each other, as after the authority was
/// replaced while it was off: it cannot find out by itself, since whoever it asks could be anybody.
pub async fn notice_disbelief(link: Link, node: Arc<Node>, waits: watch::Sender<Option<String>>) {
    let refused = || link.counters().refused(Refusal::Disbelief).load(Ordering::Relaxed);
    let (mut since, mut before, mut said) = (Instant::now(), refused(), false);
    loop {
        sleep(LOOK).await;
        // Who leads may have nobody else to reach. Whoever follows knows a leader also when that is gone.
        let alone = node.leadership().borrow().leading.is_none() && link.peers().is_empty();
        if !alone {
            (since, before) = (Instant::now(), refused());
            if core::mem::take(&mut said) {
                waits.send_replace(None);
            }
        } else if !said && since.elapsed() >= DISBELIEF && refused() > before + 1 {
            let words = format!(
                "the other nodes and this one do not believe each other's certificates: the cluster's \
                 authority may have been replaced while this node was off. Say {}",
                way_back(node.id())
            );
            tracing::error!("{words}");
            waits.send_replace(Some(words));
            said = true;
        }
    }
}
