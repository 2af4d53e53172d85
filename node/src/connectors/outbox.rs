//! The worker that tells LwM2M servers what stands in the ledger's outbox, at least once each.
//!
//! [`OutboxWorker::new`] gives the [`Outbox`] that actors wake and the worker, whose
//! [`OutboxWorker::run`] is to be spawned. At its start, and once a minute, it looks through the
//! whole outbox: a command whose fate was unknown may have left something there. Each wake names
//! its credential. A credential is tried until its row is gone, with pauses
//! that double; a wake, which is a device that asks again, ends a pause. Nothing is lost with the
//! process: the row is dropped by the command that confirms it.

use super::gates::Gates;
use super::lanes::Lanes;
use super::message::{About, Aim, Message, aim};
use super::way::Ways;
use crate::telemetry;
use claviger_actors::{Clock, Outbox};
use claviger_ledger::{
    Command, ConfirmOutbox, ConfirmWithdrawal, ConnectorKind, CredentialId, DeviceRef, Envelope,
    Ledger, Outcome, RequestId, View,
};
use claviger_machine::Crypto;
use claviger_seal::Keyring;
use core::time::Duration;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

/// How many messages are under way at once, of all connectors.
pub(super) const AT_ONCE: usize = 128;
/// The first pause, and the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// How long after a look through the outbox the next one comes.
const LOOK: Duration = Duration::from_secs(60);

/// Who hears what the LwM2M server said of a credential.
pub type Answered = dyn Fn(&DeviceRef, CredentialId, Result<(), String>) + Send + Sync;

/// Messages of one kind of connector.
#[derive(Debug, Default)]
pub struct Messages {
    /// Those that a server took.
    pub taken: AtomicU64,
    /// Those that no server took, or that could not be made.
    pub failed: AtomicU64,
}

/// What the worker counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Signed webhooks.
    pub webhook: Messages,
    /// Changes of a Leshan server's security store.
    pub leshan: Messages,
    /// Credentials that are to be told of now.
    pub waiting: AtomicU64,
}

impl Counters {
    const fn of(&self, kind: ConnectorKind) -> &Messages {
        match kind {
            ConnectorKind::Leshan => &self.leshan,
            ConnectorKind::Webhook | ConnectorKind::Pull => &self.webhook,
        }
    }
}

type Item = (DeviceRef, CredentialId);

/// The trace that asks for an attempt, as a `traceparent`.
type Cause = Option<String>;

/// The side that actors wake. The channel holds no more than there are staged credentials whose
/// devices ask.
struct Wake(UnboundedSender<(Item, Cause)>);

impl Outbox for Wake {
    fn wake(&self, device: &DeviceRef, credential: CredentialId) {
        // Without a worker the process is about to end; the row waits for the next one.
        let _ = self.0.send(((device.clone(), credential), telemetry::current()));
    }
}

/// The worker.
pub struct OutboxWorker {
    wakes: UnboundedReceiver<(Item, Cause)>,
    shop: Arc<Shop>,
}

/// What every attempt needs.
struct Shop {
    ledger: Arc<dyn Ledger>,
    keys: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    crypto: Arc<dyn Crypto>,
    public_url: String,
    ways: Ways,
    gates: Gates,
    lanes: Lanes,
    places: Semaphore,
    counters: Arc<Counters>,
}

/// What an attempt came to.
enum Attempt {
    /// The server holds it, and the ledger knows.
    Confirmed,
    /// The row is gone, and the server was not asked: superseded, or unknown.
    Nothing,
    /// It must be tried again.
    Failed(String),
    /// The server holds it, but the ledger did not say whether it knows, or the credential has
    /// ended meanwhile: nobody is told yet.
    Unknown,
    /// The server holds it no more, and the ledger knows.
    Withdrawn,
}

