//! openraft's state machine: commands through `apply`, rows in a [`StateStore`], snapshots of them.

use crate::counters::Counters;
use crate::frame::{self, Applied, Id, Stored};
use crate::image::{Image, all_of};
use crate::state_store::{Overlay, StateStore};
use crate::types::{LogId, Outcome, Payload, SnapshotMeta, StoredMembership, Types};
use claviger_ledger::Apply;
use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use std::io;
use std::sync::{Arc, OnceLock};

type SnapshotOf = openraft::alias::SnapshotOf<Types, Image>;

/// Who hears of each command that is applied here, with its outcome.
pub(crate) type Observer = OnceLock<Box<dyn Fn(&[u8], &[u8]) + Send + Sync>>;

/// How many entries are applied between two writes of rows.
const BATCH: usize = 256;

/// The state machine of one node.
#[derive(Clone)]
pub(crate) struct Machine {
    store: Arc<dyn StateStore>,
    apply: Apply,
    counters: Arc<Counters>,
    observer: Arc<Observer>,
    /// True if whoever syncs the rows waits for a disk.
    on_disk: bool,
}

impl Machine {
    pub(crate) fn new(
        store: Arc<dyn StateStore>,
        apply: Apply,
        counters: Arc<Counters>,
        observer: Arc<Observer>,
        on_disk: bool,
    ) -> Self {
        Self { store, apply, counters, observer, on_disk }
    }

    fn applied(&self) -> io::Result<Applied> {
        Applied::of(self.store.applied()?)
    }

    /// Applies a batch and stores it; nothing is stored if a command cannot be read.
    fn apply_batch(&self, batch: Vec<EntryResponder<Types>>) -> io::Result<()> {
        let mut applied = self.applied()?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut changes = Ok(Default::default());
        self.store.view(&mut |base| {
            let mut rows = Overlay { base, changes: Default::default() };
            for (entry, _) in &batch {
                applied.last = Some(entry.log_id.into());
                let outcome = match &entry.payload {
                    Payload::Blank => Ok(Vec::new()),
                    Payload::Normal(command) => {
                        (self.apply)(&mut rows, entry.log_id.index, &command.0)
                    }
                    Payload::Membership(members) => {
                        let id = Some(entry.log_id);
                        applied.membership =
                            Stored::from(&StoredMembership::new(id, members.clone()));
                        Ok(Vec::new())
                    }
                };
                match outcome {
                    Ok(outcome) => answers.push(Outcome(outcome)),
                    Err(damage) => {
                        changes = Err(io::Error::new(io::ErrorKind::InvalidData, damage));
                        return;
                    }
                }
            }
            changes = Ok(std::mem::take(&mut rows.changes));
        });
        self.store.apply(changes?, &frame::encode(&applied))?;
        let observer = self.observer.get();
        for ((entry, responder), answer) in batch.into_iter().zip(answers) {
            if let (Some(observer), Payload::Normal(command)) = (observer, &entry.payload) {
                observer(&command.0, &answer.0);
            }
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Image;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.applied()?;
        Ok((applied.last.map(LogId::from), applied.membership.try_into()?))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            self.apply_batch(batch.into_iter().collect::<io::Result<_>>()?)?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, image: Image) -> io::Result<()> {
        let applied = Applied {
            last: meta.last_log_id.map(Id::from),
            membership: (&meta.last_membership).into(),
        };
        let store = self.store.clone();
        let applied = frame::encode(&applied);
        let install = move || match &image {
            Image::Received(spool) => store.replace(&mut spool.rows()?, &applied),
            Image::Rows(moment) => store.replace(&mut all_of(&**moment), &applied),
        };
        self.aside(install).await?;
        Counters::one(&self.counters.snapshots_installed);
        Ok(())
    }

    /// The rows as they are: always as new as what stands for a part of the log.
    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf>> {
        let machine = self.clone();
        let snapshot = self.aside(move || machine.moment()).await?;
        Ok(snapshot.meta.last_log_id.is_some().then_some(snapshot))
    }
}

impl Machine {
    /// Does what may wait for the disk, where there is one, while nobody else waits.
    async fn aside<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if !self.on_disk {
            return what();
        }
        tokio::task::spawn_blocking(what).await.map_err(io::Error::other)?
    }

    fn moment(&self) -> io::Result<SnapshotOf> {
        let moment = self.store.moment()?;
        let meta = meta_of(Applied::of(moment.applied()?)?)?;
        Ok(Snapshot { meta, snapshot: Image::Rows(moment) })
    }

    /// What is to stand for a part of the log: the log may be purged up to there, so the rows do
    /// not stay behind it.
    fn snapshot(&self) -> io::Result<SnapshotOf> {
        let snapshot = self.moment()?;
        self.store.sync()?;
        Counters::one(&self.counters.snapshots_built);
        Ok(snapshot)
    }
}

fn meta_of(applied: Applied) -> io::Result<SnapshotMeta> {
    Ok(SnapshotMeta {
        last_log_id: applied.last.map(LogId::from),
        last_membership: applied.membership.try_into()?,
    })
}

impl RaftSnapshotBuilder<Types> for Machine {
    type SnapshotData = Image;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf> {
        let builder = self.clone();
        self.aside(move || builder.snapshot()).await
    }
}
