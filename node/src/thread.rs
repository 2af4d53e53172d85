//! A thread with a runtime of its own.
//!
//! The runtime runs local tasks by itself, without tokio's `LocalSet` (which actix's `System`
//! brings): there each datagram that wakes a task costs a write to the runtime's own eventfd and
//! one more turn of epoll, only to tell the thread what it is about to see.

use std::io;
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running thread. When it is dropped, what runs there ends, at its next pause.
pub struct Thread {
    runtime: Handle,
    ending: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Thread {
    /// Starts a thread.
    ///
    /// # Errors
    /// If the system has no thread or no poll for it.
    pub async fn start(name: &str) -> io::Result<Self> {
        let (ending, ended) = oneshot::channel();
        let (ready, started) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut builder = Builder::new_current_thread();
            let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                if ready.send(Ok(Handle::current())).is_ok() {
                    // It ends all the same if nobody is left to say so.
                    let _ = ended.await;
                }
            });
        })?;
        let runtime = started.await.map_err(|_| io::Error::other("the thread broke"))??;
        Ok(Self { runtime, ending, thread })
    }

    /// By which others run tasks there, as long as it lives.
    pub fn handle(&self) -> Handle {
        self.runtime.clone()
    }

    /// Runs `task` there. It may spawn local tasks: its thread is the runtime's.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }

    /// Ends all that runs there, and waits for it. False if the thread ended by a panic.
    pub async fn stop(self) -> bool {
        drop(self.ending);
        let ended = tokio::task::spawn_blocking(|| self.thread.join());
        matches!(ended.await, Ok(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_may_spawn_local_ones_and_all_end_with_the_thread() {
        let thread = Thread::start("test").await.expect("a thread can be had");
        let (alive, ended) = oneshot::channel::<()>();

        let name = thread.spawn(async {
            let local = tokio::task::spawn_local(async move {
                core::future::pending::<()>().await;
                drop(alive);
            });
            drop(local);
            std::thread::current().name().map(ToOwned::to_owned)
        });

        assert_eq!(name.await.expect("it ends").as_deref(), Some("test"));
        assert!(thread.stop().await);
        assert!(ended.await.is_err(), "the local task is gone");
    }
}
