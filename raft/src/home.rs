//! The thread on which openraft's tasks of a node on a disk run.
//!
//! They hand every entry to each other several times. On one thread that is a queue; on a pool of
//! threads it is the waking of another thread, which costs more than all else that a commit does.

use std::future::Future;
use std::io;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinError;

/// The thread; it ends when this is dropped, and whatever still runs on it with it.
pub(crate) struct Home {
    handle: Handle,
    _held: oneshot::Sender<()>,
}

impl Home {
    /// Starts the thread.
    pub(crate) fn open() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (held, dropped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        thread.spawn(move || drop(runtime.block_on(dropped)))?;
        Ok(Self { handle, _held: held })
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
}
