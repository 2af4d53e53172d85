//! The region: which device's actor is awake, and what wakes one.
//!
//! It hands frames to actors and waits for none of them. An actor that wants to sleep is drained
//! first: what comes meanwhile is parked, and wakes it again if it has gone.

mod edges;
mod opens;
mod resting;
mod reviving;

use crate::actor::{DeviceActor, ToActor};
use crate::calls::Calls;
use crate::conversation::Numbers;
use crate::counters::count;
use crate::edge_keys::EdgeKeys;
use crate::identity::Identities;
use crate::opening::{self, Failure};
use crate::pace::Pace;
use crate::resuming::Begun;
use crate::roster::Roster;
use crate::step::Input;
use crate::{CameFrom, EdgeId, Ports};
use actix::prelude::*;
use claviger_front::{Close, Content, Deliver, FromEdge, Repeat, ToEdge};
use claviger_ledger::{CredentialId, DeviceRef, Ended, Session, SessionId, View};
use claviger_seal::TenantKey;
use core::time::Duration;
use opens::Call;
pub(crate) use resting::Rest;
use resting::Watch;
use reviving::Revival;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak};
use zeroize::Zeroizing;

/// To how many frames beyond a full mailbox a device is told that it is too busy.
const TURNED_AWAY: u8 = 8;

/// A device whose actor is awake.
struct Slot {
    actor: Addr<DeviceActor>,
    /// When it was handed something last, in seconds since the region began.
    handed: u32,
    /// How many frames came beyond its mailbox since it had room.
    beyond: u8,
    /// True while it is asked to sleep: what comes for it is parked.
    draining: bool,
}

/// What all actors have in common. An address is three allocations, so they share one.
pub(crate) struct Home {
    pub(crate) ports: Arc<Ports>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) region: Addr<Region>,
}

/// The actors of this node.
pub(crate) struct Region {
    ports: Arc<Ports>,
    began: Duration,
    /// As long as an actor has it: the region does not keep itself.
    home: Weak<Home>,
    slots: HashMap<Arc<DeviceRef>, Slot>,
    parked: HashMap<Arc<DeviceRef>, Vec<ToActor>>,
    watch: Watch,
    dormant: HashMap<SessionId, (u64, Numbers)>,
    dormant_order: VecDeque<(u64, SessionId)>,
    sleeps: u64,
    roster: Roster,
    keys: EdgeKeys,
    identities: Identities,
    begun: Begun,
    calls: Calls<Call>,
    pace: Arc<Pace>,
    revival: Revival,
}

/// A frame of an edge.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Frame {
    pub(crate) edge: EdgeId,
    pub(crate) origin: CameFrom,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// What an LwM2M server said of a credential.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ServerAnswered {
    pub(crate) device: DeviceRef,
    pub(crate) credential: CredentialId,
    pub(crate) result: Result<(), String>,
}

/// The ledger has ended credentials.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CredentialsEnded(pub(crate) Ended);

/// The key of a realm's listeners was made or changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct IdentityChanged(pub(crate) String);

/// This node may speak for the cluster.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Beat;

/// The way to an edge has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EdgeGone(pub(crate) EdgeId);

/// This node leads no more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

/// An actor could not send this: the way to its session's edge has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stranded {
    pub(crate) device: DeviceRef,
    pub(crate) session: SessionId,
    pub(crate) edge: EdgeId,
    pub(crate) contents: Vec<Content>,
}

impl Region {
    pub(crate) fn new(ports: Arc<Ports>) -> Self {
        let keys = EdgeKeys::new(ports.keys.clone());
        Self {
            began: ports.clock.now(),
            ports,
            home: Weak::new(),
            slots: HashMap::new(),
            parked: HashMap::new(),
            watch: Watch::default(),
            dormant: HashMap::new(),
            dormant_order: VecDeque::new(),
            sleeps: 0,
            roster: Roster::default(),
            keys,
            identities: Identities::default(),
            begun: Begun::default(),
            calls: Calls::new(),
            pace: Arc::default(),
            revival: Revival::default(),
        }
    }

