//! What happens next in a cluster, and what comes of it.

use super::edge::Uplink;
use super::member::{Happened, lock};
use super::operator::Told;
use super::wires::{Place, Said};
use super::{Defect, SERVICE, SimCluster};
use crate::steps::{self, Steps};
use crate::{Datagram, VirtualClock};
use claviger_actors::{CameFrom, Clock, EdgeId};
use claviger_device::{DeviceEvent, DeviceOutput};
use claviger_dtls::HandshakeEvent;
use claviger_edge::Output;
use claviger_front::{FromEdge, ToEdge};
use claviger_ledger::{
    Command, ConfirmOutbox, ConfirmWithdrawal, CredentialId, DeviceRef, Envelope, Ledger, Outcome,
    RequestId, Unavailable, View,
};
use core::future::pending;
use core::net::SocketAddr;
use core::time::Duration;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Between two signs of life of a leader to its edges.
const BEAT: Duration = Duration::from_millis(500);
/// How long the LwM2M server takes to hold a credential.
const SERVER: Duration = Duration::from_millis(5);

impl Steps for SimCluster {
    fn clock(&self) -> VirtualClock {
        self.clock
    }

    fn drain(&mut self) {
        let now = self.clock.now();
        for place in 0..self.edges.len() {
            while let Some(output) = self.edges[place].edge.poll() {
                match output {
                    Output::Datagram { to, bytes } => self.send_to_device(place, to, bytes),
                    Output::Frame(frame) => self.send_to_leader(place, frame),
                    Output::Event(event) => self.edge_event(place, &event),
                }
            }
        }
        let mut outputs = Vec::new();
        for (address, sim) in &mut self.fleet {
            while let Some(output) = sim.device.poll() {
                outputs.push((*address, output));
            }
        }
        for (address, output) in outputs {
            self.device_said(now, address, output);
        }
    }

    fn next_event(&self) -> Option<Duration> {
        let fleet = self.fleet.values().filter_map(|sim| sim.device.next_timeout());
        let edges = self.edges.iter().filter(|host| host.up);
        let edges = edges.filter_map(|host| {
            let due = host.edge.next_timeout().map(|due| host.clock.in_world(due));
            [due, host.next_look()].into_iter().flatten().min()
        });
        let rest = [self.net.next_arrival(), self.wires.next_arrival(), Some(self.next_beat)];
        fleet.chain(edges).chain(rest.into_iter().flatten()).min()
    }

    fn due(&mut self) {
        let now = self.clock.now();
        while let Some((from, to, said)) = self.wires.arrived(now) {
            match to {
                Place::Node(node) => self.at_node(node, from, said),
                Place::Edge(edge) => self.at_edge(edge, from, said),
            }
        }
        while let Some(datagram) = self.net.arrived(now) {
            self.datagram(now, &datagram);
        }
        self.look_at_edges(now);
        for sim in self.fleet.values_mut() {
            if sim.device.next_timeout().is_some_and(|due| due <= now) {
                sim.device.handle_timeout(now);
            }
        }
        if self.next_beat <= now {
            self.next_beat = now + BEAT;
            self.beat();
        }
    }

    async fn hear(&mut self) {
        let Some(first) = self.happened.recv().await else { return pending().await };
        let mut all = vec![first];
        while let Ok(happened) = self.happened.try_recv() {
            all.push(happened);
        }
        // Of operations that wait for the same word, tokio wakes any first.
        all.sort_by_key(Happened::operation);
        all.into_iter().for_each(|happened| self.take(happened));
    }
}

