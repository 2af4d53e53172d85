//! What only the leader runs: the actors, the worker of the outbox, the sweeper, and the heartbeat of
//! edges. It begins when this node leads, and ends at once when it does not.

use super::StartError;
use super::founding::World;
use crate::cluster::hub::{BEAT, Hub};
use crate::connectors::outbox::{self, OutboxWorker};
use crate::keys::{self, KeyError, Worker};
use crate::sweeper::Sweeper;
use claviger_actors::{Counters, Devices, Ports, Unproven};
use claviger_curves::AwsLc;
use claviger_ledger::{Ledger, Unavailable};
use claviger_raft::Leadership;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often a leader tries to open its keys before it is called sealed.
const ATTEMPTS: u32 = 10;
/// The pause before a leader that is sealed looks again.
const SEALED: Duration = Duration::from_secs(1);
/// The pause before a ledger that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// What the leader runs, while there is none.
pub(super) struct Leader {
    pub(super) world: World,
    /// The tenants that are made where they are missing.
    pub(super) tenants: BTreeSet<String>,
    /// Where LwM2M servers reach the API.
    pub(super) public_url: String,
    pub(super) hub: Arc<Hub>,
    /// Where actors run.
    pub(super) actors: Handle,
    pub(super) unproven: Arc<Unproven>,
    pub(super) counters: Arc<Counters>,
    pub(super) sleep_after: Duration,
    pub(super) outbox: Arc<outbox::Counters>,
    pub(super) keys: Arc<keys::Counters>,
}

/// Told once how the first reign began.
pub(super) type Begun = oneshot::Sender<Result<(), StartError>>;

/// Waits for that.
pub(super) struct Begins(pub(super) oneshot::Receiver<Result<(), StartError>>);

impl Begins {
    /// Ends when this node has led and can serve, or cannot.
    pub(super) async fn done(self) -> Result<(), StartError> {
        self.0.await.map_err(|_| StartError::Unavailable(Unavailable::Stopped))?
    }
}

/// What can be seen of leaders from outside, over all reigns.
pub(super) struct Shown {
    pub(super) unproven: Arc<Unproven>,
    pub(super) actors: Arc<Counters>,
    pub(super) outbox: Arc<outbox::Counters>,
    pub(super) keys: Arc<keys::Counters>,
}

impl Leader {
    pub(super) fn shown(&self) -> Shown {
        Shown {
            unproven: self.unproven.clone(),
            actors: self.counters.clone(),
            outbox: self.outbox.clone(),
            keys: self.keys.clone(),
        }
    }

    /// Reigns whenever this node leads, until the task is ended.
    pub(super) async fn run(self, begun: Begun) {
        let (mut begun, mut leadership) = (Some(begun), self.world.ledger.leadership());
        loop {
            let led = leadership.wait_for(|led| led.leading.is_some()).await;
            let Ok(led) = led.map(|led| led.leading) else { return };
            let Some(term) = led else { continue };
            let ended = |led: &Leadership| led.leading != Some(term);
            tokio::select! {
                () = self.reign(term, &mut begun) => {}
                _ = leadership.wait_for(ended) => {}
            }
            if let Some(devices) = self.hub.close() {
                devices.stop();
            }
            tracing::info!(term, "this node leads no more");
        }
    }

    /// One reign; it is ended from outside.
    async fn reign(&self, term: u64, begun: &mut Option<Begun>) {
        for attempt in 1.. {
            let prepared = self.prepare().await;
            let Err(error) = &prepared else {
                begun.take().map(|begun| begun.send(prepared));
                break;
            };
            let (sealed, words) = (matches!(error, StartError::Key(_)), error.to_string());
            if let StartError::Key(error) = error {
                self.world.keeper.seal(error);
            }
            // A provider that is busy answers in a moment. Who is sealed runs, and says so.
            if attempt >= ATTEMPTS || !sealed {
                begun.take().map(|begun| begun.send(if sealed { Ok(()) } else { prepared }));
                tracing::error!(error = words, "this node leads and cannot serve");
                self.world.keeper.established().await;
                sleep(SEALED).await;
            } else {
                sleep(AGAIN).await;
            }
        }
        let World { ledger, keeper, clock, crypto } = self.world.clone();
        let ring = keeper.ring();
        let ledger: Arc<dyn Ledger> = ledger;
        let (outbox, worker) = OutboxWorker::new(
            ledger.clone(),
            ring.clone(),
            clock.clone(),
            crypto.clone(),
            self.public_url.clone(),
            self.outbox.clone(),
        );
        let (serial, edges) = self.hub.voice();
        let ports = Ports {
            ledger: ledger.clone(),
            keys: ring,
            clock: clock.clone(),
            crypto: crypto.clone(),
            pki: Arc::new(AwsLc),
            outbox,
            edges,
            unproven: self.unproven.clone(),
            counters: self.counters.clone(),
            sleep_after: self.sleep_after,
        };
        let devices = match self.actors.spawn(async { Devices::start(ports) }).await {
            Ok(devices) => devices,
            Err(error) => {
                tracing::error!(%error, "the actors do not start");
                return core::future::pending().await;
            }
        };
        self.hub.open(serial, term, devices.clone());
        tracing::info!(term, "this node leads");
        let mut tasks = JoinSet::new();
        tasks.spawn(worker.run(Arc::new(move |device, credential, result| {
            devices.server_answered(device, credential, result);
        })));
        tasks.spawn(Sweeper::new(ledger, clock, crypto).run());
        tasks.spawn(Worker::new(keeper, self.keys.clone()).run());
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.hub.beat();
        }
    }

    /// As [`World::prepare`], however long the ledger takes to answer.
    async fn prepare(&self) -> Result<(), StartError> {
        loop {
            match self.world.prepare(&self.tenants).await {
                Err(
                    StartError::Unavailable(error) | StartError::Key(KeyError::Unavailable(error)),
                ) => {
                    tracing::warn!(%error, "the ledger is not prepared yet");
                    sleep(AGAIN).await;
                }
                done => return done,
            }
        }
    }
}