impl OutboxWorker {
    /// A worker for `ledger`; `public_url` is where LwM2M servers reach this API. It counts into
    /// `counters`.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        keys: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        crypto: Arc<dyn Crypto>,
        public_url: String,
        counters: Arc<Counters>,
    ) -> (Arc<dyn Outbox>, Self) {
        let (sender, wakes) = unbounded_channel();
        let (ways, gates, lanes) = (Ways::new(), Gates::default(), Lanes::new());
        let places = Semaphore::new(AT_ONCE);
        let shop =
            Shop { ledger, keys, clock, crypto, public_url, ways, gates, lanes, places, counters };
        (Arc::new(Wake(sender)), Self { wakes, shop: Arc::new(shop) })
    }

    /// Tells until the task is ended, or nobody is left who could wake it.
    pub async fn run(mut self, answered: Arc<Answered>) {
        let mut working = Working { tasks: JoinSet::new(), woken: BTreeMap::new() };
        let shop = self.shop.clone();
        let look_after = |wait| {
            let shop = shop.clone();
            async move {
                tokio::time::sleep(wait).await;
                shop.all().await
            }
        };
        let mut looking = Box::pin(look_after(Duration::ZERO));
        loop {
            tokio::select! {
                items = &mut looking => {
                    looking = Box::pin(look_after(LOOK));
                    // Those under way keep their pauses.
                    let new = items.into_iter().filter(|item| !working.woken.contains_key(item));
                    for item in new.collect::<Vec<_>>() {
                        working.begin((item, None), &self.shop, &answered);
                    }
                }
                Some(done) = working.tasks.join_next() => match done {
                    Ok(item) => working.ended(item, &self.shop, &answered),
                    Err(error) => tracing::error!(%error, "telling an LwM2M server"),
                },
                item = self.wakes.recv() => match item {
                    Some(wake) => working.begin(wake, &self.shop, &answered),
                    None => return,
                },
            }
        }
    }
}

/// The tasks under way, one for each credential.
struct Working {
    tasks: JoinSet<Item>,
    woken: BTreeMap<Item, Arc<Notify>>,
}

impl Working {
    fn begin(&mut self, (item, cause): (Item, Cause), shop: &Arc<Shop>, answered: &Arc<Answered>) {
        if let Some(woken) = self.woken.get(&item) {
            woken.notify_one();
            return;
        }
        let woken = Arc::new(Notify::new());
        self.woken.insert(item.clone(), woken.clone());
        shop.counters.waiting.store(self.woken.len() as u64, Ordering::Relaxed);
        let (shop, answered) = (shop.clone(), answered.clone());
        self.tasks.spawn(async move {
            shop.tell(&item, cause, &woken, &*answered).await;
            item
        });
    }

    /// Begins again if it was woken when it had already made up its mind to end.
    fn ended(&mut self, item: Item, shop: &Arc<Shop>, answered: &Arc<Answered>) {
        let woken = self.woken.remove(&item);
        shop.counters.waiting.store(self.woken.len() as u64, Ordering::Relaxed);
        if woken.is_some_and(|woken| woken.notified().now_or_never().is_some()) {
            self.begin((item, None), shop, answered);
        }
    }
}

/// The span of one attempt.
fn span((device, credential): &Item, cause: Option<&str>) -> Span {
    if telemetry::traces().is_none() {
        return Span::none();
    }
    info_span!(
        "outbox.deliver",
        traceparent = cause,
        otel.kind = "producer",
        otel.status_code = Empty,
        otel.status_description = Empty,
        claviger.tenant = device.tenant,
        claviger.device = device.device,
        claviger.credential = %credential,
    )
}

/// Notes what an attempt came to.
fn note(span: &Span, attempt: &Attempt) {
    if let Attempt::Failed(words) = attempt
        && !span.is_disabled()
    {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", words.as_str());
    }
}

/// True if the credential's server is known to hold it.
fn is_confirmed(view: &View<'_>, of: &DeviceRef, id: CredentialId) -> bool {
    view.credential(of, id).is_some_and(|credential| credential.confirmed_at.is_some())
}

impl Shop {
    /// Everything in the outbox, as soon as the ledger answers.
    async fn all(&self) -> Vec<Item> {
        let mut pause = FIRST;
        while let Err(error) = self.ledger.confirm().await {
            tracing::warn!(%error, "the outbox waits for the ledger");
            self.wait(&mut pause).await;
        }
        let mut items = Vec::new();
        self.ledger.read(&mut |rows| {
            let rows = View::new(rows).outbox().into_iter();
            items = rows.map(|(device, credential, _)| (device, credential)).collect();
        });
        items
    }