impl SimCluster {
    /// Runs until `done` holds, or the time `limit` has passed; true if it holds.
    pub async fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        steps::run_until(self, limit, done).await
    }

    /// Runs for `time`.
    pub async fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false).await;
    }

    fn look_at_edges(&mut self, now: Duration) {
        let nodes = self.members.len();
        for place in 0..self.edges.len() {
            let host = &mut self.edges[place];
            if !host.up {
                continue;
            }
            let id = host.id;
            if let Some(node) = host.knock(now, nodes) {
                self.wires.send(now, Place::Edge(place), Place::Node(node), Said::Hello(id));
            }
            let own = self.edges[place].now();
            let edge = &mut self.edges[place].edge;
            if edge.next_timeout().is_some_and(|due| due <= own) {
                edge.handle_timeout(own);
            }
        }
    }

    fn beat(&self) {
        for member in self.members.iter().filter(|member| member.runs) {
            let Some(leading) = &member.leading else { continue };
            let (gate, devices) = (leading.gate.clone(), leading.devices.clone());
            actix::spawn(async move {
                if gate.confirm().await.is_ok() {
                    devices.beat();
                }
            });
        }
    }

    fn datagram(&mut self, now: Duration, datagram: &Datagram) {
        if datagram.to != SERVICE {
            if let Some(sim) = self.fleet.get_mut(&datagram.to) {
                sim.device.receive(now, &datagram.bytes);
            }
            return;
        }
        let healthy: Vec<usize> =
            (0..self.edges.len()).filter(|edge| self.edges[*edge].speaks()).collect();
        let Some(place) = self.balance.pick(datagram.from, &healthy, &mut self.rng) else { return };
        let host = &mut self.edges[place];
        let own = host.now();
        host.edge.receive(own, datagram.from, &datagram.bytes);
    }

    fn at_node(&mut self, node: usize, from: Place, said: Said) {
        let now = self.clock.now();
        let Place::Edge(edge) = from else { return };
        let leading = self.members[node].leading.as_ref();
        let answer = match (leading, said) {
            (Some(leading), Said::Hello(id)) => {
                leading.lose(edge, Some(id));
                lock(&leading.edges).insert(id, edge);
                Said::Welcome(leading.term)
            }
            (Some(leading), Said::Frame(id, frame)) if lock(&leading.edges).contains_key(&id) => {
                return leading.devices.frame(EdgeId(id), CameFrom::Elsewhere, frame);
            }
            (_, Said::Hello(_) | Said::Frame(..)) => Said::Standby,
            (_, Said::Welcome(_) | Said::Standby) => return,
        };
        self.wires.send(now, Place::Node(node), from, answer);
    }

    fn at_edge(&mut self, place: usize, from: Place, said: Said) {
        let now = self.clock.now();
        let Place::Node(from) = from else { return };
        if !self.edges[place].up {
            return;
        }
        let (mine, uplink) = (self.edges[place].id, &mut self.edges[place].uplink);
        match (said, &mut *uplink) {
            (Said::Welcome(term), old) => {
                // Who is welcome at two nodes believes the newer one.
                if matches!(old, Uplink::In { term: known, .. } if *known > term) {
                    return;
                }
                *old = Uplink::In { node: from, term, heard: now };
                self.note(&format!("edge {place} is let in by node {from} in term {term}"));
                self.edges[place].edge.greet();
            }
            (Said::Standby, Uplink::In { node, .. }) if *node == from => {
                *uplink = Uplink::Knocking { next: from + 1, at: now };
            }
            (Said::Frame(id, frame), Uplink::In { node, heard, .. })
                if *node == from && id == mine =>
            {
                *heard = now;
                self.frame_at_edge(place, &frame);
            }
            _ => {}
        }
    }

    fn frame_at_edge(&mut self, place: usize, frame: &[u8]) {
        let host = &mut self.edges[place];
        let own = host.now();
        // What is not carried out, the device asks for again.
        let done = host.edge.frame(own, frame);
        let kind = to_edge(frame);
        self.note(&format!("edge {place} {kind} {} {done:?}", frame.len()));
        if done.is_ok()
            && let Ok(ToEdge::Transmit(transmit)) = ToEdge::decode(frame)
        {
            let breach = self.watch.numbers.sealed(place, transmit.session, transmit.sequence);
            self.breach(breach);
        }
    }

    /// Takes what a process has said.
    pub(crate) fn take(&mut self, happened: Happened) {
        if let Some(node) = happened.node().filter(|node| !self.members[*node].runs) {
            // What a dead process has said is lost.
            if !self.members[node].dead {
                self.held.push(happened);
            }
            return;
        }
        match happened {
            Happened::Leadership => self.leadership(),
            Happened::Frame { node, term, edge, frame } => self.frame(node, term, edge, frame),
            Happened::Wake { node, term, device, credential } => {
                self.tell(node, term, device, credential);
            }
            Happened::Answered(answer) => {
                let told = answer.told;
                self.answered(answer.operation, told, answer.outcome);
            }
        }
    }

    pub(crate) fn leadership(&mut self) {
        for place in 0..self.members.len() {
            if !self.members[place].runs {
                continue;
            }
            let before = self.members[place].leading.as_ref().map(|leading| leading.term);
            let begins = self.members[place].follow_leadership(&self.common);
            let after = self.members[place].leading.as_ref().map(|leading| leading.term);
            if before != after {
                self.note(&format!("node {place} leads in {after:?}, not in {before:?}"));
            }
            if begins {
                self.watch.once.another_leads();
                self.tell_all(place);
            }
        }
    }

    /// A frame leaves the actors of a node.
    fn frame(&mut self, node: usize, term: u64, edge: EdgeId, frame: Zeroizing<Vec<u8>>) {
        let now = self.clock.now();
        if let Ok(said) = ToEdge::decode(&frame) {
            let breaches = self.watch.left(&said, &frame);
            for breach in breaches {
                self.breach(Some(format!("node {node} in term {term}: {breach}")));
            }
            if let ToEdge::Opened(opened) = &said {
                let mut kept = false;
                let device =
                    DeviceRef { tenant: opened.tenant.clone(), device: opened.device.clone() };
                let session = claviger_ledger::SessionId(opened.session);
                let ledger: &dyn Ledger = &self.members[node].node;
                // It may have ended since the actors looked: the edge hears of that next.
                ledger.read(&mut |rows| {
                    let view = View::new(rows);
                    kept = view.is_open(&device, session) || view.has_ended(&device, session);
                });
                let breach = self.watch.committed.opened(session, kept);
                self.breach(breach);
            }
        }
        let frame = match &self.forgetful {
            Some(forgetful) => forgetful.down(frame),
            None => frame,
        };
        let leading = self.members[node].leading.as_ref().filter(|leading| leading.term == term);
        // The hub of a leadership that is over has no edges.
        let Some(leading) = leading else { return };
        let edges = lock(&leading.edges).clone();
        let Some(to) = edges.get(&edge.0) else { return };
        if self.config.defect == Defect::SendsToAll {
            for (id, to) in &edges {
                let said = Said::Frame(*id, frame.clone());
                self.wires.send(now, Place::Node(node), Place::Edge(*to), said);
            }
            return;
        }
        self.wires.send(now, Place::Node(node), Place::Edge(*to), Said::Frame(edge.0, frame));
    }

    /// Tells the LwM2M server of everything that the outbox holds.
    fn tell_all(&mut self, node: usize) {
        let mut waiting = Vec::new();
        let ledger: &dyn Ledger = &self.members[node].node;
        ledger.read(&mut |rows| waiting = View::new(rows).outbox());
        let term = self.members[node].leading.as_ref().map_or(0, |leading| leading.term);
        for (device, credential, _) in waiting {
            self.tell(node, term, device, credential);
        }
    }

    fn tell(&mut self, node: usize, term: u64, device: DeviceRef, credential: CredentialId) {
        let Some(leading) = self.members[node].leading.as_ref() else { return };
        if leading.term != term {
            return;
        }
        let (gate, devices) = (leading.gate.clone(), leading.devices.clone());
        let (clock, crypto) = (self.members[node].clock.clone(), self.common.crypto.clone());
        let (server, tells) = (self.server.clone(), self.config.defect != Defect::TellsNobody);
        actix::spawn(async move {
            tokio::time::sleep(SERVER).await;
            let mut item = None;
            gate.read(&mut |rows| item = View::new(rows).outbox_item(&device, credential));
            let Some(item) = item else { return };
            let told = item.withdrawal.is_none();
            if !told {
                lock(&server).remove(&credential);
            } else if tells {
                lock(&server).insert(credential);
            }
            let command: Command = if told {
                ConfirmOutbox { device: device.clone(), credential }.into()
            } else {
                ConfirmWithdrawal { device: device.clone(), credential }.into()
            };
            let time = u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX);
            let envelope = Envelope::new(time, RequestId(crypto.random()), command);
            let mut fate = Err(Unavailable::NoLeader);
            for _ in 0..20 {
                fate = gate.propose(envelope.clone()).await;
                if fate.is_ok() || fate == Err(Unavailable::Stopped) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            if told && fate.is_ok() {
                devices.server_answered(&device, credential, Ok(()));
            }
        });
    }

    /// An operation of the operator has come to its end.
    fn answered(&mut self, operation: usize, told: Option<Told>, outcome: Option<Outcome>) {
        let place = self.place();
        self.operations[operation].answered = told.map(|told| (place, told));
        self.unanswered += usize::from(told.is_none());
        self.note(&format!("operation {operation} {told:?}"));
        if let Some(Outcome::Ended(ended)) = outcome {
            self.watch.revoked.ended(&ended);
            let Some(leader) = self.leader() else { return };
            // An actor that is not told sees it all the same.
            if self.draw(2) == 0
                && let Some(leading) = &self.members[leader].leading
            {
                leading.devices.ended(ended);
            } else {
                self.tell_all(leader);
            }
        }
    }

    pub(crate) fn place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    /// A handshake has come to its end at an edge. Until then the service knows no session: one
    /// whose datagrams go to another edge meanwhile is lost.
    fn edge_event(&mut self, place: usize, event: &HandshakeEvent) {
        if let HandshakeEvent::Established { peer, .. } = event
            && let Some(sim) = self.fleet.get_mut(peer)
        {
            sim.in_session = !sim.closed;
        }
        self.note(&format!("edge {place} {event:?}"));
    }

    fn send_to_leader(&mut self, place: usize, frame: Zeroizing<Vec<u8>>) {
        let host = &self.edges[place];
        if let Uplink::In { node, .. } = host.uplink {
            let kind = from_edge(&frame);
            let frame = match &mut self.forgetful {
                Some(forgetful) => forgetful.up(frame),
                None => frame,
            };
            let said = Said::Frame(host.id, frame);
            self.wires.send(self.clock.now(), Place::Edge(place), Place::Node(node), said);
            self.note(&format!("edge {place} -> node {node} {kind}"));
        }
    }

    fn send_to_device(&mut self, place: usize, to: SocketAddr, bytes: Vec<u8>) {
        if !self.edges[place].speaks() {
            return;
        }
        let line = self.fleet.get(&to).map(|sim| sim.line);
        if let Some(line) = line {
            let breach = self.watch.wire.sent(line, &bytes);
            self.breach(breach);
        }
        match self.losing.checked_sub(1) {
            Some(rest) => self.losing = rest,
            None => self.send(SERVICE, to, bytes),
        }
    }

    fn device_said(&mut self, now: Duration, address: SocketAddr, output: DeviceOutput) {
        match output {
            DeviceOutput::Datagram(bytes) => {
                if self.recorded.len() < 256 {
                    self.recorded.push(bytes.clone());
                }
                self.send(address, SERVICE, bytes);
            }
            DeviceOutput::Event(event) => {
                if let DeviceEvent::Handshake { resumed, .. } = event {
                    self.handshake(address, resumed);
                }
                self.note(&format!("{address} {event:?}"));
            }
            DeviceOutput::Bootstrapped(account) => {
                self.note(&format!("{address} bootstrapped"));
                let Some(sim) = self.fleet.get_mut(&address) else { return };
                self.watch.durable.took(&sim.name, &account);
                let breach = self.watch.once.was_given(sim.line, &account.identity);
                sim.account = Some(account);
                self.breach(breach);
            }
            DeviceOutput::Failed(failure) => {
                self.note(&format!("{address} failed: {failure:?}"));
                self.fleet.entry(address).and_modify(|sim| sim.failure = Some(failure));
            }
        }
        debug_assert_eq!(now, self.clock.now(), "nothing here takes virtual time");
    }

    /// A device has made a handshake. What resumes a session of an earlier incarnation is gone.
    fn handshake(&mut self, address: SocketAddr, resumed: bool) {
        let Some(sim) = self.fleet.get_mut(&address) else { return };
        sim.handshakes += 1;
        sim.opened_in = self.incarnation;
        let before = self.resumable.get(&sim.name).is_some_and(|it| *it < self.incarnation);
        let breach = "a session of an earlier incarnation is resumed";
        self.breach((resumed && before).then(|| breach.to_owned()));
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let [a, b, c, d, ..] = digest;
        let length = bytes.len();
        self.note(&format!("{from} -> {to} {length} bytes {a:02x}{b:02x}{c:02x}{d:02x}"));
        self.net.send(self.clock.now(), Datagram { from, to, bytes });
    }

    /// Sends a datagram to the service from this address, as a stranger does.
    pub fn forge(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.send(from, SERVICE, bytes);
    }
}

