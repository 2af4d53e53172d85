//! The thread on which openraft's tasks of a node on a disk run.
//!
//! They hand every entry to each other several times, and to the channels that lead to other nodes.
//! On one thread that is a queue; on a pool of threads it is the waking of another thread, which
//! costs more than all else that a commit does. So a link that speaks for a node has its tasks here
//! too: make it within [`Home::enter`].

use std::io;
use std::sync::Arc;
use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

/// The thread; it ends when all of these are dropped, and whatever still runs on it with it.
#[derive(Clone)]
pub struct Home {
    handle: Handle,
    _held: Arc<oneshot::Sender<()>>,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Home")
    }
}

impl Home {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn open() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (held, dropped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        thread.spawn(move || drop(runtime.block_on(dropped)))?;
        Ok(Self { handle, _held: Arc::new(held) })
    }

    /// What is made as long as the guard lives has its tasks there.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Runs `task` there; what it spawns stays there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        self.handle.spawn(task).await
    }

    /// Runs `task` there, until it ends or the thread does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Runs `task` there as long as this is waited for.
    pub(crate) async fn lend(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut lent = JoinSet::new();
        lent.spawn_on(task, &self.handle);
        while lent.join_next().await.is_some() {}
    }
}
