//! One connection to a peer, for all channels that this node opens to it.
//!
//! Whoever waits for a connection waits for the same attempt; it goes on when they have gone, so
//! that the next finds it done.

use core::time::Duration;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use quinn::{Connection, VarInt};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::time::Instant;

/// A peer that was reached.
#[derive(Clone)]
pub(crate) struct Reached {
    pub(crate) connection: Arc<Connection>,
    /// When its certificate is over.
    pub(crate) until: Instant,
}

/// What an attempt came to; its error is shared by all who waited.
pub(crate) type Attempted = Result<Reached, Arc<io::Error>>;

type Attempt = Shared<BoxFuture<'static, Attempted>>;

/// Connections by peer, and all that were made and stand: of those that were forgotten, channels go on.
#[derive(Default)]
pub(crate) struct Pool {
    attempts: Mutex<BTreeMap<u64, (String, Attempt)>>,
    made: Mutex<Vec<Weak<Connection>>>,
}

impl Pool {
    fn attempts(&self) -> MutexGuard<'_, BTreeMap<u64, (String, Attempt)>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to the peer `to` at `address`, or the attempt at one that is under way; else
    /// a new one by `connect`.
    pub(crate) fn attempt(
        &self,
        to: u64,
        address: &str,
        connect: impl FnOnce() -> BoxFuture<'static, Attempted>,
    ) -> Attempt {
        let mut attempts = self.attempts();
        if let Some((at, attempt)) = attempts.get(&to)
            && at == address
            && is_of_use(attempt)
        {
            return attempt.clone();
        }
        let task = tokio::spawn(connect());
        let ended = |_| Err(Arc::new(io::Error::other("the attempt to connect ended")));
        let attempt = task.map(move |done| done.unwrap_or_else(ended)).boxed().shared();
        attempts.insert(to, (address.to_owned(), attempt.clone()));
        attempt
    }

    /// The peers to which a connection stands, and its round trip.
    pub(crate) fn reached(&self) -> Vec<(u64, Duration)> {
        let reached = |(to, (_, attempt)): (&u64, &(String, Attempt))| {
            let stands = attempt.peek()?.as_ref().ok().filter(|_| is_of_use(attempt))?;
            Some((*to, stands.connection.rtt()))
        };
        self.attempts().iter().filter_map(reached).collect()
    }

    /// Forgets all connections: the next channels are opened on new ones.
    pub(crate) fn forget(&self) {
        self.attempts().clear();
    }

    /// A connection was made.
    pub(crate) fn made(&self, connection: &Arc<Connection>) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|it| it.strong_count() > 0);
        made.push(Arc::downgrade(connection));
    }

    /// Closes those of them, with all their channels, that must not stand.
    pub(crate) fn close_unless(&self, stands: impl Fn(&Connection) -> bool, why: VarInt) {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in made.iter().filter_map(Weak::upgrade) {
            if connection.close_reason().is_none() && !stands(&connection) {
                connection.close(why, b"");
            }
        }
    }
}

fn is_of_use(attempt: &Attempt) -> bool {
    match attempt.peek() {
        None => true,
        Some(Ok(reached)) => {
            reached.connection.close_reason().is_none() && Instant::now() < reached.until
        }
        Some(Err(_)) => false,
    }
}
