//! Streams of events: how many there may be, and when they end.

use super::Counters;
use crate::http::problem::Fault;
use claviger_api::Code;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many readers of events there may be at once.
pub(in crate::http) const READERS: usize = 64;

/// The places of readers.
pub struct Streams {
    places: Arc<Semaphore>,
    counters: Arc<Counters>,
    stopping: watch::Receiver<bool>,
}

impl Streams {
    /// Places that are given up when `stopping` becomes true.
    pub fn new(counters: Arc<Counters>, stopping: watch::Receiver<bool>) -> Self {
        Self { places: Arc::new(Semaphore::new(READERS)), counters, stopping }
    }

    /// A place, if one is free.
    pub(in crate::http) fn place(&self) -> Result<Place, Fault> {
        let permit = self.places.clone().try_acquire_owned().map_err(|_| {
            Fault::new(Code::Busy, format!("{READERS} readers of events are connected already"))
        })?;
        self.counters.readers.fetch_add(1, Ordering::Relaxed);
        let (counters, stopping) = (self.counters.clone(), self.stopping.clone());
        Ok(Place { _permit: permit, counters, stopping })
    }
}

/// One reader's place, until it is dropped.
pub(in crate::http) struct Place {
    _permit: OwnedSemaphorePermit,
    counters: Arc<Counters>,
    stopping: watch::Receiver<bool>,
}

impl Place {
    /// Waits until the process stops.
    pub(in crate::http) async fn ended(&mut self) {
        // Whoever would tell is gone: that is an end too.
        let _ = self.stopping.wait_for(|stops| *stops).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