    fn deliver(&mut self, edge: EdgeId, frame: Deliver, ctx: &mut Context<Self>) {
        let device = DeviceRef { tenant: frame.tenant.clone(), device: frame.device.clone() };
        let session = SessionId(frame.session);
        if self.wake(edge, &device, session, ctx) {
            let numbers = self.take_numbers(session);
            self.hand(&device, ToActor::Deliver { edge, numbers, frame: Box::new(frame) }, false);
        }
    }

    fn repeat(&mut self, edge: EdgeId, frame: Repeat, ctx: &mut Context<Self>) {
        let device = DeviceRef { tenant: frame.tenant, device: frame.device };
        let session = SessionId(frame.session);
        if self.wake(edge, &device, session, ctx) {
            let numbers = self.take_numbers(session);
            self.hand(&device, ToActor::Repeat { edge, numbers, session }, false);
        }
    }

    /// Sees to it that the device's actor is awake; false if the session is not the device's.
    fn wake(
        &mut self,
        edge: EdgeId,
        device: &DeviceRef,
        session: SessionId,
        ctx: &mut Context<Self>,
    ) -> bool {
        match self.slots.get(device) {
            // One that broke: its device must not be shut out until a restart.
            Some(slot) if !slot.actor.connected() => {
                tracing::error!(%device, "an actor has broken; it is spawned anew");
                self.slots.remove(device);
                self.parked.remove(device);
            }
            Some(_) => return true,
            None => {}
        }
        let mut found: Option<(String, Result<TenantKey, Failure>)> = None;
        self.ports.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let known: Option<Session> = view.session(device, session);
            if let (Some(_), Some(record)) = (known, view.device(device)) {
                let key = opening::tenant_key(&view, &self.ports.keys, &device.tenant);
                found = Some((record.endpoint, key));
            }
        });
        match found {
            Some((endpoint, Ok(key))) => {
                count(&self.ports.counters.activations_woken);
                self.spawn(device.clone(), endpoint, key, ctx);
                true
            }
            Some((_, Err(failure))) => {
                tracing::error!(%device, ?failure, "an actor cannot be woken");
                false
            }
            None => {
                count(&self.ports.counters.frames_rejected);
                self.send(edge, ToEdge::Close(Close { session: session.0 }));
                false
            }
        }
    }

    fn spawn(
        &mut self,
        device: DeviceRef,
        endpoint: String,
        tenant_key: TenantKey,
        ctx: &mut Context<Self>,
    ) {
        let home = self.home.upgrade().unwrap_or_else(|| {
            let (ports, pace) = (self.ports.clone(), self.pace.clone());
            let home = Arc::new(Home { ports, pace, region: ctx.address() });
            self.home = Arc::downgrade(&home);
            home
        });
        let device = Arc::new(device);
        let actor = DeviceActor::new(device.clone(), endpoint, tenant_key, home).start();
        let slot = Slot { actor, handed: self.second(), beyond: 0, draining: false };
        self.slots.insert(device.clone(), slot);
        self.watch_over(device, ctx);
    }

    /// Hands `message` to the device's actor. What must not be lost passes a full mailbox.
    fn hand(&mut self, device: &DeviceRef, message: ToActor, must: bool) {
        let second = self.second();
        let dropped = match self.slots.get_mut(device) {
            Some(slot) if slot.draining => !self.park(device, message, must),
            Some(slot) if must => {
                slot.handed = second;
                slot.actor.do_send(message);
                false
            }
            Some(slot) => match slot.actor.try_send(message) {
                Ok(()) => {
                    (slot.handed, slot.beyond) = (second, 0);
                    false
                }
                // It has the numbers to say so; nothing else is done with what is turned away.
                Err(SendError::Full(ToActor::Deliver { edge, frame, .. }))
                    if slot.beyond < TURNED_AWAY =>
                {
                    slot.beyond += 1;
                    slot.actor.do_send(ToActor::TurnAway { edge, frame });
                    true
                }
                Err(_) => true,
            },
            None => true,
        };
        if dropped {
            count(&self.ports.counters.mailbox_full);
        }
    }

    /// Where the edge has gone, its devices ask another one.
    fn send(&self, edge: EdgeId, frame: ToEdge) {
        let _ = self.ports.edges.send(edge, frame.encode());
    }
}