/// What kind of frame it is.
fn from_edge(frame: &[u8]) -> &'static str {
    match FromEdge::decode(frame) {
        Ok(FromEdge::Open(_)) => "Open",
        Ok(FromEdge::Deliver(_)) => "Deliver",
        Ok(FromEdge::Repeat(_)) => "Repeat",
        Ok(FromEdge::Sign(_)) => "Sign",
        Ok(FromEdge::Resume(_)) => "Resume",
        Ok(FromEdge::Find(_)) => "Find",
        Ok(FromEdge::Listen(_)) => "Listen",
        Err(_) => "unreadable",
    }
}

/// What kind of frame it is.
fn to_edge(frame: &[u8]) -> &'static str {
    match ToEdge::decode(frame) {
        Ok(ToEdge::Opened(_)) => "Opened",
        Ok(ToEdge::Refused(_)) => "Refused",
        Ok(ToEdge::Transmit(_)) => "Transmit",
        Ok(ToEdge::Close(_)) => "Close",
        Ok(ToEdge::Signed(_)) => "Signed",
        Ok(ToEdge::Present(_)) => "Present",
        Ok(ToEdge::Accepted(_)) => "Accepted",
        Ok(ToEdge::NotResumed(_)) => "NotResumed",
        Ok(ToEdge::Continue(_)) => "Continue",
        Ok(ToEdge::Unknown(_)) => "Unknown",
        Ok(ToEdge::Keys(_)) => "Keys",
        Ok(ToEdge::Beat(_)) => "Beat",
        Ok(ToEdge::Hold(_)) => "Hold",
        Err(_) => "unreadable",
    }
}