    /// Tells of one credential until there is nothing to tell.
    async fn tell(&self, item: &Item, cause: Cause, woken: &Notify, answered: &Answered) {
        let request = RequestId(self.crypto.random());
        let mut pause = FIRST;
        loop {
            let span = span(item, cause.as_deref());
            let attempt = self.attempt(item, request).instrument(span.clone()).await;
            note(&span, &attempt);
            drop(span);
            match attempt {
                Attempt::Confirmed => {
                    tracing::info!(device = %item.0, credential = %item.1, "the server holds it");
                    answered(&item.0, item.1, Ok(()));
                    return;
                }
                Attempt::Nothing => return,
                Attempt::Withdrawn => {
                    tracing::info!(device = %item.0, credential = %item.1, "the server forgot it");
                    return;
                }
                Attempt::Failed(words) => {
                    tracing::warn!(device = %item.0, credential = %item.1, words, "a server was not told");
                    // A bootstrap that still waits for what has ended is told by others.
                    answered(&item.0, item.1, Err(words));
                }
                Attempt::Unknown => {}
            }
            // The first pause is kept in any case: a device that asks in a loop drives nothing.
            tokio::time::sleep(FIRST).await;
            tokio::select! {
                () = self.wait(&mut pause) => {}
                () = woken.notified() => {}
            }
        }
    }

    /// Waits for `pause`, less up to a half, and doubles it.
    async fn wait(&self, pause: &mut Duration) {
        let [chance] = self.crypto.random();
        let time = *pause - pause.mul_f64(f64::from(chance) / 512.0);
        *pause = (*pause * 2).min(LONGEST);
        tokio::time::sleep(time).await;
    }

    async fn attempt(&self, (of, id): &Item, request: RequestId) -> Attempt {
        if self.ledger.confirm().await.is_err() {
            return Attempt::Unknown;
        }
        let (mut aimed, mut confirmed) = (None, false);
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            (aimed, confirmed) = (aim(&view, of, *id), is_confirmed(&view, of, *id));
        });
        let Some(Aim { connector, kind, endpoint }) = aimed else {
            return if confirmed { Attempt::Confirmed } else { Attempt::Nothing };
        };
        // In this order: who waits for a server that does not answer keeps no more than its own
        // places from others, and of what all share he has nothing while he waits.
        let gate = self.gates.of(&of.tenant, &connector);
        let _entered = gate.enter().await;
        let _lane = match endpoint {
            Some(endpoint) => Some(self.lanes.enter(&of.tenant, &endpoint).await),
            None => None,
        };
        let place = self.places.acquire().await;
        let _place = place.expect("the semaphore is never closed");
        // Only now: in the lane, what is sent is what the ledger says.
        let sent = match self.compose(of, *id) {
            (Ok(Some(message)), _) => {
                let sent = message.send(&self.ways, &gate, self.clock.now().as_secs()).await;
                sent.map(|()| message.withdraws)
            }
            (Ok(None), true) => return Attempt::Confirmed,
            (Ok(None), false) => return Attempt::Nothing,
            (Err(words), _) => Err(words),
        };
        let counters = self.counters.of(kind);
        match sent {
            Ok(withdraws) => {
                counters.taken.fetch_add(1, Ordering::Relaxed);
                self.confirm(of, *id, request, withdraws).await
            }
            Err(words) => {
                counters.failed.fetch_add(1, Ordering::Relaxed);
                Attempt::Failed(words)
            }
        }
    }

    /// What is to be sent, or what is wrong with it; and whether its server is known to hold it.
    fn compose(&self, of: &DeviceRef, id: CredentialId) -> (Result<Option<Message>, String>, bool) {
        let (mut message, mut confirmed) = (Ok(None), false);
        self.ledger.read(&mut |rows| {
            let view = View::new(rows);
            let about = About { of, id, public_url: &self.public_url };
            message = Message::compose(&view, &self.keys, &about);
            confirmed = is_confirmed(&view, of, id);
        });
        (message, confirmed)
    }

    /// Commits what the server has taken.
    async fn confirm(
        &self,
        of: &DeviceRef,
        id: CredentialId,
        request: RequestId,
        withdraws: bool,
    ) -> Attempt {
        let time = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        let (device, credential) = (of.clone(), id);
        let command: Command = if withdraws {
            ConfirmWithdrawal { device, credential }.into()
        } else {
            ConfirmOutbox { device, credential }.into()
        };
        match self.ledger.propose(Envelope::new(time, request, command)).await {
            Err(_) => Attempt::Unknown,
            Ok(_) if withdraws => Attempt::Withdrawn,
            Ok(Outcome::Refused(_)) => Attempt::Nothing,
            Ok(_) if self.is_left(of, id) => Attempt::Unknown,
            Ok(_) => Attempt::Confirmed,
        }
    }

    /// True if there is more to tell of the credential: that it has ended.
    fn is_left(&self, of: &DeviceRef, id: CredentialId) -> bool {
        let mut left = false;
        self.ledger.read(&mut |rows| left = View::new(rows).outbox_item(of, id).is_some());
        left
    }
}