impl Actor for Region {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Room for a storm: each edge sends what devices send, and they send again.
        ctx.set_mailbox_capacity(65_536);
        self.look_back(ctx);
    }
}

impl Handler<Frame> for Region {
    type Result = ();

    fn handle(&mut self, frame: Frame, ctx: &mut Self::Context) {
        match FromEdge::decode(&frame.bytes) {
            Ok(FromEdge::Open(open)) => self.call(frame.edge, Call::Open(open, frame.origin), ctx),
            Ok(FromEdge::Deliver(deliver)) => self.deliver(frame.edge, deliver, ctx),
            Ok(FromEdge::Repeat(repeat)) => self.repeat(frame.edge, repeat, ctx),
            Ok(FromEdge::Sign(sign)) => self.sign(frame.edge, &sign),
            Ok(FromEdge::Resume(resume)) => self.resume(frame.edge, resume, ctx),
            Ok(FromEdge::Find(find)) => self.find(frame.edge, &find),
            Ok(FromEdge::Listen(listen)) => self.listen(frame.edge, listen, ctx),
            Err(_) => count(&self.ports.counters.frames_rejected),
        }
    }
}

impl Handler<Stranded> for Region {
    type Result = ();

    fn handle(&mut self, stranded: Stranded, _: &mut Self::Context) {
        let Stranded { device, session, edge: lost, contents } = stranded;
        self.roster.gone(lost);
        let mut row = None;
        self.ports.ledger.read(&mut |rows| row = View::new(rows).session(&device, session));
        let edge = row.and_then(|row| self.hold_elsewhere(&device, session, &row, Some(lost)));
        // Without another edge the device's next datagram shows the way.
        if let Some(edge) = edge {
            let moved = Input::Moved { session, from: lost, to: edge, contents };
            self.hand(&device, ToActor::Step(moved), true);
        }
    }
}

impl Handler<Stop> for Region {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        for (_, slot) in self.slots.drain() {
            slot.actor.do_send(ToActor::Stop);
        }
        ctx.stop();
    }
}

impl Handler<ServerAnswered> for Region {
    type Result = ();

    fn handle(&mut self, answer: ServerAnswered, _: &mut Self::Context) {
        let ServerAnswered { device, credential, result } = answer;
        // An actor that sleeps waits for no answer: it asks the ledger when its device does.
        if self.slots.contains_key(&device) {
            let answered = Input::ServerAnswered { credential, result };
            self.hand(&device, ToActor::Step(answered), true);
        }
    }
}

impl Handler<CredentialsEnded> for Region {
    type Result = ();

    fn handle(&mut self, CredentialsEnded(ended): CredentialsEnded, _: &mut Self::Context) {
        let mut told: BTreeMap<DeviceRef, (Vec<SessionId>, Vec<CredentialId>)> = BTreeMap::new();
        for (device, session) in ended.closed {
            self.dormant.remove(&session);
            told.entry(device).or_default().0.push(session);
        }
        for (device, credential) in ended.withdrawn {
            self.ports.outbox.wake(&device, credential);
            told.entry(device).or_default().1.push(credential);
        }
        for (device, (closed, withdrawn)) in told {
            // Of one that sleeps an edge may hold a session: it learns of it when it asks.
            if self.slots.contains_key(&device) {
                let ended = Input::Ended { closed, withdrawn };
                self.hand(&device, ToActor::Step(ended), true);
            }
        }
    }
}
