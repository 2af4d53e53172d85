//! What an actor that is awake weighs while its device is silent, and how it falls asleep.

use crate::actor::{DeviceActor, ToActor};
use crate::region::{Home, Region};
use crate::step::Input;
use crate::{Clock, EdgeId, Edges, Outbox, Ports};
use actix::{Actor, Addr, System};
use allocation_counter::measure;
use claviger_ledger::memory::MemoryRows;
use claviger_ledger::{CredentialId, DeviceRef, Envelope, Ledger, Outcome, Rows, SessionId};
use claviger_machine::{Crypto, Pki, Signer, Subject, Untrusted};
use claviger_seal::TenantKey;
use core::net::SocketAddr;
use core::time::Duration;
use futures::future::{BoxFuture, pending, ready};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A world in which nothing happens.
struct Nothing;

impl Ledger for Nothing {
    fn propose(&self, _: Envelope) -> BoxFuture<'_, Result<Outcome, claviger_ledger::Unavailable>> {
        Box::pin(pending())
    }
    fn confirm(&self) -> BoxFuture<'_, Result<(), claviger_ledger::Unavailable>> {
        Box::pin(ready(Ok(())))
    }
    fn ready(&self) -> Result<(), claviger_ledger::Unavailable> {
        Ok(())
    }
    fn applied(&self) -> u64 {
        0
    }
    fn beyond(&self, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(pending())
    }
    fn read(&self, look: &mut dyn FnMut(&dyn Rows)) {
        look(&MemoryRows::default());
    }
}

impl Clock for Nothing {
    fn now(&self) -> Duration {
        Duration::from_secs(1_800_000_000)
    }
}

impl Crypto for Nothing {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

impl Pki for Nothing {
    fn subject(&self, _: &[u8]) -> Option<Subject> {
        None
    }
    fn subject_text(&self, _: &[u8]) -> Option<String> {
        None
    }
    fn validate(&self, _: &[Vec<u8>], _: &[&[u8]], _: Duration) -> Result<(), Untrusted> {
        Ok(())
    }
    fn verify(&self, _: &[u8], _: u16, _: &[u8], _: &[u8]) -> bool {
        false
    }
    fn signer(&self, _: &[u8]) -> Option<Box<dyn Signer>> {
        None
    }
}

impl Outbox for Nothing {
    fn wake(&self, _: &DeviceRef, _: CredentialId) {}
}

impl Edges for Nothing {
    fn send(&self, _: EdgeId, _: Zeroizing<Vec<u8>>) -> bool {
        true
    }
}

fn ports() -> Ports {
    Ports {
        ledger: Arc::new(Nothing),
        keys: Arc::default(),
        clock: Arc::new(Nothing),
        crypto: Arc::new(Nothing),
        pki: Arc::new(Nothing),
        outbox: Arc::new(Nothing),
        edges: Arc::new(Nothing),
        unproven: Arc::default(),
        counters: Arc::default(),
        sleep_after: Duration::from_secs(120),
    }
}

/// What actors have in common, however many there are.
async fn home() -> Arc<Home> {
    let ports = Arc::new(ports());
    let region = Region::new(ports.clone()).start();
    Arc::new(Home { ports, pace: Arc::default(), region })
}

/// Wakes the actors of so many devices, each of which has opened a session and is silent.
async fn wake(home: Arc<Home>, count: u32) -> Vec<Addr<DeviceActor>> {
    let key = TenantKey::new([1; 32]);
    let mut actors = Vec::with_capacity(count as usize);
    for number in 0..count {
        let name = format!("urn:dev:mac:0024befffe{number:06}");
        let of = Arc::new(DeviceRef { tenant: "default".to_owned(), device: name.clone() });
        let actor = DeviceActor::new(of, name, key.clone(), home.clone()).start();
        let mut session = [0; 16];
        session[..4].copy_from_slice(&number.to_be_bytes());
        actor.do_send(ToActor::Step(Input::Opened {
            edge: EdgeId(1),
            session: SessionId(session),
            generation: 1,
            peer: SocketAddr::from(([192, 0, 2, 1], 5684)),
            named: true,
            closed: Vec::new(),
            prepared: Some(CredentialId([2; 16])),
        }));
        actors.push(actor);
    }
    let counters = &home.ports.counters;
    while counters.actors.load(core::sync::atomic::Ordering::Relaxed) < i64::from(count) {
        tokio::task::yield_now().await;
    }
    actors
}

#[test]
fn an_actor_whose_device_is_silent_weighs_at_most_1060_bytes() {
    let system = System::new();
    let few = system.block_on(async { wake(home().await, 10).await });
    let (home, count) = (system.block_on(home()), 2_000);

    let mut actors = Vec::new();
    let spent = measure(|| actors = system.block_on(wake(home, count)));

    // What the allocator adds, and the region's slot, come on top.
    let each = spent.bytes_current / i64::from(count);
    assert!(
        (800..=1_060).contains(&each),
        "{each} bytes in {} pieces",
        spent.count_current / i64::from(count)
    );
    drop((few, actors));
}

#[test]
fn an_actor_that_falls_asleep_lives_until_the_region_has_heard_of_it() {
    let system = System::new();
    let actor = system.block_on(async { wake(home().await, 1).await }).remove(0);
    let settle = async |message| {
        actor.do_send(message);
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    };

    system.block_on(settle(ToActor::Sleep));
    assert!(actor.connected(), "a frame on its way finds an actor that broke");

    system.block_on(settle(ToActor::Stop));
    assert!(!actor.connected());
}
