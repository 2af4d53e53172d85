//! What goes wrong in a cluster.

use super::edge::Uplink;
use super::member::Member;
use super::wires::Place;
use super::{Balance, SimCluster};
use crate::Faults;
use claviger_actors::Clock;
use core::time::Duration;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A node hears another one no more.
    OneWay(usize, usize),
    /// A node and the others hear each other no more; edges still reach it.
    Isolated(usize),
    /// An edge and a node hear each other no more.
    Unplugged(usize, usize),
    /// All links between nodes are slow.
    Slow,
    /// A node dies with the power of its disk, and begins anew when all is healed.
    Dies(usize),
    /// A node is stopped in good order, and begins anew when all is healed.
    Stops(usize),
    /// All nodes and edges lose their power at once.
    PowerCut,
    /// All nodes are stopped in good order.
    AllStop,
    /// A process of a node does not run for a while, and does not notice.
    Stopped(usize),
    /// An edge's process dies, and begins anew when all is healed.
    EdgeDies(usize),
    /// The load balancer sends all flows elsewhere.
    Rehash,
    /// The load balancer sends each datagram where it likes.
    Spread,
    /// The clock of a node's machine is set, by this many seconds.
    NodeClock(usize, i64),
    /// The clock of an edge's machine is set.
    EdgeClock(usize, i64),
    /// A node's disk is full.
    Full(usize),
    /// The network between devices and edges loses and doubles.
    Lossy,
}

impl SimCluster {
    /// A fault by the seed.
    pub fn draw_fault(&mut self) -> Fault {
        let (nodes, edges) = (self.members.len() as u64, self.edges.len() as u64);
        let mut place = |bound: u64| usize::try_from(self.draw(bound)).unwrap_or(0);
        let (node, other, edge) = (place(nodes), place(nodes), place(edges));
        // Where something goes wrong, it is mostly the leader.
        let leader = self.leader().filter(|_| self.draw(2) == 0).unwrap_or(node);
        let seconds = i64::try_from(self.draw(61)).unwrap_or(0) - 30;
        match self.draw(16) {
            0 | 1 => Fault::OneWay(leader, other),
            2 | 3 => Fault::Isolated(leader),
            4 => Fault::Unplugged(edge, leader),
            5 => Fault::Slow,
            6 => Fault::Stopped(leader),
            7 => Fault::Dies(leader),
            8 => Fault::EdgeDies(edge),
            9 => Fault::Rehash,
            10 => Fault::Spread,
            11 => Fault::NodeClock(leader, seconds),
            12 => Fault::EdgeClock(edge, seconds),
            13 => Fault::Stops(leader),
            14 if self.draw(2) == 0 => Fault::PowerCut,
            14 => Fault::AllStop,
            _ if self.draw(2) == 0 => Fault::Full(leader),
            _ => Fault::Lossy,
        }
    }

    /// Something goes wrong.
    pub fn strike(&mut self, fault: Fault) {
        self.note(&format!("fault {fault:?}"));
        match fault {
            Fault::OneWay(from, to) => self.transport.cut(self.id(from), self.id(to)),
            Fault::Isolated(node) => self.isolate(node),
            Fault::Unplugged(edge, node) => {
                self.wires.cut(Place::Edge(edge), Place::Node(node));
                self.wires.cut(Place::Node(node), Place::Edge(edge));
            }
            Fault::Slow => self.transport.delay(Duration::from_millis(60)),
            Fault::Stopped(node) if self.members[node].dead => {}
            Fault::Dies(node) => self.lose_node(node, true),
            Fault::Stops(node) => self.lose_node(node, false),
            Fault::AllStop => (0..self.members.len()).for_each(|node| self.lose_node(node, false)),
            Fault::PowerCut => {
                (0..self.members.len()).for_each(|node| self.lose_node(node, true));
                (0..self.edges.len()).for_each(|edge| self.lose_edge(edge));
            }
            Fault::Stopped(node) => {
                self.isolate(node);
                self.members[node].runs = false;
                self.wires.stop(Place::Node(node));
                self.doors[node].stop(true);
                if let Some(leading) = &self.members[node].leading {
                    leading.gate.stop(true);
                }
            }
            Fault::EdgeDies(edge) => self.lose_edge(edge),
            Fault::Rehash => self.balance = Balance::Hash(self.draw(u64::MAX)),
            Fault::Spread => self.balance = Balance::Spread,
            Fault::NodeClock(node, seconds) => self.members[node].clock.set(seconds * 1000),
            Fault::EdgeClock(edge, seconds) => self.edges[edge].clock.set(seconds * 1000),
            Fault::Full(node) => {
                self.members[node].fill(true);
                self.doors[node].fill(true);
            }
            Fault::Lossy => self.net.set(Faults { lose: 15, double: 10 }),
        }
    }

    fn id(&self, node: usize) -> u64 {
        self.members[node].node.id()
    }

    /// There is no process of this node any more; `power` says whether its disk lost that too.
    pub(crate) fn lose_node(&mut self, node: usize, power: bool) {
        if self.members[node].dead {
            return;
        }
        self.transport.leave(self.id(node));
        self.wires.lose(Place::Node(node));
        self.doors[node].close();
        self.members[node].end(power);
    }

    pub(crate) fn lose_edge(&mut self, edge: usize) {
        self.wires.lose(Place::Edge(edge));
        self.edges[edge].up = false;
        let leading = self.members.iter().filter_map(|member| member.leading.as_ref());
        leading.for_each(|leading| leading.lose(edge, None));
    }

    fn isolate(&mut self, node: usize) {
        for other in (0..self.members.len()).filter(|other| *other != node) {
            self.transport.cut(self.id(node), self.id(other));
            self.transport.cut(self.id(other), self.id(node));
        }
    }

    /// All is well again; clocks stay as they were set.
    pub async fn heal(&mut self) {
        self.note("healed");
        let now = self.clock.now();
        self.transport.mend();
        self.transport.delay(Duration::from_millis(1));
        self.wires.mend();
        // No two edges share a handshake: one whose flights are spread may never end.
        if self.balance == Balance::Spread {
            self.balance = Balance::Hash(self.draw(u64::MAX));
        }
        self.net.set(Faults::default());
        for node in 0..self.members.len() {
            if self.members[node].dead {
                self.begin_anew(node).await;
            }
            if self.members[node].dead {
                continue;
            }
            self.members[node].fill(false);
            self.doors[node].fill(false);
            if self.members[node].runs {
                continue;
            }
            self.members[node].runs = true;
            self.doors[node].stop(false);
            self.wires.go_on(now, Place::Node(node));
            if let Some(leading) = &self.members[node].leading {
                leading.gate.stop(false);
            }
        }
        let crypto = self.common.crypto.clone();
        for host in self.edges.iter_mut().filter(|host| !host.up) {
            host.restart(&crypto, super::TENANT);
        }
        // What a process had said when it was stopped leaves it now, before it looks around.
        for happened in core::mem::take(&mut self.held) {
            self.take(happened);
        }
        self.leadership();
    }

    /// A node that has died begins anew with what is on its disk.
    async fn begin_anew(&mut self, node: usize) {
        let (id, member) = (self.id(node), &self.members[node]);
        let (disk, clock) = (member.disk.clone(), member.clock.clone());
        clock.restart();
        // Its folder is free when its process has ended.
        member.node.shutdown().await;
        let opened = match super::open(&disk, id, self.config.apply, &self.transport).await {
            Ok(opened) => opened,
            Err(error) => {
                return self.breach(Some(format!("node {node} does not begin anew: {error}")));
            }
        };
        self.members[node] = Member::new(node, opened, disk, clock, &self.common);
        self.doors[node] = self.door(node);
        self.held.retain(|it| it.node() != Some(node));
        self.note(&format!("node {node} begins anew"));
    }

    /// Whether every edge has a leader.
    pub fn is_linked(&self) -> bool {
        let leader = self.leader();
        let linked =
            |uplink: &Uplink| matches!(uplink, Uplink::In { node, .. } if Some(*node) == leader);
        leader.is_some() && self.edges.iter().all(|host| linked(&host.uplink))
    }
}
